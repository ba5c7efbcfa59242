local colours = require "suture.vis.common.colours"
local fault = require "suture.base.fault"
local heads = require "suture.vis.common.heads"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local tensor = require "suture.tensor"

local read = options.named("rollout", "alpha:prob=0.5")

--- vis.rollout(m, picture[, {alpha =}]): attention rollout: the attentions of all blocks, their heads' mean, half of it
-- and half the identity (the residual path), multiplied from the first to the last: how much of each patch reaches the
-- class token (without one: all tokens, their mean). For transformers whose tokens are those of the whole picture
-- throughout. picture: one. Abnar & Zuidema 2020, arXiv:2005.00928. .map (h, w): the row's own numbers; .tensor() at
-- the size of the picture.
local function rollout(m, x, opts)
  local o = read(opts)
  x = looked.input("rollout", m, x)
  if x.shape[1] ~= 1 then fault("rollout: expects one picture, got %d", x.shape[1]) end
  local list = heads.of("rollout", looked.run("rollout", m, x))
  local product
  for _, a in ipairs(list) do
    local s = a.weights.shape
    if not a.h or product and product.shape[1] ~= s[#s] then
      fault("rollout: %s looks within windows or at another size: there is no one way through · vis.attention, "
        .. "vis.gradcam", a.path)
    end
    local mean = a.weights[0]:mean(0) * 0.5 + tensor.eye(s[#s]) * 0.5
    product = (product and mean:matmul(product) or mean):detach()
  end
  local h, w, extra = list[1].h, list[1].w, list[1].extra
  local row = extra > 0 and product[0]:narrow(0, extra, h * w) or product:mean(0)
  local map = row:reshape(h, w):detach()
  local scaled = looked.scaled(map:unsqueeze(0), x.shape[3], x.shape[4])[0]:detach()
  return picture {
    panels = {{image = colours.blend(looked.pictures(m, x)[1], scaled, "viridis", o.alpha)}},
    legend = {low = 0, high = 1, colours = "viridis"}, shown = scaled, map = map,
    caption = ("attention rollout of %d blocks, %d × %d"):format(#list, h, w),
  }
end

return rollout
