local cam = require "suture.vis.common.cam"
local looked = require "suture.vis.common.looked"
local tensor = require "suture.tensor"

local BATCH = 32

--- vis.scorecam(m, picture[, options]): Score-CAM: each channel of the layer, made as large as the picture and 0 to 1,
-- is laid over it as a mask; the softmax over the channels of the class scores that m then gives weighs them. No
-- gradients; a pass for each channel, 32 at a time. Wang et al. 2020, arXiv:1910.01279, algorithm 1 (the score of an
-- empty picture, which it takes off, drops out of the softmax). Options: ?vis.gradcam.
local function scorecam(at)
  local x, a = at.x, at.a
  local n, c = a.shape[1], a.shape[2]
  local classes, weights = at.classes:tolist(), {}
  for i = 0, n - 1 do
    local masks = looked.resize(a[i], x.shape[3], x.shape[4])
    local low, high = masks:amin({1, 2}, true), masks:amax({1, 2}, true)
    masks = (masks - low) / (high - low):clamp(1e-12)
    local scores = {}
    for first = 0, c - 1, BATCH do
      local part = masks:narrow(0, first, math.min(BATCH, c - first)):unsqueeze(1)
      local s = looked.output(at.m, (x[i]:unsqueeze(0) * part):detach()):select(1, classes[i + 1])
      s:sum():item() -- computed now: batch by batch
      scores[#scores + 1] = s
    end
    weights[i + 1] = tensor.cat(scores, 0):softmax(0)
  end
  return tensor.stack(weights, 0):reshape(n, c, 1, 1) * a
end

return cam.method("scorecam", "Score-CAM", scorecam, {gradient = false})
