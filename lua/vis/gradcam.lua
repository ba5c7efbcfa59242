local cam = require "suture.vis.common.cam"

--- vis.gradcam(m, picture[, {layer =, class =, method =, aug_smooth =, eigen_smooth =, alpha =}]): where m looks for a
-- class: the activations of a layer, each channel weighted by the mean of the class score's gradient over it, summed,
-- what is below 0 left out. Selvaraju et al. 2017, arXiv:1610.02391. m: any model that gives classes, frozen or not;
-- it runs as in eval mode and nothing of it changes. picture: a path (through m's preprocessing), a tensor (C, H, W)
-- or (N, C, H, W) as m takes it, or a list of them. layer: a path, a module, or a list (default: the last layer with a
-- map; of transformers the last one whose tokens the class depends on). class: a number from 0, a name, or a list
-- (default: the predicted one). method: any of the family, as "layercam" (vis.layercam is the same). aug_smooth: the
-- mean over the picture, mirrored and not, times 0.9, 1, 1.1. eigen_smooth: the first principal component in place of
-- the sum over channels. alpha (0.5): how much of what is shown is the map. Returns a picture: :tensor() (H, W) of 0
-- to 1, .map (h, w) at the layer's size, .class, .layer; of several pictures, layers and classes (n, H, W), picture by
-- picture for each layer and class.
local function gradcam(at) return at.g:mean({2, 3}, true) * at.a end

return cam.method("gradcam", "Grad-CAM", gradcam)
