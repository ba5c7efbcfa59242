--- RMSprop.
return require("suture.optim.common.optimizer").declare "RMSprop" {
  options = [[lr:rate=0.01 alpha:rate=0.99 eps:rate=1e-8 weight_decay:rate=0 momentum:rate=0
    centered:bool=false maximize:bool=false]],
  state = "square_avg grad_avg?centered momentum_buffer?momentum",
  about = "steps by the gradient over the root of its smoothed square. Hinton's lecture 6e; " ..
    "centered: Graves 2013, arXiv:1308.0850.",
}
