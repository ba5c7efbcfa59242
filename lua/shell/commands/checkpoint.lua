-- :checkpoint
local shell = require "suture.shell"
local suture = require "suture"
local words = require "suture.base.text"

return {
  args = "[NAME]",
  text = "name this place in the history of your models, for :undo NAME and m:before \"NAME\"; alone: list them",
  run = function(rest)
    if rest == "" then
      local list = suture.checkpoint()
      for _, each in ipairs(list) do
        shell.say(("  %-16s after %s"):format(each.name, words.plural(each.changes, "change")))
      end
      if #list == 0 then shell.say "no checkpoint yet: :checkpoint NAME makes one" end
      return
    end
    shell.say(suture.checkpoint(rest))
    local inputs = shell.inputs -- it belongs to the session that :save writes
    inputs[#inputs + 1] = {text = ":checkpoint " .. rest, code = ("suture.checkpoint(%q)"):format(rest),
      kind = "expression", ok = true, gave = true}
  end,
}
