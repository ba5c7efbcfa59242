--- Relative positions: attention over a grid of places adds to each score a learned number that depends on the way from
-- one place to the other only. Shaw et al. 2018 (arXiv:1803.02155); over pictures Liu et al. 2021 (arXiv:2103.14030).
local resample = require "suture.zoo.common.resample"
local tensor = require "suture.tensor"

local relative = {}

--- relative.index(h, w): for each pair of the h · w places of a grid, in order, the row of a table of (2h - 1)(2w - 1)
-- ways that leads from the second to the first: whole numbers, (h · w)² of them.
function relative.index(h, w)
  local flat = {}
  for a = 0, h * w - 1 do
    for b = 0, h * w - 1 do
      flat[#flat + 1] = (a // w - b // w + h - 1) * (2 * w - 1) + a % w - b % w + w - 1
    end
  end
  return tensor(flat, {dtype = "int64"})
end

--- relative.bias(table, index): a table (ways, heads) spread over all pairs: (1, heads, places, places).
function relative.bias(ways, index)
  local places = math.tointeger(math.sqrt(index:numel()))
  if index:dim() > 1 then index = index:flatten() end
  -- Nobody need look at the index.
  return tensor._op "index_select"(ways, index, {dim = 0}):reshape(1, places, places, -1):permute(0, 3, 1, 2)
end

--- relative.resized(table, shape): a table of one grid for another, bicubically, or nil where it is no table of a
-- square grid with as many heads.
function relative.resized(ways, shape)
  if #ways.shape ~= 2 or #shape ~= 2 or ways.shape[2] ~= shape[2] then return nil end
  local from, to = math.tointeger(math.sqrt(ways.shape[1])), math.tointeger(math.sqrt(shape[1]))
  if not from or not to or from == 0 then return nil end
  return resample.bicubic(ways:reshape(from, from, shape[2]), to, to):reshape(to * to, shape[2])
end

return relative
