--- Rprop.
return require("suture.optim.common.optimizer").declare "Rprop" {
  options = "lr:rate=0.01 etas:etas=0.5,1.2 step_sizes:range=1e-6,50 maximize:bool=false",
  state = "prev step_size",
  about = "each number by a step of its own, longer while the sign of its gradient stays; for whole data sets. " ..
    "Riedmiller & Braun 1993, ICNN.",
}
