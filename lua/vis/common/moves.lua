--- Operations that only move numbers: from where one of the result came. moves[op](node, index) gives which input and
-- the index in it; a number in place of it where it came from none (padding).
local place = require "suture.vis.common.place"

local moves = {}

local function copied(index) return table.move(index, 1, #index, 1, {}) end
local function dim_of(d, rank) return math.tointeger(d < 0 and d + rank or d) + 1 end
local function list_of(v) return type(v) == "table" and v or v ~= nil and {v} or {} end

function moves.reshape(node, index)
  return 1, place.unravel(node.inputs[1].shape, place.offset(node.shape, index))
end

function moves.permute(node, index)
  local from = {}
  for i, d in ipairs(list_of(node.attrs.dims)) do from[dim_of(d, #index)] = index[i] end
  return 1, from
end

function moves.slice(node, index)
  local a, from = node.attrs, copied(index)
  local d = dim_of(a.dim, #index)
  local n, start = node.inputs[1].shape[d], math.tointeger(a.start)
  if start < 0 then start = math.max(0, start + n) end
  from[d] = start + index[d] * math.tointeger(a.step)
  return 1, from
end

function moves.flip(node, index)
  local from = copied(index)
  for _, d in ipairs(list_of(node.attrs.dims)) do
    d = dim_of(d, #index)
    from[d] = node.shape[d] - 1 - index[d]
  end
  return 1, from
end

function moves.roll(node, index)
  local from, dims = copied(index), list_of(node.attrs.dims)
  for i, shift in ipairs(list_of(node.attrs.shifts)) do
    local d = dim_of(dims[i], #index)
    from[d] = (from[d] - math.tointeger(shift)) % node.shape[d]
  end
  return 1, from
end

function moves.expand(node, index)
  local s, from = node.inputs[1].shape, {}
  for d = 1, #s do from[d] = s[d] == 1 and 0 or index[#index - #s + d] end
  return 1, from
end

function moves.pad(node, index)
  local pads, s, from = list_of(node.attrs.pad), node.inputs[1].shape, copied(index)
  for pair = 1, #pads // 2 do
    local d = #index - pair + 1
    from[d] = from[d] - math.tointeger(pads[2 * pair - 1])
    if from[d] < 0 or from[d] >= s[d] then return node.attrs.value end
  end
  return 1, from
end

function moves.index_select(node, index)
  local from = copied(index)
  local d = dim_of(node.attrs.dim, #index)
  from[d] = math.tointeger(place.read(node.inputs[2].value, {index[d]}))
  return 1, from
end

function moves.concat(node, index)
  local from = copied(index)
  local d = dim_of(node.attrs.dim, #index)
  for i, input in ipairs(node.inputs) do
    if input then
      if from[d] < input.shape[d] then return i, from end
      from[d] = from[d] - input.shape[d]
    end
  end
end

function moves.cast(node, index)
  if node.attrs.to ~= 1 and node.attrs.to ~= 2 then return 1, copied(index) end
end

function moves.straight_through(_, index) return 1, copied(index) end

return moves
