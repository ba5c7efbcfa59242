--- Sums of products: a linear layer, a product of matrices.
local fault = require "suture.base.fault"
local place = require "suture.vis.common.place"
local raw = require("suture.core").tensor

-- The map (C, h, w) that was flattened into a row of numbers, or nil.
local function blocks_of(node, n)
  while node and node.op == "reshape" or node and node.op == "dropout" do
    local from = node.inputs[1]
    if #from.shape == 4 and from.shape[2] * from.shape[3] * from.shape[4] == n then
      if from.shape[3] * from.shape[4] > 1 then return {from.shape[2], from.shape[3], from.shape[4]} end
      return nil
    end
    node = from
  end
end

local function linear(at)
  local x, w, b = at:input(1), at:input(2), at:input(3)
  local n, rank = w.shape[2], #at.node.shape
  local blocks = blocks_of(at.node.inputs[1], n)
  local sliding = rank > 1 and not (rank == 2 and x.shape[1] == 1)
  return {
    family = "dot", said = ("a linear layer over %d numbers"):format(n), titles = {"input", "weight"},
    layout = {blocks = blocks}, tall = blocks and blocks[2] > 9, one = "input", const = sliding and "w" or "v",
    at = function(index)
      local from = table.move(index, 1, #index, 1, {})
      from[rank] = 0
      local k = index[rank]
      return {v = raw.flat(x, place.offset(x.shape, from), n), w = raw.flat(w, k * n, n),
        bias = b and raw.flat(b, k, 1)[1]}
    end,
  }
end

-- A row of a matrix at an index of what stands before its last two dimensions; column: down the last but one.
local function line(v, index, at, down)
  local s = v.shape
  local rank, shift = #s, #index - #s
  local from = {}
  for d = 1, rank - 2 do from[d] = s[d] == 1 and 0 or index[shift + d] end
  from[rank - 1], from[rank] = down and 0 or at, down and at or 0
  local offset = place.offset(s, from)
  if not down then return raw.flat(v, offset, s[rank]) end
  local out = {}
  for i = 0, s[rank - 1] - 1 do out[i + 1] = raw.flat(v, offset + i * s[rank], 1)[1] end
  return out
end

local function matmul(at)
  local a, b, attrs = at:input(1), at:input(2), at.node.attrs
  local rank = #at.node.shape
  local n = a.shape[attrs.ta ~= 0 and #a.shape - 1 or #a.shape]
  return {
    family = "dot", said = ("a product of matrices, over %d numbers"):format(n), titles = {"row", "column"},
    layout = {}, one = "place", const = nil,
    at = function(index)
      return {v = line(a, index, index[rank - 1], attrs.ta ~= 0), w = line(b, index, index[rank], attrs.tb == 0)}
    end,
  }
end

return {ops = "linear matmul", take = function(at)
  if at.node.op == "linear" then return linear(at) end
  if #at.node.shape < 2 then fault("explain: a product of matrices of %s", tostring(at.node.shape)) end
  return matmul(at)
end}
