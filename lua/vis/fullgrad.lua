local cam = require "suture.vis.common.cam"
local looked = require "suture.vis.common.looked"
local raw = require("suture.core").tensor

-- A map (N, h, w) as FullGrad adds it: absolute values from the least to the greatest made 0 to 1, at the picture's
-- size. A map that is the same everywhere but for rounding adds nothing: made 0 to 1, it would be all there is to
-- see.
local function psi(x, h, w)
  x = x:abs()
  local low, high = x:amin({2, 3}, true), x:amax({2, 3}, true)
  local span = high - low
  return looked.resize((x - low) * span:gt(high * 1e-5) / span:clamp(1e-12), h, w):sum(1)
end

-- What a module adds whatever goes in, (C): a convolution's bias; of BatchNorm in eval bias - mean · weight / √(var +
-- eps). nil: none.
local function bias_of(m)
  local name = getmetatable(m).__name
  if name == "Conv2d" then return raw.is(m.bias) and m.bias or nil end
  if name ~= "BatchNorm2d" or not raw.is(m.running_mean) then return nil end
  local shift = m.running_mean / (m.running_var + m.eps):sqrt()
  if not raw.is(m.weight) then return -shift end
  return m.bias - shift * m.weight
end

--- vis.fullgrad(m, picture[, options]): FullGrad: gradient times picture, and gradient times bias of every convolution
-- and BatchNorm, each as absolute values made 0 to 1, added up at the picture's size. Srinivas & Fleuret 2019,
-- arXiv:1905.00780, equation 8. Options: ?vis.gradcam, but layer: all layers are in it.
local function fullgrad(at)
  local t, x = at.t, at.t.inputs[1]
  local h, w = x.shape[3], x.shape[4]
  local wrt, biases = {x}, {}
  for _, c in ipairs(t.calls) do
    local b = #c.outputs == 1 and #c.outputs[1].shape == 4 and bias_of(c.module)
    if b then wrt[#wrt + 1], biases[#wrt + 1] = c.outputs[1], b:detach() end
  end
  local g = {t:grad(at.score, wrt)}
  local map = psi(g[1] * x, h, w)
  for i = 2, #wrt do
    if g[i] then map = map + psi(g[i] * biases[i]:reshape(1, -1, 1, 1), h, w) end
  end
  return map
end

return cam.method("fullgrad", "FullGrad", fullgrad, {map = true, gradient = false})
