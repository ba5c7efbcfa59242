--- Sums, means and extremes over dimensions.
local place = require "suture.vis.common.place"

return {ops = "sum mean max min", take = function(at)
  local x, node = at:input(1), at.node
  local rank, gone, kept = #x.shape, {}, {}
  local dims = node.attrs.dims
  if type(dims) == "number" then dims = {dims} end
  for _, d in ipairs(dims or {}) do gone[math.tointeger(d < 0 and d + rank or d) + 1] = true end
  if next(gone) == nil then for d = 1, rank do gone[d] = true end end
  local over = {}
  for d = 1, rank do if gone[d] then over[#over + 1] = d else kept[#kept + 1] = d end end
  local n = 1
  for _, d in ipairs(over) do n = n * x.shape[d] end
  local keep = #node.shape == rank
  local grid
  if #over == 2 and x.shape[over[1]] > 1 and x.shape[over[2]] > 1 then
    grid = {extra = 0, h = x.shape[over[1]], w = x.shape[over[2]]}
  end
  local words = {sum = "the sum of %d numbers", mean = "the mean of %d numbers", max = "the greatest of %d numbers",
    min = "the least of %d numbers"}
  return {
    family = "dot", said = words[node.op]:format(n), titles = {"numbers", "weight"}, layout = {grid = grid},
    one = "number",
    at = function(index)
      local from = {}
      for k, d in ipairs(kept) do from[d] = index[keep and d or k] end
      local v = {}
      local function go(k)
        if k > #over then
          v[#v + 1] = place.read(x, from)
          return
        end
        for i = 0, x.shape[over[k]] - 1 do
          from[over[k]] = i
          go(k + 1)
        end
      end
      go(1)
      local w, best = {}, 1
      for i = 2, #v do
        if node.op == "max" and v[i] > v[best] or node.op == "min" and v[i] < v[best] then best = i end
      end
      for i = 1, #v do
        w[i] = node.op == "sum" and 1.0 or node.op == "mean" and 1 / n or i == best and 1.0 or 0.0
      end
      return {v = v, w = w}
    end,
  }
end}
