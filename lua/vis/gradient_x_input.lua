local attribution = require "suture.vis.common.attribution"

--- vis.gradient_x_input(m, picture[, {class =}]): the gradient times the picture, summed over the channels: what each
-- pixel adds to the class score where m is nearly linear. Shrikumar, Greenside & Kundaje 2017, arXiv:1605.01713.
-- Returns a picture as ?vis.saliency does; .map keeps its signs.
local function gradient_x_input(at)
  local values = (attribution.gradient(at, at.x) * at.x):detach()
  return values:sum(1), values
end

return attribution.method("gradient_x_input", "gradient × input", "", gradient_x_input)
