local cam = require "suture.vis.common.cam"

--- vis.eigencam(m, picture[, options]): EigenCAM: the activations' projection on their first principal component,
-- without a class and without gradients. Muhammad & Yeasin 2020, arXiv:2008.00299. .map keeps what is below 0; its
-- sign is the one that makes its sum positive. Options: ?vis.gradcam.
local function eigencam(at) return at.a end

return cam.method("eigencam", "EigenCAM", eigencam, {gradient = false, eigen = true, signed = true})
