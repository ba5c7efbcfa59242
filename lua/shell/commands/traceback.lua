-- :traceback
local shell = require "suture.shell"

return {
  args = "", text = "where the last error came from", accepts = "nothing",
  run = function() shell.say(shell.state.traceback or "no error so far") end,
}
