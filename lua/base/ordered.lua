--- Ordered dictionaries and lists that can be walked three ways: `for k, v in d:…()` directly, with pairs, by name.
local counted = require "suture.base.counted"
local term = require "suture.base.term"
local ordered = {}

local Dict = {__name = "dict"}

-- An ordered dictionary: d[name], #d, `for name, value in d do`, pairs(d); d[name] = nil removes.
function ordered.dict()
  return setmetatable({_keys = {}, _values = {}, _at = {}}, Dict)
end

function Dict.__index(d, key)
  local values = rawget(d, "_values")
  if values[key] ~= nil then return values[key] end
  return Dict[key]
end

function Dict.__newindex(d, key, value)
  local at, keys = d._at[key], d._keys
  if value == nil then
    if not at then return end
    table.remove(keys, at)
    d._at[key], d._values[key] = nil, nil
    for i = at, #keys do d._at[keys[i]] = i end
    return
  end
  if not at then
    keys[#keys + 1] = key
    d._at[key] = #keys
  end
  d._values[key] = value
end

function Dict.__len(d) return #d._keys end

-- The entry after `key` (the first for nil).
local function after(d, key)
  local at = key == nil and 0 or d._at[key]
  local next_key = at and d._keys[at + 1]
  if next_key ~= nil then return next_key, d._values[next_key] end
end

Dict.__call = function(d, _, key) return after(d, key) end
Dict.__pairs = function(d) return after, d, nil end

--- The names, in order.
function Dict.keys(d) return table.move(d._keys, 1, #d._keys, 1, {}) end

--- The values, in order.
function Dict.values(d)
  local out = {}
  for i, k in ipairs(d._keys) do out[i] = d._values[k] end
  return out
end

function Dict.__tostring(d)
  local lines = {}
  for name, v in d do
    local shape = type(v) == "userdata" and tostring(v.shape) .. (v.dtype ~= "float32" and " " .. v.dtype or "")
      or tostring(v)
    lines[#lines + 1] = ("%s  %s"):format(term.safe(name, true), shape)
  end
  return term.safe(table.concat(lines, "\n"))
end

local List = {__name = "list"}
local outside = counted.places("this list")
function List.__index(list, key)
  local v = List[key]
  if v == nil then return outside(list, key) end
  return v
end

-- A list without repeats: list[1], #list, ipairs, `for x in list do`. show: how it is printed, a function from the
-- list to text.
function ordered.list(items, show)
  items = items or {}
  items._show = show
  return setmetatable(items, List)
end

function List.__call(list, _, x)
  if x == nil then return list[1] end
  local at = rawget(list, "_at")
  if not at then
    at = {}
    for i = 1, #list do at[list[i]] = i end
    rawset(list, "_at", at)
  end
  return list[(at[x] or #list) + 1]
end

function List.__tostring(list)
  local show = rawget(list, "_show")
  if show then return term.safe(show(list)) end
  local lines = {}
  for i, x in ipairs(list) do
    lines[i] = type(x) == "userdata" and ("tensor %s%s"):format(x.shape, x.requires_grad and "" or "  no gradient")
      or tostring(x)
  end
  return term.safe(table.concat(lines, "\n"))
end

function ordered.is_dict(x) return getmetatable(x) == Dict end
function ordered.is_list(x) return getmetatable(x) == List end

require "suture.base.stray".guard(Dict, "", true)

return ordered
