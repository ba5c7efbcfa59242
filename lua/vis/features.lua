local chart = require "suture.vis.common.chart"
local colours = require "suture.vis.common.colours"
local fault = require "suture.base.fault"
local found = require "suture.vis.common.found"
local grid = require "suture.vis.common.grid"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local tensor = require "suture.tensor"
local trace = require("suture.model.trace").trace
local units_of = require "suture.vis.common.units"

local read = options.named("features",
  "units:any=nil most:count=64 sort:number|strength=number scale:each|all=each run:count=nil "
  .. "colours:viridis|magma|grey=viridis")

-- The units by how far their maps go, the strongest first.
local function strongest(map)
  local size, order = map:abs():amax({1, 2}):tolist(), {}
  for i = 1, #size do order[i] = i - 1 end
  table.sort(order, function(a, b)
    local x, y = size[a + 1], size[b + 1]
    return x > y or x == y and a < b
  end)
  return order
end

-- A value without places: a bar for each unit.
local function bars(path, value)
  local list = value:reshape(-1):tolist()
  return picture {
    panels = {{canvas = chart.bars(list, {x = "unit", y = "value"})}}, map = value:reshape(-1), path = path,
    caption = ("%s, %d numbers"):format(path, #list),
  }
end

--- vis.features(m, picture, path[, {units =, most = 64, sort = "number", scale = "each", run =, colours = "viridis"}]):
-- what a layer makes of a picture: the map of each unit as a grid, with the unit's number. path: a module or an
-- operation ("layer1.0.add"); of a value without places (a linear layer's) there is a bar for each unit. Tokens of
-- transformers are shown at their places. units: a list of numbers from 0 (default: the first `most`); sort: in the
-- order of their "number", or those first that go furthest from 0 ("strength"); scale: colours go from the least to the
-- greatest of "each" map, or of "all"; run: which run of a module that runs several times (default: the last). m runs
-- as in eval mode, frozen or not, and nothing of it changes. picture: one, see ?vis.gradcam. Returns a picture: .map
-- (C, h, w), all units, :tensor() those shown, .units, .path.
-- Examples: vis.features(m, "bee.jpg", "layer1")     vis.features(m, x, "layer4", {sort = "strength", most = 16})
local function features(m, x, path, opts, ...)
  if select("#", ...) > 0 then fault "features: expects a model, a picture, a path and options, got more" end
  local o = read(opts)
  x = looked.input("features", m, x)
  if x.shape[1] ~= 1 then fault("features: expects one picture, got %d · x[0] is the first of them", x.shape[1]) end
  local t = looked.still(trace, m, x)
  local node, call = found.node("features", t, path, o.run)
  path = call and call.path or path
  local named = path == "" and "the output" or path
  local g, s = grid.of(t, node.value), node.shape
  if not g then
    local most = 1
    for _, n in ipairs(s) do most = math.max(most, n) end
    if node.value:numel() == most then return bars(named, node.value:detach()) end
    fault("features: %s gives %s: it has no map of the picture · trace(m, x):value(%q) has the numbers", named,
      tostring(s), path)
  end
  local map = grid.map(g, node.value)[0]:detach()
  local list, said = units_of("features", named, o.units, map.shape[1], o.most,
    o.sort == "strength" and strongest(map) or nil)
  local lowest, highest, panels, kept = map:min():item(), map:max():item(), {}, {}
  for i, k in ipairs(list) do
    local one = map[k]
    local low, high = lowest, highest
    if o.scale == "each" then low, high = one:min():item(), one:max():item() end
    panels[i] = {caption = tostring(k), image = colours.map(high > low and (one - low) / (high - low) or one * 0,
      o.colours)}
    kept[i] = one
  end
  local all = o.scale == "all"
  return picture {
    panels = panels, map = map, shown = tensor.stack(kept, 0):detach(), units = list, path = path,
    legend = {low = all and lowest or "least", high = all and highest or "most", colours = o.colours},
    caption = ("%s, %d × %d%s"):format(named, g.h, g.w, said),
  }
end

return features
