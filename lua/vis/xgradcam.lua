local cam = require "suture.vis.common.cam"

--- vis.xgradcam(m, picture[, options]): XGrad-CAM: each channel's weight is the mean of the gradient over its places,
-- weighted by the activation's share there. Fu et al. 2020, arXiv:2008.02312, equation 8. Options: ?vis.gradcam.
local function xgradcam(at)
  local a = at.a
  local total = a:sum({2, 3}, true)
  local tiny = total:eq(0):float()
  return (at.g * a):sum({2, 3}, true) / (total + tiny) * a
end

return cam.method("xgradcam", "XGrad-CAM", xgradcam)
