--- RAdam.
return require("suture.optim.common.optimizer").declare "RAdam" {
  options = "lr:rate=0.001 betas:betas=0.9,0.999 eps:rate=1e-8 weight_decay:rate=0",
  state = "exp_avg exp_avg_sq",
  about = "Adam that steps by the smoothed gradient alone until the variance of its scale is known. " ..
    "Liu et al. 2020, arXiv:1908.03265.",
}
