--- StepLR.
return require("suture.optim.common.scheduler").declare "StepLR" {
  fit = {name = "step", given = function(total) return {step_size = math.max(1, total // 3)} end},
  options = "step_size:count gamma:rate=0.1",
  lr = function(s, lr)
    return s.last_epoch > 0 and s.last_epoch % s.step_size == 0 and lr * s.gamma or lr
  end,
  closed = function(s, i) return s.base_lrs[i] * s.gamma ^ (s.last_epoch // s.step_size) end,
  about = "times gamma every step_size epochs.",
}
