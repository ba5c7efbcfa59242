--- The layers of a run that browse goes through, and what it shows of a unit.
local colours = require "suture.vis.common.colours"
local F = require "suture.nn.functional"
local grid = require "suture.vis.common.grid"
local looked = require "suture.vis.common.looked"
local raw = require("suture.core").tensor
local tensor = require "suture.tensor"
local trace = require("suture.model.trace").trace
local words = require "suture.model.words"

local layers = {}

--- layers.run(m, x): x (1, C, H, W) through m: {t, x, picture (3, H, W), layers: a list, in order, of {path, label,
-- value, units, h, w, map() (units, h, w)}: each value that a module gives and that has units, by its outermost
-- module}.
function layers.run(m, x)
  local t = looked.still(trace, m, x)
  local list, by = {}, {}
  for _, call in ipairs(t.calls) do
    local v = call.outputs[1]
    if #call.outputs == 1 and raw.is(v) and v.dtype == "float32" and not by[v] then
      local g, s = grid.of(t, v), v.shape
      local units = g and (g.kind == "first" and s[2] or s[#s]) or (#s == 2 or #s == 4 and s[3] * s[4] == 1) and s[2]
      if units and units > 0 then
        by[v] = true
        local path = call.path
        list[#list + 1] = {
          path = path == "" and "(the output)" or call.nth > 1 and ("%s (run %d)"):format(path, call.nth) or path,
          module_path = path, label = words.brief(call.module), value = v, units = units, h = g and g.h or 1,
          w = g and g.w or 1, order = #list, last = g ~= nil and g.kind == "last",
          map = function() return g and grid.map(g, v)[0]:detach() or v:reshape(units, 1, 1):detach() end,
        }
      end
    end
  end
  -- In the order in which they were computed: a block's value comes behind its parts'.
  local place = {}
  for _, node in ipairs(t.nodes) do place[node.value] = node.index end
  table.sort(list, function(a, b)
    local p, q = place[a.value] or 0, place[b.value] or 0
    return p < q or p == q and a.order < b.order
  end)
  return {t = t, x = x, layers = list, picture = looked.pictures(m, x)[1]}
end

--- layers.score(run): the likeliest classes, {{number, share} …} at most n; nil where the model gives none.
function layers.classes(run, n)
  local out = run.t.output
  if #out.shape ~= 2 or out.shape[2] < 2 then return nil end
  local row, list = F.softmax(out, 1)[0]:tolist(), {}
  for k, p in ipairs(row) do list[k] = {k - 1, p} end
  table.sort(list, function(a, b) return a[2] > b[2] or a[2] == b[2] and a[1] < b[1] end)
  return table.move(list, 1, math.min(n, #list), 1, {})
end

-- Maps (n, h, w) with the greatest of each 1 and the least 0.
local function each_scaled(maps)
  local low, high = maps:amin({1, 2}, true), maps:amax({1, 2}, true)
  return (maps - low) / (high - low):clamp(1e-12)
end

--- layers.mosaic(maps, columns, rows): maps (n, h, w) beside each other, each in its own scale, as one picture (3, H,
-- W), a pixel between them. Maps of one place are in one scale.
function layers.mosaic(maps, columns, rows)
  local n, h, w = table.unpack(maps.shape)
  local scaled
  if h * w == 1 then
    local low, high = maps:min():item(), maps:max():item()
    scaled = (maps - low) / math.max(high - low, 1e-12)
  else scaled = each_scaled(maps) end
  local room = columns * rows
  if n < room then scaled = tensor.cat({scaled, tensor.zeros(room - n, h, w)}, 0) end
  return colours.map(scaled:reshape(rows, columns, h, w):permute(0, 2, 1, 3):reshape(rows * h, columns * w), "viridis")
    :detach()
end

--- layers.over(run, map): the map (h, w) in colours over the picture.
function layers.over(run, map)
  local picture = run.picture
  local h, w = picture.shape[2], picture.shape[3]
  local scaled = looked.resize(each_scaled(map:unsqueeze(0)), h, w)[0]
  return colours.blend(picture, scaled, "viridis", 0.6):detach()
end

--- layers.gradient(run, layer, unit): how much each place of the picture moves the unit, the greatest channel, as
-- colours; nil where nothing does.
function layers.gradient(run, layer, unit)
  local v = layer.value
  local y = #v.shape == 2 and v[0][unit] or #v.shape == 3 and v[0][{":", unit}]
    or layer.last and v[0][{":", ":", unit}] or v[0][unit]
  local g = run.t:grad(y:sum(), run.t.inputs[1])
  if not g then return nil end
  local size = g[0]:abs():amax(0)
  return colours.map(size / size:max():clamp(1e-30), "magma"):detach()
end

return layers
