local attribution = require "suture.vis.common.attribution"
local relus = require "suture.vis.common.relus"

--- vis.guided_backprop(m, picture[, {class =}]): the gradient as ?vis.saliency has it, but at every ReLU it goes on
-- only where it is positive: fine lines of what speaks for a class. Springenberg et al. 2014, arXiv:1412.6806. (It
-- hardly depends on the weights of the upper layers: Adebayo et al. 2018, arXiv:1810.03292.) .map: the greatest
-- absolute value over the channels.
local function guided_backprop(at)
  local g = relus.guided("guided_backprop", at.m, at.x, at.classes)
  return g:abs():amax(1), g
end

return attribution.method("guided_backprop", "guided backprop", "", guided_backprop)
