--- CosineAnnealingWarmRestarts.
local scheduler = require "suture.optim.common.scheduler"

local function lr(s, _, i)
  return s.eta_min + (s.base_lrs[i] - s.eta_min) * (1 + math.cos(math.pi * s.T_cur / s.T_i)) / 2
end

return scheduler.declare "CosineAnnealingWarmRestarts" {
  fit = {name = "warm_restarts", given = function(total) return {T_0 = math.max(1, total // 3)} end},
  options = "T_0:count T_mult:count=1 eta_min:rate=0",
  start = function(s)
    s.T_cur, s.T_i = 0, s.T_0
    scheduler.apply(s, lr)
  end,
  step = function(s, epoch)
    if epoch == nil then
      epoch = s.last_epoch + 1
      s.T_cur = s.T_cur + 1
      if s.T_cur >= s.T_i then s.T_cur, s.T_i = s.T_cur - s.T_i, s.T_i * s.T_mult end
    elseif epoch < s.T_0 then s.T_cur, s.T_i = epoch, s.T_0
    elseif s.T_mult == 1 then s.T_cur = epoch % s.T_0
    else
      local n = math.floor(math.log(epoch / s.T_0 * (s.T_mult - 1) + 1, s.T_mult))
      s.T_cur, s.T_i = epoch - s.T_0 * (s.T_mult ^ n - 1) / (s.T_mult - 1), s.T_0 * s.T_mult ^ n
    end
    s.last_epoch = math.floor(epoch)
    scheduler.apply(s, lr)
  end,
  about = "half cosines from the base rate to eta_min, T_0 epochs the first, each T_mult times as long as the last; " ..
    "step(epoch) takes parts of epochs. Loshchilov & Hutter 2017, arXiv:1608.03983.",
}
