local attribution = require "suture.vis.common.attribution"
local relus = require "suture.vis.common.relus"
local looked = require "suture.vis.common.looked"

--- vis.guided_gradcam(m, picture[, {class =, layer =}]): guided backprop, pixel by pixel times Grad-CAM made as large
-- as the picture: fine lines, of the class alone. Selvaraju et al. 2017, arXiv:1610.02391, section 3.2. layer:
-- Grad-CAM's. .map: the greatest absolute value over the channels.
local function guided_gradcam(at, o)
  local h, w = at.x.shape[3], at.x.shape[4]
  local values = attribution.each(at, function(x, class, one)
    local cam = require("suture.vis.gradcam")(at.m, x, {class = class, layer = o.layer})
    local map = looked.scaled(cam.map:unsqueeze(0), h, w)
    return (relus.guided("guided_gradcam", at.m, x, one) * map:unsqueeze(1))[0]:detach()
  end)
  return values:abs():amax(1), values
end

return attribution.method("guided_gradcam", "Guided Grad-CAM", "layer:any=nil", guided_gradcam)
