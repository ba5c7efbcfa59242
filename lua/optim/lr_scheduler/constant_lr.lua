--- ConstantLR.
return require("suture.optim.common.scheduler").declare "ConstantLR" {
  options = "factor:prob=0.3333333333333333 total_iters:count=5",
  lr = function(s, lr)
    if s.last_epoch == 0 then return lr * s.factor end
    return s.last_epoch == s.total_iters and lr / s.factor or lr
  end,
  closed = function(s, i) return s.base_lrs[i] * (s.last_epoch >= s.total_iters and 1 or s.factor) end,
  about = "times factor until total_iters epochs have passed: a warm-up in one step.",
}
