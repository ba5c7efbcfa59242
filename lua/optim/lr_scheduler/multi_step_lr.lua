--- MultiStepLR.
return require("suture.optim.common.scheduler").declare "MultiStepLR" {
  fit = {name = "multistep"},
  options = "milestones:sizes gamma:rate=0.1",
  lr = function(s, lr)
    for _, at in ipairs(s.milestones) do if at == s.last_epoch then lr = lr * s.gamma end end
    return lr
  end,
  closed = function(s, i)
    local lr = s.base_lrs[i]
    for _, at in ipairs(s.milestones) do if at <= s.last_epoch then lr = lr * s.gamma end end
    return lr
  end,
  about = "times gamma at each of the epochs in milestones, a list.",
}
