-- What :undo and :redo do: steps(name) → the run of a command that calls suture[name] so many times.
local suture = require "suture"
local shell = require "suture.shell"

return function(name)
  return function(n)
    local said = suture[name](n)
    shell.say(said)
    if said:find "^nothing to " then return end
    local inputs, code = shell.inputs, ("%s(%s)"):format(name, n or "") -- it belongs to the session that :save writes
    inputs[#inputs + 1] = {text = (":%s %s"):format(name, n or ""), code = code,
      kind = "expression", ok = true, gave = true}
  end
end
