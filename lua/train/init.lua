--- Training and measuring: the functions a user calls, each loaded when it is first asked for (who only predicts waits
-- for no trainer). A function is what the file of its name gives, but for these.
local elsewhere = {evaluate = "evaluate", predict = "evaluate", confusion = "evaluate", resume = "runs.resume"}

return setmetatable({}, {__index = function(self, name)
  local value = require("suture.train." .. (elsewhere[name] or name))
  if elsewhere[name] == "evaluate" then value = value[name] end
  rawset(self, name, value)
  return value
end})
