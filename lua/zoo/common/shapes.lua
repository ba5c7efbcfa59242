--- The names and shapes of a file's tensors, asked in ways that no file makes fail: what is not there is nil.
local Shapes = {}
Shapes.__index = Shapes

--- shapes(list): of {name = shape}.
local function shapes(list) return setmetatable({list = list}, Shapes) end

--- s:dim(name, i): the i-th dim (from 1) of a tensor, or nil.
function Shapes:dim(name, i)
  local shape = self.list[name]
  return shape and shape[i]
end

--- s:rank(name): how many dims a tensor has, or nil.
function Shapes:rank(name) return self.list[name] and #self.list[name] end

--- s:is(name, i, n): 1 where that dim is n, else 0.
function Shapes:is(name, i, n) return self:dim(name, i) == n and 1 or 0 end

--- s:side(name, i): the whole square root of that dim, or nil.
function Shapes:side(name, i)
  local n = self:dim(name, i)
  return n and n >= 0 and math.tointeger(math.sqrt(n)) or nil
end

--- s:has(start): whether a tensor's name begins so.
function Shapes:has(start)
  for name in pairs(self.list) do
    if name:sub(1, #start) == start then return true end
  end
  return false
end

--- s:count(start): how many different numbers follow `start` in names ("layers." in layers.0.weight, layers.1.weight:
-- 2).
function Shapes:count(start)
  local seen, n = {}, 0
  for name in pairs(self.list) do
    local number = name:sub(1, #start) == start and name:match("^%d+", #start + 1)
    if number and not seen[number] then seen[number], n = true, n + 1 end
  end
  return n
end

--- s:depths(start, usual): s:count(start(k)) for each stage k of `usual`, a list of counts; nil where these are the
-- usual or one is 0.
function Shapes:depths(start, usual)
  local depths, other = {}, false
  for k, n in ipairs(usual) do
    depths[k] = self:count(start(k))
    if depths[k] == 0 then return nil end
    other = other or depths[k] ~= n
  end
  return other and depths or nil
end

--- s:best(list, fits): the value of the list for which fits(value) is the greatest number; the first of them.
function Shapes.best(_, list, fits)
  local best, most
  for _, value in ipairs(list) do
    local n = fits(value)
    if not most or n > most then best, most = value, n end
  end
  return best
end

--- s:total(): elements of all tensors.
function Shapes:total()
  local sum = 0
  for name in pairs(self.list) do sum = sum + self:numel(name) end
  return sum
end

--- s:numel(name): elements of a tensor, 0 where it is not there.
function Shapes:numel(name)
  local n = self.list[name] and 1 or 0
  for _, d in ipairs(self.list[name] or {}) do n = n * d end
  return n
end

return shapes
