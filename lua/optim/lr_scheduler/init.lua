--- optim.lr_scheduler: torch.optim.lr_scheduler's schedules, by its names, arguments and formulas; a file each, found
-- from the folder. s = optim.lr_scheduler.StepLR(opt, 30); after each epoch s:step(); s:get_last_lr(), s:state_dict().
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local suggest = require "suture.base.suggest"

local lr_scheduler = {}

for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/optim/lr_scheduler/([%w_]+)%.lua$"
  if name and name ~= "init" then
    local kind = require("suture.optim.lr_scheduler." .. name)
    lr_scheduler[kind.name] = kind.make
  end
end

return setmetatable(lr_scheduler, {__index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  local names = {}
  for k in next, lr_scheduler do names[#names + 1] = k end
  table.sort(names)
  fault("optim.lr_scheduler: no '%s'%s · there are: %s", name, suggest.hint(name, names), table.concat(names, ", "))
end})
