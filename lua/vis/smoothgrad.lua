local attribution = require "suture.vis.common.attribution"
local looked = require "suture.vis.common.looked"
local tensor = require "suture.tensor"

local BATCH = 16

--- vis.smoothgrad(m, picture[, {class =, n = 50, noise = 0.15, seed = 0}]): the mean of n gradients, of the picture
-- with noise added whose standard deviation is `noise` times the picture's range; the greatest absolute value over the
-- channels. seed: of the noise: the same each time; the shell's own random numbers stay where they were. Smilkov et
-- al. 2017, arXiv:1706.03825. Returns a picture as ?vis.saliency does.
local function smoothgrad(at, o)
  local values = attribution.each(at, function(x, class, _, i)
    local width = o.noise * (x:max():item() - x:min():item())
    local sum
    for first = 0, o.n - 1, BATCH do
      local n = math.min(BATCH, o.n - first)
      local noise = looked.seeded(o.seed + 1000003 * i + first, function()
        return tensor.randn(n, x.shape[2], x.shape[3], x.shape[4])
      end)
      local part = {what = at.what, m = at.m, classes = tensor.full({n}, class)}
      local g = attribution.gradient(part, (x + noise * width):detach()):sum(0):detach()
      sum = sum and (sum + g):detach() or g
    end
    return (sum / o.n):detach()
  end)
  return values:abs():amax(1), values
end

return attribution.method("smoothgrad", "SmoothGrad", "n:count=50 noise:rate=0.15 seed:natural=0", smoothgrad)
