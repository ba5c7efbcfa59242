--- Adadelta.
return require("suture.optim.common.optimizer").declare "Adadelta" {
  options = "lr:rate=1 rho:prob=0.9 eps:rate=1e-6 weight_decay:rate=0 maximize:bool=false",
  state = "square_avg acc_delta",
  about = "steps by the root of its own smoothed squares over that of the gradient's. Zeiler 2012, arXiv:1212.5701.",
}
