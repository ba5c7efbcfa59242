--- Adam.
return require("suture.optim.common.optimizer").declare "Adam" {
  options = [[lr:rate=0.001 betas:betas=0.9,0.999 eps:rate=1e-8 weight_decay:rate=0
    amsgrad:bool=false maximize:bool=false]],
  state = "exp_avg exp_avg_sq max_exp_avg_sq?amsgrad",
  about = "steps by the smoothed gradient over the root of its smoothed square. Kingma & Ba 2015, arXiv:1412.6980; " ..
    "amsgrad: Reddi et al. 2018.",
}
