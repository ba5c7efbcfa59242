--- Training and measuring: the functions a user calls, each in its own file, loaded when it is first asked for: who
-- only predicts waits for no trainer.
local stray = require "suture.base.stray"

-- Where each name lives in this folder, and in its file where that gives several.
local home = {
  fit = "fit", trainer = "trainer", evaluate = "evaluate:evaluate", predict = "evaluate:predict",
  confusion = "evaluate:confusion", lr_find = "lr_find", strategy = "strategy", fine_tune = "fine_tune", plan = "plan",
  features = "features", sweep = "sweep", runs = "runs", resume = "runs.resume",
  options = "experiments.options", results = "experiments.results:results", parallel = "experiments.parallel:parallel",
  seeds = "experiments.seeds", timeit = "experiments.timeit",
}

return setmetatable({}, {__index = function(self, name)
  if not home[name] then return nil end
  local file, field = home[name]:match "^([^:]+):?(.*)$"
  local value = require("suture.train." .. file)
  if field ~= "" then value = value[field] end
  if type(value) == "function" then value = stray.checked(value, name) end
  rawset(self, name, value)
  return value
end})
