-- :time
local shell = require "suture.shell"
local clock = require("suture.core").term.clock

return {
  args = "CHUNK", text = "run Lua and say how long it took", takes = "lua",
  run = function(rest)
    if rest == "" then shell.fail ":time takes something to run, as in  :time m(x)" end
    local start = clock()
    local ok = shell.eval(rest)
    local seconds = clock() - start
    if not ok then return end
    local text = seconds >= 1 and ("%.3f s"):format(seconds) or seconds >= 1e-3 and ("%.3f ms"):format(seconds * 1e3)
      or ("%.1f µs"):format(seconds * 1e6)
    shell.say(text, "dim")
  end,
}
