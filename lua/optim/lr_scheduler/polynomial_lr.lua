--- PolynomialLR.
return require("suture.optim.common.scheduler").declare "PolynomialLR" {
  fit = {name = "polynomial", given = function(total) return {total_iters = total} end},
  options = "total_iters:count=5 power:rate=1",
  lr = function(s, lr)
    if s.last_epoch == 0 or s.last_epoch > s.total_iters then return lr end
    return lr * ((1 - s.last_epoch / s.total_iters) / (1 - (s.last_epoch - 1) / s.total_iters)) ^ s.power
  end,
  closed = function(s, i)
    return s.base_lrs[i] * (1 - math.min(s.total_iters, s.last_epoch) / s.total_iters) ^ s.power
  end,
  about = "times (1 - epoch / total_iters)^power, down to 0.",
}
