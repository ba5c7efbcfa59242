local colours = require "suture.vis.common.colours"
local fault = require "suture.base.fault"
local flow = require "suture.vis.common.flow"
local gradients = require "suture.tensor.gradients"
local heads = require "suture.vis.common.heads"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local tensor = require "suture.tensor"

local read = options.named("rollout", "alpha:prob=0.5")

--- vis.rollout(m, picture[, {alpha =}]): attention rollout: the attentions of all blocks, their heads' mean, half of it
-- and half the identity (the residual path), multiplied from the first to the last: how much of each place reaches the
-- class token (without one: all places at the end, their mean). The places are followed through the graph that ran:
-- windows and their shifts (Swin), grids (MaxViT), merged places, pooling and convolutions (CoAtNet), which mix what
-- they see evenly; what falls on padding is missing from the sum. picture: one. Abnar & Zuidema 2020, arXiv:2005.00928.
-- .map (h, w): the row's own numbers, over the map in front of the first attention; .tensor() at the picture's size.
local function rollout(m, x, opts)
  local o = read(opts)
  x = looked.input("rollout", m, x)
  if x.shape[1] ~= 1 then fault("rollout: expects one picture, got %d", x.shape[1]) end
  local t = looked.run("rollout", m, x)
  local list = heads.of("rollout", t)
  local from, output
  for _, map in ipairs(flow.maps(t)) do if map.at < list[1].node.index then from = map end end
  for _, node in ipairs(t.nodes) do if rawequal(node.value, t.output) then output = node end end
  if not from then fault "rollout: in front of the first attention there is no map of the picture" end
  local sizes = {1, 1, 1, 1}
  sizes[from.y + 1], sizes[from.x + 1] = from.h, from.w
  -- What reaches the end is a linear map of what stands on the map: its gradient is the row that is asked for.
  local start = tensor.zeros(sizes, {requires_grad = true})
  local map = tensor.enable_grad(function()
    local reached, lost = flow.through(t, from, start, output, true)
    local g = reached and gradients.of(reached:mean(), {start})[1]
    if not g then
      fault("rollout: the picture's places cannot be followed through %s%s · vis.attention, vis.gradcam",
        lost and lost.op or "this model", lost and lost.path ~= "" and " of " .. lost.path or "")
    end
    return g:reshape(from.h, from.w):detach()
  end)
  local scaled = looked.scaled(map:unsqueeze(0), x.shape[3], x.shape[4])[0]:detach()
  return picture {
    panels = {{image = colours.blend(looked.pictures(m, x)[1], scaled, "viridis", o.alpha)}},
    legend = {low = 0, high = 1, colours = "viridis"}, shown = scaled, map = map,
    caption = ("attention rollout of %d blocks, %d × %d"):format(#list, from.h, from.w),
  }
end

return rollout
