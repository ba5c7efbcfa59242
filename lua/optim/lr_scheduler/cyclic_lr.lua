--- CyclicLR.
local fault = require "suture.base.fault"
local scheduler = require "suture.optim.common.scheduler"

-- How far the rate is above its base, as a part of the height, before and with the mode's scale.
local function height(s)
  local total = s.step_size_up + s.step_size_down
  local ratio, cycle = s.step_size_up / total, math.floor(1 + s.last_epoch / total)
  local x = 1 + s.last_epoch / total - cycle
  local part = x <= ratio and x / ratio or (x - 1) / (ratio - 1)
  if s.scale_fn then return part * s.scale_fn(s.scale_mode == "cycle" and cycle or s.last_epoch) end
  if s.mode == "triangular2" then return part / 2 ^ (cycle - 1) end
  if s.mode == "exp_range" then return part * s.gamma ^ s.last_epoch end
  return part
end

return scheduler.declare "CyclicLR" {
  fit = {name = "cyclic", by = "step", given = function(total, lrs)
    return {base_lr = lrs, step_size_up = math.max(1, total // 4)}
  end},
  options = [[base_lr:any max_lr:any step_size_up:count=2000 step_size_down:count=nil
    mode:triangular|triangular2|exp_range=triangular gamma:rate=1 scale_fn:fn=nil scale_mode:cycle|iterations=cycle
    cycle_momentum:bool=true base_momentum:any=0.8 max_momentum:any=0.9]],
  start = function(s)
    s.step_size_down = s.step_size_down or s.step_size_up
    s.base_lrs, s.max = scheduler.each(s, "base_lr"), scheduler.each(s, "max_lr")
    s.low, s.high = scheduler.each(s, "base_momentum"), scheduler.each(s, "max_momentum")
    if s.cycle_momentum and (not scheduler.has_momentum(s) or scheduler.betas(s.optimizer.param_groups[1])) then
      fault("CyclicLR: %s has no momentum: cycle_momentum = false leaves it alone", s.optimizer.kind)
    end
  end,
  lr = function(s, _, i) return s.base_lrs[i] + (s.max[i] - s.base_lrs[i]) * height(s) end,
  also = function(s, i, group)
    if s.cycle_momentum then group.momentum = s.high[i] - (s.high[i] - s.low[i]) * height(s) end
  end,
  about = "from base_lr to max_lr in step_size_up steps and back in step_size_down, again and again, momentum the " ..
    "other way; step() after each batch. Smith 2017, arXiv:1506.01186.",
}
