--- LinearLR.
return require("suture.optim.common.scheduler").declare "LinearLR" {
  fit = {name = "linear", given = function(total) return {total_iters = total} end},
  options = "start_factor:prob=0.3333333333333333 end_factor:prob=1 total_iters:count=5",
  lr = function(s, lr)
    if s.last_epoch == 0 then return lr * s.start_factor end
    if s.last_epoch > s.total_iters then return lr end
    local rise = s.end_factor - s.start_factor
    return lr * (1 + rise / (s.total_iters * s.start_factor + (s.last_epoch - 1) * rise))
  end,
  closed = function(s, i)
    local part = math.min(s.total_iters, s.last_epoch) / s.total_iters
    return s.base_lrs[i] * (s.start_factor + (s.end_factor - s.start_factor) * part)
  end,
  about = "a factor that goes in a line from start_factor to end_factor in total_iters epochs: a warm-up.",
}
