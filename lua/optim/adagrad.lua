--- Adagrad.
return require("suture.optim.common.optimizer").declare "Adagrad" {
  options = [[lr:rate=0.01 lr_decay:rate=0 weight_decay:rate=0 initial_accumulator_value:rate=0 eps:rate=1e-10
    maximize:bool=false]],
  state = "sum",
  about = "steps by the gradient over the root of the sum of all its squares. " ..
    "Duchi, Hazan & Singer 2011, JMLR 12.",
}
