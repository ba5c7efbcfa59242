-- :apropos
local command = require "suture.shell.commands"
local help = require "suture.shell.help"
local shell = require "suture.shell"
local term = require "suture.base.term"
local words = require "suture.base.text"

return {
  args = "WORD", text = "names whose help speaks of a word, those that have it in their name first",
  run = function(word)
    if word == "" then shell.fail ":apropos takes a word, as in  :apropos schedule" end
    local wanted = word:lower()
    local named, told, width, columns = {}, {}, 0, term.width()
    local function look(name, text, line)
      local list = name:lower():find(wanted, 1, true) and named or text:lower():find(wanted, 1, true) and told
      if not list then return end
      list[#list + 1] = {name, line}
      width = math.max(width, math.min(#name, 28, columns // 3))
    end
    require "suture.shell.index"(function(name, value)
      local text, line = help.about(name, value)
      look(name, text, line)
    end)
    for _, name in ipairs(command.names()) do
      local text = command.find(name).text
      look(":" .. name, text, text)
    end
    if #named + #told == 0 then
      return shell.say(("no help speaks of '%s'"):format(word))
    end
    local lines = {}
    for _, list in ipairs {named, told} do
      table.sort(list, function(a, b) return a[1] < b[1] end)
      for _, row in ipairs(list) do
        local name = ("  %-" .. width .. "s  "):format(row[1])
        local room = columns - #name
        if room < 20 then -- what is long stands alone
          lines[#lines + 1] = "  " .. row[1]
          name, room = (" "):rep(width + 4), columns - width - 4
        end
        lines[#lines + 1] = name .. words.cut(row[2], math.max(room, 1))
      end
    end
    local shown = table.concat(lines, "\n")
    if not require "suture.shell.pager"(shown) then shell.say(shown) end
  end,
}
