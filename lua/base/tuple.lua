--- Tuples: lists that cannot be changed in place, as fields of a layer are read. m.stride = {2, 2} changes one.
local fault = require "suture.base.fault"
local tuple = {}

local seen = setmetatable({}, {__mode = "k"}) -- list → its tuple
local list_of = setmetatable({}, {__mode = "k"})

local Tuple = {__name = "tuple"}
function Tuple.__index(t, key) return list_of[t][key] end
function Tuple.__newindex(t)
  fault("%s cannot be changed in place: assign a whole list, as m.stride = {2, 2}", tostring(t))
end
function Tuple.__len(t) return #list_of[t] end
function Tuple.__pairs(t) return pairs(list_of[t]) end
function Tuple.__eq(a, b)
  a, b = list_of[a], list_of[b]
  if not a or not b or #a ~= #b then return false end
  for i = 1, #a do if a[i] ~= b[i] then return false end end
  return true
end
function Tuple.__tostring(t)
  local out = {}
  for i, v in ipairs(list_of[t]) do out[i] = tostring(v) end
  return "(" .. table.concat(out, ", ") .. ")"
end

--- tuple.of(v): a list as a tuple, anything else as it is.
function tuple.of(v)
  if type(v) ~= "table" or getmetatable(v) or v[1] == nil then return v end
  local t = seen[v]
  if not t then
    t = setmetatable({}, Tuple)
    seen[v], list_of[t] = t, v
  end
  return t
end

--- tuple.list(t): a copy of what a tuple holds, or nil when it is none.
function tuple.list(t)
  local list = type(t) == "table" and list_of[t]
  return list and table.move(list, 1, #list, 1, {}) or nil
end

return tuple
