--- AdamW.
return require("suture.optim.common.optimizer").declare "AdamW" {
  options = [[lr:rate=0.001 betas:betas=0.9,0.999 eps:rate=1e-8 weight_decay:rate=0.01
    amsgrad:bool=false maximize:bool=false]],
  state = "exp_avg exp_avg_sq max_exp_avg_sq?amsgrad",
  about = "Adam with the decay apart from the gradient. Loshchilov & Hutter 2019, arXiv:1711.05101.",
}
