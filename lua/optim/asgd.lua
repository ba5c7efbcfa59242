--- ASGD.
return require("suture.optim.common.optimizer").declare "ASGD" {
  options = [[lr:rate=0.01 lambd:rate=0.0001 alpha:rate=0.75 t0:rate=1e6 weight_decay:rate=0
    maximize:bool=false]],
  state = "ax",
  about = "SGD with a fading rate; ax in its state is the average of the parameter from step t0 on. " ..
    "Polyak & Juditsky 1992, SIAM J. Control Optim. 30.",
}
