--- ReduceLROnPlateau.
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local scheduler = require "suture.optim.common.scheduler"

local function better(s, now)
  local by = s.threshold_mode == "rel"
  if s.mode == "min" then return now < (by and s.best * (1 - s.threshold) or s.best - s.threshold) end
  return now > (by and s.best * (1 + s.threshold) or s.best + s.threshold)
end

return scheduler.declare "ReduceLROnPlateau" {
  fit = {name = "plateau", measured = true},
  options = [[mode:min|max=min factor:prob=0.1 patience:natural=10 threshold:rate=1e-4 threshold_mode:rel|abs=rel
    cooldown:natural=0 min_lr:any=0 eps:rate=1e-8]],
  start = function(s)
    if s.factor >= 1 then fault "ReduceLROnPlateau: factor expects a number below 1" end
    s.least = scheduler.each(s, "min_lr")
    s.best, s.num_bad_epochs, s.cooldown_counter = s.mode == "min" and math.huge or -math.huge, 0, 0
  end,
  step = function(s, metric)
    local now = type(metric) == "userdata" and metric:item() or metric
    if type(now) ~= "number" then
      fault("ReduceLROnPlateau: step expects the metric it watches, as s:step(val_loss), got %s", options.show(metric))
    end
    s.last_epoch = s.last_epoch + 1
    if better(s, now) then s.best, s.num_bad_epochs = now, 0
    else s.num_bad_epochs = s.num_bad_epochs + 1 end
    if s.cooldown_counter > 0 then s.cooldown_counter, s.num_bad_epochs = s.cooldown_counter - 1, 0 end
    if s.num_bad_epochs > s.patience then
      for i, group in ipairs(s.optimizer.param_groups) do
        local lr = math.max(group.lr * s.factor, s.least[i])
        if group.lr - lr > s.eps then group.lr = lr end
      end
      s.cooldown_counter, s.num_bad_epochs = s.cooldown, 0
    end
    s._last_lr = scheduler.rates(s)
  end,
  about = "times factor where the metric that step(metric) is given has not become better for patience epochs.",
}
