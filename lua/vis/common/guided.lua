--- Guided backpropagation: at every ReLU the gradient goes on only where it is positive, besides where the input is.
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local gradients = require "suture.tensor.gradients"
local looked = require "suture.vis.common.looked"
local methods = require("suture.tensor.base").T

-- relu(x), whose gradient is cut off below 0.
local function guiding(relu, count)
  return function(x)
    count[1] = count[1] + 1
    local watch = gradients.watch(function(inputs) return {inputs[1] and relu(inputs[1])} end)
    local y = watch.leave({n = 1, relu(watch.enter({n = 1, x})[1])})
    return y[1]
  end
end

--- guided(what, m, x, classes): the guided gradient of the class scores with respect to pictures x, (N, C, H, W).
return function(what, m, x, classes)
  local count, relu, method = {0}, F.relu, methods.relu
  local t
  do
    local back <close> = setmetatable({}, {__close = function() F.relu, methods.relu = relu, method end})
    F.relu, methods.relu = guiding(relu, count), guiding(method, count)
    t = looked.run(what, m, x)
  end
  if count[1] == 0 then fault("%s: this model has no ReLU to guide through · vis.saliency", what) end
  local g = gradients.watched(looked.score(t.output, classes), {t.inputs[1]})[1]
  if not g then fault("%s: the class does not depend on the picture", what) end
  return g:detach()
end
