--- Where the rows of an attention that looks within windows stand in the picture, known from the graph.
local fault = require "suture.base.fault"
local flow = require "suture.vis.common.flow"
local tensor = require "suture.tensor"

-- Where each row of an attention's keys stands on a map that all comes through: {h, w, ids (…, S, 1): the place's
-- number from 1, row by row; 0: none}, or nil.
local function placed(t, maps, node)
  local from
  for _, map in ipairs(maps) do if map.at < node.index then from = map end end
  if not from then return nil end
  local sizes = {1, 1, 1, 1}
  sizes[from.y + 1], sizes[from.x + 1] = from.h, from.w
  local ids = (tensor.arange(1.0, from.h * from.w + 1)):reshape(table.unpack(sizes))
  local through = flow.through(t, from, ids, node, false)
  return through and {h = from.h, w = from.w, ids = through}
end

--- places(what, t, a): of an attention that looks within windows: {h, w, place}: the map of the picture, and for
-- each of its places, row by row, {window, row} (from 0) where it stands.
return function(what, t, a)
  local found = placed(t, flow.maps(t), a.node)
  local s = a.weights.shape
  if not found or found.ids:numel() * 1.0 ~= a.weights:numel() / s[#s] / s[#s - 2] then
    fault("%s: where the rows of %s come from in the picture cannot be told from its graph", what, a.path)
  end
  local place, rows = {}, s[#s - 1]
  for i, id in ipairs(found.ids:reshape(-1):tolist()) do
    id = math.tointeger(id)
    if id and id > 0 then place[id] = {(i - 1) // rows, (i - 1) % rows} end
  end
  if #place ~= found.h * found.w then
    fault("%s: %s does not look at all of the picture's places", what, a.path)
  end
  return {h = found.h, w = found.w, place = place}
end
