--- LambdaLR.
local fault = require "suture.base.fault"

-- The functions that give factors, one for each group.
local function functions(s)
  local given, out = s.lr_lambda, {}
  for i = 1, #s.optimizer.param_groups do
    out[i] = given
    if type(given) == "table" then out[i] = given[i] end
    if type(out[i]) ~= "function" then
      fault("%s: lr_lambda expects a function of the epoch, or a list of one for each group", s.kind)
    end
  end
  return out
end

return require("suture.optim.common.scheduler").declare "LambdaLR" {
  options = "lr_lambda:any",
  start = function(s) s.factor = functions(s) end,
  lr = function(s, _, i) return s.base_lrs[i] * s.factor[i](s.last_epoch) end,
  about = "the base rate times lr_lambda(epoch), a function or a list of one for each group.",
}
