local cam = require "suture.vis.common.cam"
local F = require "suture.nn.functional"
local tensor = require "suture.tensor"

--- vis.gradcam_plus_plus(m, picture[, options]): Grad-CAM++: the gradient's positive part is weighted by how much each
-- place adds, g² / (2 g² + Σ A · g³), so that several things of one class all count. Chattopadhyay et al. 2018,
-- arXiv:1710.11063, equation 19, with the class score's own powers. Options: ?vis.gradcam.
local function gradcam_plus_plus(at)
  local a, g = at.a, at.g
  local g2 = g:square()
  local below = 2 * g2 + a:sum({2, 3}, true) * g2 * g
  local alpha = tensor.where(below:ne(0), g2 / tensor.where(below:ne(0), below, 1), 0)
  return (alpha * F.relu(g)):sum({2, 3}, true) * a
end

return cam.method("gradcam_plus_plus", "Grad-CAM++", gradcam_plus_plus)
