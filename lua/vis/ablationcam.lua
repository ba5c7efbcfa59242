local cam = require "suture.vis.common.cam"
local grid = require "suture.vis.common.grid"
local looked = require "suture.vis.common.looked"
local tensor = require "suture.tensor"

local BATCH = 32

-- f() while what the module gives is replaced by `value`; then all is as before.
local function replaced(module, value, f)
  local hooks = rawget(module, "_hooks")
  local list = {table.unpack(hooks or {})}
  list[#list + 1] = {kind = "forward", f = function() return value end, replaces = true}
  local back <close> = setmetatable({}, {__close = function() rawset(module, "_hooks", hooks) end})
  rawset(module, "_hooks", list)
  return f()
end

--- vis.ablationcam(m, picture[, options]): Ablation-CAM: a channel's weight is the share of the class score that is
-- lost where the channel is set to 0. No gradients; what comes after the layer runs once for each channel, 32 at a
-- time. Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360, equation 3. Options: ?vis.gradcam.
local function ablationcam(at)
  local m, a, layer = at.m, at.a, at.layer
  local n, c = a.shape[1], a.shape[2]
  local module, classes, weights = m:at(layer.path), at.classes:tolist(), {}
  local whole = layer.value:detach()
  for i = 0, n - 1 do
    local score = at.t.output[i][classes[i + 1]]:item()
    local scores = {}
    for first = 0, c - 1, BATCH do
      local count = math.min(BATCH, c - first)
      local mask = 1 - tensor.eye(c):narrow(0, first, count):reshape(count, c, 1, 1)
      local value = grid.back(layer.grid, (a[i]:unsqueeze(0) * mask):detach(), whole:narrow(0, i, 1))
      local x = at.x:narrow(0, i, 1):expand(count, -1, -1, -1)
      local s = replaced(module, value, function() return looked.output(m, x) end):select(1, classes[i + 1])
      s:sum():item() -- computed now: batch by batch
      scores[#scores + 1] = s
    end
    weights[i + 1] = (score - tensor.cat(scores, 0)) / (score ~= 0 and score or 1e-12)
  end
  return tensor.stack(weights, 0):reshape(n, c, 1, 1) * a
end

return cam.method("ablationcam", "Ablation-CAM", ablationcam, {gradient = false})
