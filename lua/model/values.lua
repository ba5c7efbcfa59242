--- What a file can hold of Lua's values: numbers, strings, booleans, tensors, modules, and tables of them.
local fault = require "suture.base.fault"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local ordered = require "suture.base.ordered"
local tuple = require "suture.base.tuple"
local raw = require("suture.core").tensor
local views = require "suture.tensor.views"

local values = {}

--- values.kind(v): "nil", "boolean", "number", "string", "tensor", "module", "list" (places 1 to n alone), "dict", or
-- nil where no file can hold it.
function values.kind(v)
  local t = type(v)
  if t == "nil" or t == "boolean" or t == "number" or t == "string" then return t end
  if raw.is(v) then return "tensor" end
  if t ~= "table" then return nil end
  if Module.is_module(v) then return "module" end
  if ordered.is_dict(v) then return "dict" end
  local mt = getmetatable(v)
  if tuple.list(v) or mt and mt.__name == "shape" then return "list" end
  if mt and not (mt.__call and #v > 0 and mt.__index == nil) then return nil end
  local n = 0
  for _ in next, v do n = n + 1 end
  return n > 0 and n == #v and "list" or "dict"
end

-- Numbers before names, each in order, so that the same table gives the same file.
local function before(a, b)
  a, b = a[1], b[1]
  if type(a) ~= type(b) then return type(a) < type(b) end
  if type(a) == "boolean" then return b and not a end
  return a < b
end

--- values.entries(v): {key, value} of a dict, in its order or sorted.
function values.entries(v)
  local out = {}
  for key, x in pairs(v) do out[#out + 1] = {key, x} end
  if not ordered.is_dict(v) then table.sort(out, before) end
  return out
end

local function name_of(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return "." .. key end
  return "[" .. options.show(key) .. "]"
end

local function shown(place) return place and (place:gsub("^%.", "")) or "what is saved" end

--- values.check(what, v): refuses what no file can hold, by its place in v; what: for errors.
function values.check(what, v, place, within)
  within = within or {}
  local kind = values.kind(v)
  if not kind then
    local has = type(v) == "table" and type(v.state_dict) == "function" and " · its state_dict() is a table that can"
      or ""
    fault("%s: %s is %s, which a file cannot hold%s", what, shown(place), options.show(v), has)
  end
  if kind == "list" or kind == "dict" then
    if within[v] then fault("%s: %s is a table that holds itself", what, shown(place)) end
    within[v] = true
    for _, pair in ipairs(kind == "list" and {} or values.entries(v)) do
      local key = type(pair[1])
      if key ~= "string" and key ~= "number" and key ~= "boolean" then
        fault("%s: %s has %s as a key: numbers, strings and booleans can be", what, shown(place), options.show(pair[1]))
      end
      values.check(what, pair[2], (place or "") .. name_of(pair[1]), within)
    end
    for i, x in ipairs(kind == "list" and v or {}) do
      values.check(what, x, ("%s[%d]"):format(place or "", i), within)
    end
    within[v] = nil
  end
end

--- values.place(t): where t's numbers are: the tensor that it is a part of (or t itself), the place of the first, sizes
-- and steps in that tensor's row-major order.
function values.place(t)
  local root, box = views.box(t)
  return root, box.at, box.size, box.step
end

--- values.part(root, at, size, step): the view of root that lies there, or nil where no views lead to it.
function values.part(root, at, size, step)
  local order, whole = {}, raw.numel(root)
  for d = 1, #size do
    if size[d] == 0 then return nil end
    if size[d] > 1 then order[#order + 1] = d end
  end
  table.sort(order, function(a, b) return step[a] > step[b] end)
  local x, length = root:reshape(whole), whole -- the last dimension is what is still to be taken apart
  for _, d in ipairs(order) do
    local s = step[d]
    if s <= 0 or length % s ~= 0 or at // s + size[d] > length // s then return nil end
    local lead = table.move(raw.shape(x), 1, #raw.shape(x) - 1, 1, {})
    lead[#lead + 1] = length // s
    lead[#lead + 1] = s
    x = x:reshape(table.unpack(lead)):narrow(-2, at // s, size[d])
    length, at = s, at % s
  end
  if at >= length then return nil end
  x = x:select(-1, at)
  local back = {} -- from falling steps to the order of dims
  for k, d in ipairs(order) do back[k] = {d = d, k = k - 1} end
  table.sort(back, function(a, b) return a.d < b.d end)
  for k, b in ipairs(back) do back[k] = b.k end
  if #back > 1 then x = x:permute(table.unpack(back)) end
  return x:reshape(table.unpack(size))
end

return values
