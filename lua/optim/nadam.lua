--- NAdam.
return require("suture.optim.common.optimizer").declare "NAdam" {
  options = [[lr:rate=0.002 betas:betas=0.9,0.999 eps:rate=1e-8 weight_decay:rate=0 momentum_decay:rate=0.004]],
  state = "exp_avg exp_avg_sq",
  about = "Adam with Nesterov's momentum, which grows to its value. Dozat 2016, ICLR Workshop; " ..
    "with the product of torch.optim 1.13.",
}
