--- ExponentialLR.
return require("suture.optim.common.scheduler").declare "ExponentialLR" {
  fit = {name = "exponential"},
  options = "gamma:rate",
  lr = function(s, lr) return s.last_epoch > 0 and lr * s.gamma or lr end,
  closed = function(s, i) return s.base_lrs[i] * s.gamma ^ s.last_epoch end,
  about = "times gamma every epoch.",
}
