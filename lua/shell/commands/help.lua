-- :help
local command = require "suture.shell.commands"
local shell = require "suture.shell"

local function starting(word)
  local list = {}
  for _, name in ipairs(command.names()) do if name:sub(1, #word) == word then list[#list + 1] = name end end
  return list[1] and list
end

return {
  args = "[COMMAND | NAME]", text = "this list, or about one thing", takes = starting,
  run = function(rest)
    local say = shell.say
    if rest ~= "" then
      local name = rest:match "^:?(%a+)$"
      return require("suture.shell.help").help(name and command.find(name) and ":" .. name or rest)
    end
    local names, width = command.names(), 0
    for _, name in ipairs(names) do width = math.max(width, #name + #command.find(name).args + 2) end
    for _, name in ipairs(names) do
      local c = command.find(name)
      say(("  %-" .. width .. "s  %s"):format((":%s %s"):format(name, c.args), c.text))
    end
    say "  ?NAME or help(x) tells about anything in Lua; everything else on a line is Lua."
  end,
}
