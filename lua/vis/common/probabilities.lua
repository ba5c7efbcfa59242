--- The probabilities of an attention that ran, from the queries and keys in the graph.

-- Queries and keys (…, heads, L, d) of packed rows (…, L, 3 · heads · d): all q, all k, all v, or with interleaved q,
-- k, v of each head in turn.
local function unpacked(node)
  local qkv, s, n = node.inputs[1].value, node.inputs[1].shape, math.tointeger(node.attrs.heads)
  local rank, d = #s, s[#s] // (3 * node.attrs.heads)
  local lead = {table.unpack(s, 1, rank - 1)}
  local interleaved = node.attrs.interleaved == 1
  lead[rank], lead[rank + 1], lead[rank + 2] = interleaved and n or 3, interleaved and 3 or n, math.tointeger(d)
  local apart = qkv:reshape(table.unpack(lead))
  local function part(i) return apart:select(interleaved and rank or rank - 1, i):transpose(rank - 2, rank - 1) end
  return part(0), part(1), node.inputs[2]
end

--- probabilities(node): softmax(scale q kᵀ + mask) of the node of an attention, (…, heads, L, S).
return function(node)
  local q, k, mask
  if node.op == "packed_attention" then q, k, mask = unpacked(node)
  else q, k, mask = node.inputs[1].value, node.inputs[2].value, node.inputs[4] end
  local scale = node.attrs.scale ~= 0 and node.attrs.scale or q.shape[#q.shape] ^ -0.5
  local scores = q:matmul(k:transpose(-1, -2)) * scale
  if mask then scores = scores + mask.value end
  return scores:softmax(-1):detach()
end
