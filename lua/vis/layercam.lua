local cam = require "suture.vis.common.cam"
local F = require "suture.nn.functional"

--- vis.layercam(m, picture[, options]): LayerCAM: the positive part of the gradient times the activation at every
-- place; for shallow layers too. Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, equation 6. Options: ?vis.gradcam.
local function layercam(at) return F.relu(at.g) * at.a end

return cam.method("layercam", "LayerCAM", layercam)
