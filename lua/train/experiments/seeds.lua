--- seeds: the same with other seeds.
local core = require "suture.core"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local options = require "suture.base.options"
local parallel = require "suture.train.experiments.parallel"
local tensor = require "suture.tensor"
local tries = require "suture.train.experiments.tries"

local read = options.named("seeds", "jobs:count=1 threads:count=1 timeout:positive=nil quiet:bool=false")

--- seeds(n, f[, options]): f(0), f(1) … f(n - 1), before each of which seed(…) is called with that number: new weights,
-- another order of the data, the same each time the script runs. n may be a list of seeds. f returns a figure, a table
-- of figures, or what fit returned. Options:
--   jobs      1: here, one after another; else so many processes side by side, as parallel() makes them
--   threads   of each process (1)      timeout   seconds that each may take      quiet   what f prints is not shown;
--             these three of processes only
-- Returns a list as parallel() does: r[i].value and r[i].seconds are of seed i - 1; it prints as a table with the mean
-- ± the standard deviation. After Ctrl-C it has the seeds that were done, and r.interrupted.
local function seeds(n, f, opts)
  local list = n
  if type(n) == "number" then
    if math.type(n) ~= "integer" or n < 1 or n > 1000000 then
      fault("seeds: expects a whole number of seeds above 0, or a list of them, got %s", options.show(n))
    end
    list = {}
    for i = 1, n do list[i] = i - 1 end
  end
  parallel.check("seeds", list, f)
  for i, s in ipairs(list) do
    if math.type(s) ~= "integer" then fault("seeds: seed %d is %s: a whole number is expected", i, options.show(s)) end
  end
  local o = read(opts)
  if o.jobs > 1 then
    return parallel.run("seeds", list, f, o, function(i) return list[i] end, "seed")
  end
  for _, name in ipairs {"timeout", "quiet", "threads"} do
    if opts and opts[name] ~= nil then fault("seeds: %s goes with jobs = 2 or more", name) end
  end
  local out = tries.new("seeds", "seed")
  for i, s in ipairs(list) do
    if interrupt.over() then break end
    tensor.seed(s)
    local began = core.engine.clock()
    local value = f(s, i)
    if interrupt.over() then break end -- what it gave may be of work that was cut short
    rawset(out, #out + 1, tries.one {job = s, value = value, seconds = core.engine.clock() - began})
  end
  out.interrupted = interrupt.over()
  return out
end

return seeds
