--- SGD with momentum.
return require("suture.optim.common.optimizer").declare "SGD" {
  options = "lr:rate momentum:rate=0 dampening:rate=0 nesterov:bool=false weight_decay:rate=0 maximize:bool=false",
  state = "momentum_buffer?momentum",
  fit = {lr = 0.01, momentum = 0.9},
  check = function(group, say)
    if group.nesterov and (group.momentum == 0 or
      group.dampening ~= 0) then say "nesterov needs a momentum above 0 and no dampening" end
  end,
  about = "buf = momentum buf + (1 - dampening) g; p -= lr buf. Sutskever et al. 2013, PyTorch's form.",
}
