--- Adamax.
return require("suture.optim.common.optimizer").declare "Adamax" {
  options = "lr:rate=0.002 betas:betas=0.9,0.999 eps:rate=1e-8 weight_decay:rate=0 maximize:bool=false",
  state = "exp_avg exp_inf",
  about = "Adam by the largest gradient so far, fading, in the place of the root of squares. " ..
    "Kingma & Ba 2015, arXiv:1412.6980, section 7.",
}
