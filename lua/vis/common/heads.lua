--- Attention as numbers: the probabilities of every attention that ran, from the queries and keys in the graph.
local fault = require "suture.base.fault"
local grid = require "suture.vis.common.grid"
local tensor = require "suture.tensor"

local heads = {}

-- Queries, keys, the mask's node and values (…, heads, L, d) of packed rows (…, L, 3 · heads · d): all q, all k, all v,
-- or with interleaved q, k, v of each head in turn.
local function unpacked(node)
  local qkv, s, n = node.inputs[1].value, node.inputs[1].shape, math.tointeger(node.attrs.heads)
  local rank, d = #s, s[#s] // (3 * node.attrs.heads)
  local lead = {table.unpack(s, 1, rank - 1)}
  local interleaved = node.attrs.interleaved == 1
  lead[rank], lead[rank + 1], lead[rank + 2] = interleaved and n or 3, interleaved and 3 or n, math.tointeger(d)
  local apart = qkv:reshape(table.unpack(lead))
  local function part(i) return apart:select(interleaved and rank or rank - 1, i):transpose(rank - 2, rank - 1) end
  return part(0), part(1), node.inputs[2], part(2)
end

--- heads.parts(node): of an attention's node: weights, softmax(scores), and scores, scale q kᵀ + mask, both (…, heads,
-- L, S), v (…, heads, S, d), heads, masked (whether there is a mask).
function heads.parts(node)
  local q, k, mask, v
  if node.op == "packed_attention" then q, k, mask, v = unpacked(node)
  else q, k, mask, v = node.inputs[1].value, node.inputs[2].value, node.inputs[4], node.inputs[3].value end
  local scale = node.attrs.scale ~= 0 and node.attrs.scale or q.shape[#q.shape] ^ -0.5
  local scores = q:matmul(k:transpose(-1, -2)) * scale
  if mask then scores = scores + mask.value end
  if (node.attrs.causal or 0) ~= 0 then
    local s = scores.shape
    local rows, columns = tensor.arange(s[#s - 1]):unsqueeze(1), tensor.arange(s[#s]):unsqueeze(0)
    scores = tensor.where(columns:gt(rows), -math.huge, scores)
  end
  return {weights = scores:softmax(-1):detach(), scores = scores:detach(), v = v:contiguous():detach(),
    heads = math.tointeger(node.attrs.heads or 1), masked = mask and true or false}
end

--- heads.of(what, t): a list of the attentions of trace t in order: {path, node, weights (…, heads, L, S), h, w,
-- extra}: h, w, extra where the rows are the tokens of the whole picture, rows and columns of it, and how many stand in
-- front. An error of `what` where there is none.
function heads.of(what, t)
  local out = {}
  for _, node in ipairs(t.nodes) do
    if node.op == "packed_attention" or node.op == "scaled_dot_product_attention" then
      local a = {path = node.path, node = node, weights = heads.parts(node).weights}
      local g = #node.shape == 3 and grid.of(t, node.value)
      if g then a.h, a.w, a.extra = g.h, g.w, g.extra end
      out[#out + 1] = a
    end
  end
  if #out == 0 then fault("%s: this model has no attention · vis.gradcam shows where it looks", what) end
  return out
end

return heads
