local colours = require "suture.vis.common.colours"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local picture = require "suture.vis.common.picture"
local raw = require("suture.core").tensor
require "suture.tensor"

local read = options.named("show", "low:num=nil high:num=nil colours:viridis|magma|grey=viridis caption:str=nil")

-- (H, W) as colours between two numbers.
local function coloured(x, low, high, name)
  return colours.map(high > low and (x - low) / (high - low) or x * 0, name)
end

-- One panel of a tensor (H, W), (1, H, W) or (3, H, W); whether it is coloured by a legend.
local function panel_of(x, low, high, o, as_stored)
  if #x.shape == 3 and x.shape[1] == 1 then x = x[0] end
  if #x.shape == 2 then return coloured(x, low, high, o.colours), true end
  return as_stored and x or (high > low and (x - low) / (high - low) or x * 0):clamp(0, 1), false
end

--- show(x[, {low =, high =, colours = "viridis", caption =}]): a tensor, or the path of a picture, as a picture: (3, H,
-- W) in its colours (values outside 0 … 1: from the least to the greatest), (H, W), (1, H, W) by a map of colours
-- ("viridis", "magma", "grey") with its legend, (N, C, H, W) as a grid; (N, H, W) too. low and high: the numbers at
-- the ends of the colours (default: the least and the greatest).
local function show(x, opts)
  local o = read(opts)
  if picture.is(x) then return x end
  if type(x) == "string" then
    local ok, loaded = pcall(require("suture.data.image").load, x)
    if not ok then
      fault("show: %s", (tostring(loaded):gsub("^%S+:%d+: ", "")))
    end
    x = loaded
  end
  if not raw.is(x) then fault("show: expects a tensor or the path of a picture, got %s", options.show(x)) end
  local s = x.shape
  if #s < 2 or #s > 4 or x:numel() == 0 then
    fault("show: expects (H, W), (C, H, W) or (N, C, H, W), got %s%s", tostring(s),
      #s == 1 and " · plot(x) draws it" or "")
  end
  x = x:detach():to "float32"
  local low, high = o.low or x:min():item(), o.high or x:max():item()
  if not (low - low == 0 and high - high == 0) then fault "show: there are numbers that are not finite (nan, inf)" end
  if low > high then fault("show: low is %g, above high, %g", low, high) end
  local panels, many = {}, {x}
  if #s == 4 and s[2] ~= 1 and s[2] ~= 3 then
    fault("show: a picture has 1 or 3 channels, got %s · show(x[0]) shows the channels of one", tostring(s))
  end
  if #s == 4 or #s == 3 and s[1] ~= 1 and s[1] ~= 3 then many = x:unbind(0) end
  if #many > 400 then fault("show: a grid of %d pictures is too many (400) · show(x[\":64\"])", #many) end
  local stored, legend = o.low == nil and o.high == nil and low >= 0 and high <= 1, false
  for i, part in ipairs(many) do
    local image, by_map = panel_of(part, low, high, o, stored)
    panels[i], legend = {image = image, caption = #many > 1 and tostring(i - 1) or nil}, legend or by_map
  end
  return picture {
    panels = panels, caption = o.caption, shown = x, map = x,
    legend = legend and {low = low, high = high, colours = o.colours} or nil,
  }
end

return show
