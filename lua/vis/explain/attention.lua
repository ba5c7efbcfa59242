--- Attention: a row of probabilities, from the query's products with all keys, times one column of the values.
local heads = require "suture.vis.common.heads"
local raw = require("suture.core").tensor

return {ops = "packed_attention scaled_dot_product_attention", take = function(at)
  local node = at.node
  local of = heads.parts(node)
  local probabilities, scores, v = of.weights, of.scores, of.v
  local rank = #node.shape
  local L, S, wide = probabilities.shape[#probabilities.shape - 1], probabilities.shape[#probabilities.shape],
    v.shape[#v.shape]
  -- The head, the query and the column of an index, as the place of the head's matrices.
  local function places(index)
    if node.op ~= "packed_attention" then
      local lead = 0
      for d = 1, rank - 2 do lead = lead * node.shape[d] + index[d] end
      return lead, index[rank - 1], index[rank], rank > 2 and index[rank - 2] or 0
    end
    local lead = 0
    for d = 1, rank - 2 do lead = lead * node.shape[d] + index[d] end
    local head = index[rank] // wide
    return lead * of.heads + head, index[rank - 1], index[rank] % wide, head
  end
  local p = at.place
  local grid = p.tokens and S == p.h * p.w + p.extra and {extra = p.extra, h = p.h, w = p.w}
  local side = math.tointeger(math.sqrt(S))
  if not grid and side and side > 1 then grid = {extra = 0, h = side, w = side} end
  local _, _, _, head = places(at.index)
  return {
    family = "dot", said = ("attention over %d tokens, head %d"):format(S, head), titles = {"values", "attention"},
    layout = {grid = grid}, one = "token", const = "v",
    at = function(index)
      local matrix, row, column = places(index)
      local out = {}
      for s = 0, S - 1 do out[s + 1] = raw.flat(v, (matrix * S + s) * wide + column, 1)[1] end
      local from = (matrix * L + row) * S
      return {v = out, w = raw.flat(probabilities, from, S), before = raw.flat(scores, from, S),
        before_title = of.masked and "q · k × scale + mask" or "q · k × scale"}
    end,
  }
end}
