local attribution = require "suture.vis.common.attribution"
local fault = require "suture.base.fault"
local tensor = require "suture.tensor"

local BATCH = 16

--- vis.integrated_gradients(m, picture[, {class =, steps = 50, baseline =}]): the gradients along the straight way from
-- a baseline to the picture, their mean times picture - baseline, summed over the channels. baseline: a tensor of the
-- picture's shape as m takes it (default: zeros). steps: points on the way, in the middle of equal parts. What all
-- pixels add up to should be the score less the baseline's: how far it is off is .error (for N pictures the greatest),
-- and in the caption. Sundararajan, Taly & Yan 2017, arXiv:1703.01365. Returns a picture as ?vis.saliency does; .map
-- keeps its signs.
local function integrated_gradients(at, o)
  local base = o.baseline
  if base == nil then base = tensor.zeros_like(at.x[0]) end
  if #base.shape == 4 and base.shape[1] == 1 then base = base[0] end
  if tostring(base.shape) ~= tostring(at.x[0].shape) then
    fault("integrated_gradients: baseline expects %s, got %s", tostring(at.x[0].shape), tostring(base.shape))
  end
  base = base:unsqueeze(0)
  local worst, told = 0, ""
  local values = attribution.each(at, function(x, class)
    local sum
    for first = 0, o.steps - 1, BATCH do
      local n = math.min(BATCH, o.steps - first)
      local way = ((tensor.arange(first, first + n):float() + 0.5) / o.steps):reshape(n, 1, 1, 1)
      local points = (base + way * (x - base)):detach()
      local part = {what = at.what, m = at.m, classes = tensor.full({n}, class)}
      local g = attribution.gradient(part, points):sum(0, true):detach()
      sum = sum and (sum + g):detach() or g
    end
    local v = (sum / o.steps * (x - base)):detach()
    local change = attribution.scores(at.m, x, class)[0]:item() - attribution.scores(at.m, base, class)[0]:item()
    local off = math.abs(v:sum():item() - change)
    if off >= worst then worst, told = off, ("completeness error %.2g of a change of %.4g"):format(off, change) end
    return v[0]
  end)
  return values:sum(1), values, {error = worst, told = told}
end

return attribution.method("integrated_gradients", "integrated gradients", "steps:count=50 baseline:tensor=nil",
  integrated_gradients)
