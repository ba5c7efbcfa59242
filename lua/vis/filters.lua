local colours = require "suture.vis.common.colours"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local found = require "suture.vis.common.found"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local tensor = require "suture.tensor"
local units_of = require "suture.vis.common.units"

local read = options.named("filters", "units:any=nil most:count=64 channel:natural=nil scale:each|all=each")

local function is_conv(m)
  local w = Module.is_module(m) and rawget(m, "_params").weight
  return w and #w.shape == 4 and w or nil
end

-- The convolution that was meant, and its path: itself, by its path in m, or the first one of m.
local function conv_of(m, path)
  if path ~= nil then
    if Module.is_module(path) then path = found.path("filters", m, path) end
    if type(path) ~= "string" then
      fault('filters: expects the path of a convolution, as "conv1", got %s', options.show(path))
    end
    local part = m:at(path)
    if not is_conv(part) then
      fault("filters: %s is a %s: it has no kernels%s", path, getmetatable(part).__name,
        rawget(part, "_params").weight and (" · show(m:at(%q).weight) shows its weights"):format(path) or "")
    end
    return part, path
  end
  if is_conv(m) then return m, getmetatable(m).__name end
  for name, part in m:named_modules() do if is_conv(part) then return part, name end end
  fault("filters: %s has no convolution, so no kernels", getmetatable(m).__name)
end

-- Kernels (C, R, S) of -1 … 1 as one picture: side by side, a line between them.
local function tiled(w)
  local c, r, s = table.unpack(w.shape)
  local across = math.ceil(math.sqrt(c))
  local down, gap = math.ceil(c / across), r * s > 1 and 1 or 0
  if across * down > c then w = tensor.cat({w, tensor.zeros(across * down - c, r, s)}, 0) end
  w = F.pad(w, {0, gap, 0, gap}):reshape(down, across, r + gap, s + gap):permute(0, 2, 1, 3)
  w = w:reshape(down * (r + gap), across * (s + gap))
  return colours.map(w:narrow(0, 0, w.shape[1] - gap):narrow(1, 0, w.shape[2] - gap) * 0.5 + 0.5, "signed")
end

--- vis.filters(m[, path, {units =, most = 64, channel =, scale = "each"}]): the kernels of a convolution as a grid,
-- each with its unit's number. m: a convolution, as m.conv1, or a model, and path, where in it (default: its first).
-- Kernels over three channels are shown in their colours, grey for 0; others as tiles, a tile an input channel, blue
-- below 0, white at 0, red above. units: a list of numbers from 0 (default: the first `most`); channel: one input
-- channel alone; scale: "each" kernel by its own greatest number, or "all" by one. Returns a picture: .map (units, C,
-- R, S), the weights, .units, .path.
-- Examples: vis.filters(m.conv1)     vis.filters(m, "layer1.0.conv1", {units = {3, 7}})
local function filters(m, path, opts, ...)
  if select("#", ...) > 0 then fault "filters: expects a model, a path and options, got more" end
  if not Module.is_module(m) then fault("filters: expects a model or a convolution, got %s", options.show(m)) end
  if opts == nil and options.is_options(path) then path, opts = nil, path end
  local o = read(opts)
  local conv
  conv, path = conv_of(m, path)
  local w = rawget(conv, "_params").weight:detach()
  local channels = w.shape[2]
  if o.channel and o.channel >= channels then
    fault("filters: channel expects 0 … %d (%s sees %d), got %d", channels - 1, path, channels, o.channel)
  end
  local list, said = units_of("filters", path, o.units, w.shape[1], o.most)
  local most, panels, kept = w:abs():max():item(), {}, {}
  for i, k in ipairs(list) do
    local one = w[k]
    if o.channel then one = one:narrow(0, o.channel, 1) end
    kept[i] = w[k]
    local scale = o.scale == "all" and most or one:abs():max():item()
    one = scale > 0 and one / scale or one
    panels[i] = {caption = tostring(k), image = one.shape[1] == 3 and (one * 0.5 + 0.5):clamp(0, 1) or tiled(one)}
  end
  local map = tensor.stack(kept, 0):detach()
  return picture {
    panels = panels, map = map, shown = map, units = list, path = path,
    legend = (channels ~= 3 or o.channel) and {low = "-most", high = "most", colours = "signed", label = "0"} or nil,
    caption = ("kernels of %s, %d × %d over %s%s%s"):format(path, w.shape[3], w.shape[4],
      o.channel and "channel " .. o.channel or channels == 1 and "1 channel" or channels .. " channels",
      said, o.scale == "all" and ("; up to %.3g"):format(most) or ""),
  }
end

return filters
