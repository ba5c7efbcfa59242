--- Attention as numbers: the probabilities of every attention that ran, from the queries and keys in the graph.
local attended = require "suture.vis.common.attended"
local fault = require "suture.base.fault"
local flow = require "suture.vis.common.flow"
local grid = require "suture.vis.common.grid"
local tensor = require "suture.tensor"

local heads = {}

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

--- heads.of(what, t): a list of the attentions of trace t in order: {path, node, weights (…, heads, L, S), h, w,
-- extra}: h, w, extra where the rows are the tokens of the whole picture, rows and columns of it, and how many stand in
-- front. An error of `what` where there is none.
function heads.of(what, t)
  local out = {}
  for _, node in ipairs(t.nodes) do
    if node.op == "packed_attention" or node.op == "scaled_dot_product_attention" then
      local a = {path = node.path, node = node, weights = attended(node).weights}
      local g = #node.shape == 3 and grid.of(t, node.value)
      if g then a.h, a.w, a.extra = g.h, g.w, g.extra end
      out[#out + 1] = a
    end
  end
  if #out == 0 then fault("%s: this model has no attention · vis.gradcam shows where it looks", what) end
  return out
end

--- heads.places(what, t, a): of an attention that looks within windows: {h, w, place}: the map of the picture, and for
-- each of its places, row by row, {window, row} (from 0) where it stands.
function heads.places(what, t, a)
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

return heads
