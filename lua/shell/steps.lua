-- What :undo and :redo do: steps(name) → the run of a command that calls suture[name] so many times.
local suture = require "suture"
local shell = require "suture.shell"

return function(name)
  return function(rest)
    local n = rest ~= "" and (math.tointeger(tonumber(rest)) or rest) or nil
    local said = suture[name](n)
    shell.say(said)
    if said:find "^nothing to " then return end
    -- It belongs to the session that :save writes.
    local inputs, code = shell.inputs, ("%s(%s)"):format(name, n and ("%q"):format(n) or "")
    inputs[#inputs + 1] = {text = (":%s %s"):format(name, rest), code = code,
      kind = "expression", ok = true, gave = true}
  end
end
