--- parallel: pieces of work in processes side by side.
local core = require "suture.core"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local note = require "suture.base.note"
local options = require "suture.base.options"
local processes = require "suture.base.processes"
local results = require "suture.train.experiments.results"
local sent = require "suture.train.experiments.sent"
local tensor = require "suture.tensor"
local tries = require "suture.train.experiments.tries"
local text = require "suture.base.text"

local read = options.named("parallel", "jobs:count=nil threads:count=1 timeout:positive=nil seed:natural=0 " ..
  "quiet:bool=false")

-- The first line of an error.
local function words(err) return (tostring(err):gsub("\n.*", "")) end

-- Why a piece has no value, from how its process ended; nil: it ended well.
local function ended(over, o)
  if over.late then return ("took longer than %g seconds"):format(o.timeout) end
  if over.signal == 9 then return "was killed (signal 9: where memory ran out, the system does so)" end
  if over.signal then return ("was ended by signal %d"):format(over.signal) end
  if over.status == 130 then return "was interrupted" end
  return "ended without a value"
end

-- parallel for `what`; seed_of(i): of the generator in piece i; name: of the column of the pieces.
local function run(what, list, f, o, seed_of, name)
  local out, made = tries.new(what, name), {}
  local home = os.tmpname()
  os.remove(home)
  local path = function(i) return ("%s-%d.safetensors"):format(home, i) end
  local tidy <close> = setmetatable({}, {__close = function() for i = 1, #list do os.remove(path(i)) end end})
  local stopped = processes.run(#list, {
    what = what, jobs = o.jobs or core.engine.threads(), threads = o.threads, timeout = o.timeout, quiet = o.quiet,
    work = function(i)
      tensor.seed(seed_of(i))
      math.randomseed(seed_of(i))
      local ok, got = pcall(f, list[i], i)
      local line
      if interrupt.over() then error("interrupted!", 0) end -- what it gave may be of work that was cut short
      if ok then ok, line = pcall(sent.pack, what, got, path(i)) else line = got end
      if not ok then
        if interrupt.is(line) then error(line, 0) end
        processes.report("error " .. words(line))
      else processes.report("value " .. line) end
    end,
    report = function(i, line)
      local kind, rest = line:match "^(%a+) (.*)$"
      made[i] = made[i] or {}
      if kind == "row" then results.added(rest)
      else made[i][kind] = rest end
    end,
    ended = function(i, over)
      local m = made[i] or {}
      local one = {job = list[i], seconds = over.seconds, cpu = over.cpu, memory = over.memory, late = over.late}
      if m.value and not over.late then one.value = sent.unpack(m.value, path(i))
      else one.error = over.late and ended(over, o) or m.error or ended(over, o) end
      made[i] = tries.one(one)
      if one.error and not interrupt.over() then
        note(("%s: %s %s: %s"):format(what, name, text.cut(options.show(list[i]), 40), one.error))
      end
    end,
  })
  out.interrupted = stopped
  for i = 1, #list do
    local one = made[i]
    if one and one.job ~= nil and not (stopped and one.error) then rawset(out, #out + 1, one) end
  end
  local failed = 0
  for _, one in ipairs(out) do failed = failed + (one.error and 1 or 0) end
  if failed > 0 and failed == #out then fault("%s: none ended well, as the first: %s", what, out[1].error) end
  return out
end

--- The list of jobs, and the function, checked.
local function check(what, list, f)
  if type(f) ~= "function" then
    fault("%s: expects a function, as %s", what,
      what == "seeds" and "seeds(3, function(seed) … return acc end)" or
        "parallel({0.1, 0.01}, function(lr) … return acc end)")
  end
  if type(list) ~= "table" or getmetatable(list) or #list == 0 then
    fault("%s: expects a list of what to work on, as {0.1, 0.01}, got %s%s", what, options.show(list),
      type(list) == "number" and " · seeds(n, f) is f for n seeds" or "")
  end
end

--- parallel(list, f[, options]): f(list[1]), f(list[2]) … in processes side by side, each a copy of this one with one
-- thread: f may use all there is here (models, data, locals), and what it changes stays in the copy. f(item, i) returns
-- numbers, words, tensors, modules, what fit returned, or tables of them. What f prints appears in the order of the
-- list. t:add{…} of a results table in f adds to the table here. Options:
--   jobs      so many at a time (as many as there are threads)      threads   of each (1)
--   timeout   seconds that each may take; one that takes longer is ended, and its error says so
--   seed      the generator of item i begins with seed + i - 1 (0): the same whatever jobs is
--   quiet     what f prints is not shown
-- Returns a list: r[i].value is what f returned, r[i].error why it failed, r[i].seconds, .cpu (seconds of processors)
-- and .memory (the most bytes it had, those that it shares with this process among them); r.values is the list of what
-- f returned. It prints as a table with the mean ± the standard deviation of numbers. After Ctrl-C it has those that
-- had ended, and r.interrupted. No process outlives this one, however it ends.
local function parallel(list, f, opts)
  check("parallel", list, f)
  local o = read(opts)
  return run("parallel", list, f, o, function(i) return o.seed + i - 1 end, "job")
end

return {parallel = parallel, run = run, check = check}
