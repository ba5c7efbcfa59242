--- Gradients that ReLUs let through otherwise than they are: guided backpropagation, and ways out of a dead end.
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local gradients = require "suture.tensor.gradients"
local looked = require "suture.vis.common.looked"
local methods = require("suture.tensor.base").T
local tensor = require "suture.tensor"

local relus = {}

--- relus.through(rule, f, …): what f(…) gives where every ReLU (and ReLU6) that runs has the gradient rule(x, dx, dy):
-- dx is what it would be, dy that of its result. Then how many ran. gradients.watched sees it.
function relus.through(rule, f, ...)
  local count = 0
  local function watched(relu)
    return function(x)
      count = count + 1
      local watch = gradients.watch(function(dx, dy) return {dx[1] and rule(x, dx[1], dy[1])} end)
      local y = watch.leave({n = 1, relu(watch.enter({n = 1, x})[1])})
      return y[1]
    end
  end
  local relu, relu6, method = F.relu, F.relu6, methods.relu
  local back <close> = setmetatable({}, {__close = function() F.relu, F.relu6, methods.relu = relu, relu6, method end})
  F.relu, F.relu6, methods.relu = watched(relu), watched(relu6), watched(method)
  return f(...), count
end

--- relus.guided(what, m, x, classes): the guided gradient of the class scores with respect to pictures x, (N, C, H, W):
-- at every ReLU it goes on only where it is positive, besides where the input is.
function relus.guided(what, m, x, classes)
  local relu = F.relu
  local t, count = relus.through(function(_, dx) return relu(dx) end, looked.run, what, m, x)
  if count == 0 then fault("%s: this model has no ReLU to guide through · vis.saliency", what) end
  local g = gradients.watched(looked.score(t.output, classes), {t.inputs[1]})[1]
  if not g then fault("%s: the class does not depend on the picture", what) end
  return g:detach()
end

--- relus.redirected(x, dx, dy): a rule for those who climb: where a ReLU lets nothing through for a whole picture, what
-- would make its input greater goes on. lucid's redirected_relu_grad.
function relus.redirected(x, dx, dy)
  local rest = {}
  for d = 1, #x.shape - 1 do rest[d] = d end
  local stands = dx:abs():sum(rest, true):eq(0)
  return tensor.where(stands, tensor.where(x:lt(0), dy:clamp(0), dy), dx)
end

return relus
