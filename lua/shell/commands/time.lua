-- :time
local core = require "suture.core"
local shell = require "suture.shell"
local timing = require "suture.train.experiments.timing"

return {
  args = "CHUNK", takes = "lua",
  text = "run Lua once, compute what it gives and what global names hold then, and say how long that took " ..
    "(timeit(f): often)",
  run = function(rest)
    if rest == "" then shell.fail ":time takes something to run, as in  :time m(x)" end
    timing.settle()
    local seconds, cpu
    local ok = shell.eval(rest, nil, function(f)
      return function()
        local began, busy = core.engine.clock(), os.clock()
        local function over(...)
          timing.computed(...)
          timing.settle()
          seconds, cpu = core.engine.clock() - began, os.clock() - busy
          return ...
        end
        return over(f())
      end
    end)
    if not ok then return end
    local threads = core.engine.threads()
    shell.say(("%s · one run, %d thread%s, processor %s"):format(timing.text(seconds), threads,
      threads == 1 and "" or "s", timing.text(cpu)), "dim")
  end,
}
