-- What :undo and :redo do: steps(name) → the run of a command that calls suture[name] so many times.
local suture = require "suture"
local shell = require "suture.shell"

return function(name)
  return function(rest)
    local n = tonumber(rest)
    if rest ~= "" and not (n and n >= 1 and n % 1 == 0) then
      shell.fail(":%s takes a number of steps above 0, not '%s'", name, rest)
    end
    shell.say(suture[name](n and math.tointeger(n)))
  end
end
