-- :history
local shell = require "suture.shell"

return {
  args = "[N]", text = "the last N inputs of this session (default: all); ✗ marks those that failed",
  accepts = "count",
  run = function(n)
    local all = shell.inputs
    for i = math.max(1, n and #all - n + 1 or 1), #all do
      local text = all[i].text:gsub("\n", "\n       ")
      shell.say(("%4d %s %s"):format(i, all[i].ok and " " or "✗", text))
    end
  end,
}
