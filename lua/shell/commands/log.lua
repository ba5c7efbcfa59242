-- :log
local shell = require "suture.shell"
local transcript = require "suture.shell.transcript"

return {
  args = "[FILE | off]", takes = "files",
  text = "write what is typed and shown to a file as well, behind what it has (:log! begins it anew)",
  run = function(rest, force)
    if rest == "" then
      local path = transcript.logging()
      return shell.say(path and ("the log goes to %s; :log off ends it"):format(path) or "no log; :log FILE begins one")
    end
    if rest == "off" then
      local path = transcript.log()
      return shell.say(path and ("logged to %s"):format(path) or "there is no log")
    end
    local path = shell.path(rest)
    transcript.log(path, force)
    shell.say(("the log goes to %s; :log off ends it"):format(path))
  end,
}
