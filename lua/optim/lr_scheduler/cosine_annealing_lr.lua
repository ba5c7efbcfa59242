--- CosineAnnealingLR.
local function closed(s, i)
  return s.eta_min + (s.base_lrs[i] - s.eta_min) * (1 + math.cos(math.pi * s.last_epoch / s.T_max)) / 2
end

return require("suture.optim.common.scheduler").declare "CosineAnnealingLR" {
  fit = {name = "cosine", given = function(total) return {T_max = total} end},
  options = "T_max:count eta_min:rate=0",
  lr = function(s, lr, i)
    local t = s.last_epoch
    if t == 0 then return lr end
    if (t - 1 - s.T_max) % (2 * s.T_max) == 0 then
      return lr + (s.base_lrs[i] - s.eta_min) * (1 - math.cos(math.pi / s.T_max)) / 2
    end
    return (1 + math.cos(math.pi * t / s.T_max)) / (1 + math.cos(math.pi * (t - 1) / s.T_max)) * (lr - s.eta_min) +
      s.eta_min
  end,
  closed = closed,
  about = "half a cosine from the base rate to eta_min in T_max epochs. Loshchilov & Hutter 2017, arXiv:1608.03983.",
}
