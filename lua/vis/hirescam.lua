local cam = require "suture.vis.common.cam"

--- vis.hirescam(m, picture[, options]): HiResCAM: gradient times activation at every place, summed over channels; where
-- a linear head follows it is what each place adds to the score. Draelos & Carin 2020, arXiv:2011.08891. .map keeps
-- what is below 0. Options: ?vis.gradcam.
local function hirescam(at) return at.g * at.a end

return cam.method("hirescam", "HiResCAM", hirescam, {signed = true})
