--- optim.lr_scheduler: torch.optim.lr_scheduler's schedules, by its names, arguments and formulas; a file each, found
-- from the folder. s = optim.lr_scheduler.StepLR(opt, 30); after each epoch s:step(); s:get_last_lr(), s:state_dict().
local embedded = require "suture.embedded"

local lr_scheduler = {}

-- The declarations by the names that fit takes: "cosine", "onecycle", … and their own in small letters.
lr_scheduler._kinds = {}

for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/optim/lr_scheduler/([%w_]+)%.lua$"
  if name and name ~= "init" then
    local kind = require("suture.optim.lr_scheduler." .. name)
    lr_scheduler[kind.name] = kind.make
    if kind.fit then lr_scheduler._kinds[kind.fit.name], lr_scheduler._kinds[kind.name:lower()] = kind, kind end
  end
end

return require("suture.base.absent").table(lr_scheduler, "optim.lr_scheduler")
