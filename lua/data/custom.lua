--- Data sets of the user's own: objects with methods len and get, as PyTorch's have __len__ and __getitem__.
local pcall = require("suture.base.interrupt").pcall
local custom = {}

-- A field of an object; nil where it raises for names that it has not.
local function field(object, name)
  local ok, v = pcall(function() return object[name] end)
  return ok and v or nil
end

local function length_of(object)
  local len = field(object, "len")
  if type(len) == "function" then return len end
  local mt = getmetatable(object)
  return type(mt) == "table" and rawget(mt, "__len") or nil
end

--- Whether x is such an object: a table with a method get, and len or the operator #.
function custom.fits(x)
  return type(x) == "table" and field(x, "n") == nil and type(field(x, "get")) == "function" and length_of(x) ~= nil
end

--- The object as data.dataset's table: {n, get, target, name, classes, labels, random}.
function custom.table_of(object)
  local n = length_of(object)(object)
  local out = {n = math.tointeger(n) or n}
  for _, name in ipairs {"get", "target", "name"} do
    local method = field(object, name)
    if type(method) == "function" then out[name] = function(i) return method(object, i) end end
  end
  for _, name in ipairs {"classes", "labels"} do
    local v = field(object, name)
    if type(v) == "table" and not getmetatable(v) then out[name] = v end
  end
  if field(object, "random") == true then out.random = true end
  return out
end

return custom
