local attribution = require "suture.vis.common.attribution"

--- vis.saliency(m, picture[, {class =}]): how much the class score changes with each pixel: the gradient's absolute
-- value, the greatest over the channels. Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034. m, picture, class: see
-- ?vis.gradcam. Returns a picture: :tensor() (H, W) of 0 to 1, .map (H, W), .values (C, H, W), the gradient; of N
-- pictures each with N in front.
local function saliency(at)
  local g = attribution.gradient(at, at.x)
  return g:abs():amax(1), g
end

return attribution.method("saliency", "saliency", "", saliency)
