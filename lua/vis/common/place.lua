--- One number of a value: which of its dimensions are places and which is the unit, and where `at` and `unit` are.
-- Indices are lists of numbers from 0, one for each dimension.
local fault = require "suture.base.fault"
local grid = require "suture.vis.common.grid"
local options = require "suture.base.options"
local raw = require("suture.core").tensor

local place = {}

--- place.of(t, node): {unit (a dimension from 0, or nil), dims (those of the place), fixed (the batch's, or nil), h, w,
-- extra (of tokens)}.
function place.of(t, node)
  local s = node.shape
  local rank = #s
  local g = grid.of(t, node.value)
  local kind = g and g.kind or grid.layout(node)
  if kind == "first" then return {unit = 1, dims = {2, 3}, h = s[3], w = s[4], extra = 0} end
  if kind == "last" then return {unit = 3, dims = {1, 2}, h = s[2], w = s[3], extra = 0} end
  if kind == "tokens" then return {unit = 2, dims = {1}, h = g.h, w = g.w, extra = g.extra, tokens = true} end
  local p = {dims = {}, unit = rank > 0 and rank - 1 or nil}
  for d = rank > 1 and s[1] == 1 and 1 or 0, rank - 2 do p.dims[#p.dims + 1] = d end
  local n = #p.dims
  if n >= 2 then p.h, p.w, p.extra = s[p.dims[n - 1] + 1], s[p.dims[n] + 1], 0
  elseif n == 1 then p.h, p.w, p.extra = 1, s[p.dims[1] + 1], 0 end
  return p
end

-- "{0 … 55, 0 … 55}"
local function ranges(p, s)
  local out = {}
  for i, d in ipairs(p.dims) do out[i] = ("0 … %d"):format(s[d + 1] - 1) end
  return "{" .. table.concat(out, ", ") .. "}"
end

local function token(what, p, s, at, path)
  if #at == 1 then at = at[1] end
  local y, x = at, nil
  if type(at) == "table" then y, x = at[1], at[2] end
  if type(at) ~= "table" then
    if math.type(y) == "integer" and y >= 0 and y < s[2] then return y end
  elseif #at == 2 and math.type(y) == "integer" and math.type(x) == "integer" and y >= 0 and y < p.h and x >= 0
    and x < p.w then
    return p.extra + y * p.w + x
  end
  fault("%s: at expects a place {y, x} of %s's %d × %d patches, or a token, 0 … %d, got %s", what, path, p.h, p.w,
    s[2] - 1, options.show(at))
end

-- The index of the greatest number where some dimensions are given.
local function greatest(value, index, s)
  local part = value.dtype == "bool" and value:to "float32" or value
  for d = 1, #s do if index[d] then part = part:narrow(d - 1, index[d], 1) end end
  local flat = part:reshape(-1):argmax():item()
  local shape = part.shape
  for d = #s, 1, -1 do
    local i = flat % shape[d]
    flat = flat // shape[d]
    index[d] = index[d] or math.tointeger(i)
  end
  return index
end

--- place.index(what, p, node, path, at, unit): the index that at and unit say; what they leave open: where the
-- greatest number is. Errors of `what` say what there is.
function place.index(what, p, node, path, at, unit)
  local s, index = node.shape, {}
  if unit ~= nil then
    if not p.unit then fault("%s: %s is a single number: it has no units", what, path) end
    local n = s[p.unit + 1]
    if math.type(unit) ~= "integer" or unit < 0 or unit >= n then
      fault("%s: unit expects a whole number, 0 … %d (%s has %d), got %s", what, n - 1, path, n, options.show(unit))
    end
    index[p.unit + 1] = unit
  end
  if at ~= nil then
    if type(at) == "number" then at = {at} end
    if type(at) ~= "table" or getmetatable(at) then
      fault("%s: at expects a place, as {y, x}, got %s", what, options.show(at))
    end
    if p.tokens then index[2] = token(what, p, s, at, path)
    else
      local ok = #at == #p.dims
      for i, d in ipairs(p.dims) do
        local v = at[i]
        ok = ok and math.type(v) == "integer" and v >= 0 and v < s[d + 1]
        index[d + 1] = v
      end
      if not ok then
        if #p.dims == 0 then
          fault("%s: %s has no places, %s: unit alone says which number", what, path, tostring(s))
        end
        fault("%s: at expects a place of %s, %s, got %s", what, path, ranges(p, s), options.show(at))
      end
    end
  end
  if #s > 0 and not (p.unit == 0 or p.dims[1] == 0) then index[1] = 0 end
  return greatest(node.value, index, s)
end

--- place.words(p, index): "unit 4 at (12, 30)".
function place.words(p, index)
  local parts = {}
  if p.unit then parts[1] = ("unit %d"):format(index[p.unit + 1]) end
  if p.tokens then
    local k = index[2] - p.extra
    parts[#parts + 1] = k < 0 and ("token %d"):format(index[2]) or ("at (%d, %d)"):format(k // p.w, k % p.w)
  elseif #p.dims > 0 then
    local at = {}
    for i, d in ipairs(p.dims) do at[i] = index[d + 1] end
    parts[#parts + 1] = ("at (%s)"):format(table.concat(at, ", "))
  end
  return #parts > 0 and table.concat(parts, " ") or "the number"
end

--- place.sheet(p, node, index): the indices of all numbers that stand beside this one: its unit at every place; without
-- places its units. {list of indices, chosen (place in the list), h, w, extra (places in front of the grid)}.
function place.sheet(p, node, index)
  local s, list = node.shape, {}
  local vary, extra, w = {}, p.extra or 0, p.w
  if #p.dims > 0 then
    vary = {p.dims[#p.dims - 1], p.dims[#p.dims]}
    if #p.dims == 1 then vary = {p.dims[1]} end
  elseif p.unit then
    vary = {p.unit}
    local n = s[p.unit + 1]
    w = n <= 16 and n or math.ceil(math.sqrt(n * 2))
  end
  local chosen = 1
  local function go(k, at)
    if k > #vary then
      local copy = table.move(at, 1, #at, 1, {})
      list[#list + 1] = copy
      local same = true
      for d = 1, #copy do same = same and copy[d] == index[d] end
      if same then chosen = #list end
      return
    end
    for i = 0, s[vary[k] + 1] - 1 do
      at[vary[k] + 1] = i
      go(k + 1, at)
    end
  end
  go(1, table.move(index, 1, #index, 1, {}))
  w = w or 1
  return {list = list, chosen = chosen, w = w, h = math.ceil((#list - extra) / w), extra = extra}
end

--- place.offset(shape, index): the row-major place of an index in a tensor of this shape, which stretches to it: fewer
-- dimensions, or dimensions of one.
function place.offset(shape, index)
  local at, skip = 0, #index - #shape
  for d = 1, #shape do
    at = at * shape[d] + (shape[d] == 1 and 0 or index[skip + d])
  end
  return at
end

--- place.unravel(shape, at): the opposite.
function place.unravel(shape, at)
  local index = {}
  for d = #shape, 1, -1 do
    index[d] = at % shape[d]
    at = at // shape[d]
  end
  return index
end

--- place.read(v, index): the number of a tensor (stretched) at an index; of truth 1 or 0.
function place.read(v, index)
  local x = raw.flat(v, place.offset(v.shape, index), 1)[1]
  if type(x) == "boolean" then return x and 1.0 or 0.0 end
  return x
end

return place
