--- Softmax: e to the power of each number, divided by the sum of these over a row.
local place = require "suture.vis.common.place"

-- The row of an index along a dimension of x.
local function row_of(x, index, dim)
  local at, row = table.move(index, 1, #index, 1, {}), {}
  for i = 0, x.shape[dim + 1] - 1 do
    at[dim + 1] = i
    row[i + 1] = place.read(x, at)
  end
  return row
end

return {ops = "softmax log_softmax", take = function(at)
  local x, dim = at:input(1), math.tointeger(at.node.attrs.dim)
  if dim < 0 then dim = dim + #x.shape end
  local n = #x.shape == 0 and 1 or x.shape[dim + 1]
  local most = x:amax(dim, true)
  local powers = (x - most):exp()
  local sum = powers:sum(dim, true)
  local f = {family = "chain", said = ("softmax over %d numbers"):format(n)}
  if at.node.op == "softmax" then
    f.summands = {{label = "share", steps = {
      {title = "e^(x − greatest)", v = powers:detach()},
      {sign = "÷", title = ("sum of all %d"):format(n), v = sum:detach()},
    }}}
  else
    f.said = ("the logarithm of softmax over %d numbers"):format(n)
    f.summands = {
      {label = "x", steps = {{title = "x", v = x}}},
      {label = "ln of the sum of all eˣ", minus = true,
        steps = {{sign = "−", title = "ln Σ eˣ", v = (sum:log() + most):detach()}}},
    }
  end
  f.around = function(index)
    if #x.shape == 0 then return nil end
    local row = row_of(x, index, dim)
    local top = math.max(table.unpack(row, 1, math.min(#row, 200)))
    for i = 201, #row do top = math.max(top, row[i]) end
    local exps = {}
    for i, v in ipairs(row) do exps[i] = math.exp(v - top) end
    return {title = "the row: x and e^(x − greatest)", row = row, second = exps, own = index[dim + 1]}
  end
  return f
end}
