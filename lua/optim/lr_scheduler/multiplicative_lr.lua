--- MultiplicativeLR.
local fault = require "suture.base.fault"

return require("suture.optim.common.scheduler").declare "MultiplicativeLR" {
  options = "lr_lambda:any",
  lr = function(s, lr, i)
    local f = s.lr_lambda
    if type(f) == "table" then f = f[i] end
    if type(f) ~= "function" then
      fault("%s: lr_lambda expects a function of the epoch, or a list of one for each group", s.kind)
    end
    return s.last_epoch > 0 and lr * f(s.last_epoch) or lr
  end,
  about = "each epoch the rate times lr_lambda(epoch), a function or a list of one for each group.",
}
