--- timeit: how long something takes, computed.
local absent = require "suture.base.absent"
local core = require "suture.core"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local options = require "suture.base.options"
local statistics = require "suture.train.experiments.statistics"
local timing = require "suture.train.experiments.timing"
local clock = core.engine.clock

local read = options.named("timeit", "seconds:positive=1 runs:count=nil number:count=nil warmup:natural=2")

local LEAST, MOST = 5, 10000 -- runs
local LONG = 1e-3            -- seconds of a run that the clock and a loop's own time do not matter to

local missing = absent.index("what timeit returns", "interrupted")
local Timing = {__name = "timing"}

local function count_text(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

function Timing.__tostring(t)
  local text = ("%s, median of %s"):format(timing.text(t.median), count_text(t.runs, "run"))
  if t.number > 1 then text = text .. (" of %d calls"):format(t.number) end
  if t.runs > 1 then
    text = ("%s · half of them %s to %s, least %s"):format(text, timing.text(t.low), timing.text(t.high),
      timing.text(t.min))
  end
  text = ("%s · %s, processor %s"):format(text, count_text(t.threads, "thread"), timing.text(t.cpu))
  if t.runs > 1 and t.high - t.low > 0.1 * t.median then
    text = text .. "\nthe runs differ by more than a tenth: other programs are at work, or the runs are not alike"
  end
  if t.lazy then
    text = text .. "\nnothing was computed: values are, when somebody looks at them · return what is to be timed"
  end
  return text
end

Timing.__index = missing

--- timeit(f[, options]): calls f over and over, and says how long a call takes: the median of its runs, within what
-- half of them lie, and how many threads were at it. What f returns (tensors, and tables of them) is computed, since
-- m(x) by itself computes nothing yet; x:backward() computes gradients. The first calls make plans and do not count.
--   timeit(function() return m(x) end)
-- Options:
--   seconds  to spend (1), in 5 runs at least and 10000 at most      runs   so many instead
--   number   calls in a run, of which the run gives the mean (as many as take a millisecond)
--   warmup   calls before that (2)
-- Returns {median, low, high (the quartiles), min, max, mean, sd, times (of a call, in each run), number, runs,
-- threads, cpu (seconds of all processors for a call)}, in seconds; it prints itself. Ctrl-C gives what there is.
local function timeit(f, opts)
  if type(f) ~= "function" then
    fault("timeit: expects a function, as timeit(function() return m(x) end), got %s", options.show(f))
  end
  local o = read(opts)
  if o.runs and opts.seconds ~= nil then fault "timeit: runs and seconds both say how long to go on: give one" end
  timing.settle()
  local before = core.engine.runs()
  local function call(n)
    for _ = 1, n do timing.computed(f()) end
  end
  call(o.warmup)
  local number = o.number or 1
  if not o.number then
    while true do
      local began = clock()
      call(number)
      local took = clock() - began
      if took >= LONG or number >= 1 << 20 then break end
      number = math.min(number * math.max(2, math.min(10, math.ceil(LONG / math.max(took, 1e-9)))), 1 << 20)
    end
  end
  collectgarbage()
  local times, cpu, began = {}, os.clock(), clock()
  local soft <close> = interrupt.soft()
  local stopped, failed
  repeat
    local start = clock()
    local ok, err = pcall(call, number)
    if not ok and not interrupt.is(err) then failed = err
    elseif ok then times[#times + 1] = (clock() - start) / number end
    stopped = not ok or interrupt.pending()
  until stopped or o.runs and #times >= o.runs or
    not o.runs and (#times >= MOST or #times >= LEAST and clock() - began >= o.seconds)
  cpu = os.clock() - cpu
  if failed then error(failed, 0) end
  interrupt.take()
  if #times == 0 then error("interrupted!", 0) end
  local lazy = core.engine.runs() == before and timing.recorded(f)
  local sorted = table.move(times, 1, #times, 1, {})
  table.sort(sorted)
  local mean, deviation = statistics.mean(times)
  return setmetatable({median = statistics.quantile(sorted, 0.5), low = statistics.quantile(sorted, 0.25),
    high = statistics.quantile(sorted, 0.75), min = sorted[1], max = sorted[#sorted], mean = mean, sd = deviation or 0,
    times = times, number = number, runs = #times, threads = core.engine.threads(), cpu = cpu / (#times * number),
    lazy = lazy or nil, interrupted = stopped or nil}, Timing)
end

return timeit
