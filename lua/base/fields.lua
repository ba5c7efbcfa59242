--- The names one may write after a value, found by raw access only: nothing runs. For completion and "did you mean".
local pcall = require("suture.base.interrupt").pcall
local rawget, type, next = rawget, type, next
local getmetatable = debug.getmetatable

local function table_of(t, key)
  local v = rawget(t, key)
  return type(v) == "table" and v or nil
end

-- Adds what t holds itself, then what its classes hold. `first` wins.
local function visit(t, names, seen, depth)
  if seen[t] or depth > 20 then return end
  seen[t] = true
  for _, store in ipairs {"_children", "_params", "_buffers", "_fields"} do -- a module's parts are its fields
    for k, v in next, table_of(t, store) or {} do
      if type(k) == "string" and names[k] == nil then names[k] = v end
    end
  end
  for k, v in next, t do
    if type(k) == "string" and names[k] == nil then names[k] = v end
  end
  for _, store in ipairs {"_names", "_more"} do -- names whose values are not loaded yet: keys of a map, or an array
    for k, v in next, table_of(t, store) or {} do
      local name = type(k) == "string" and k or v
      if type(name) == "string" and names[name] == nil then names[name] = false end
    end
  end
  local super = table_of(t, "_super")
  if super then visit(super, names, seen, depth + 1) end
  local mt = getmetatable(t)
  if type(mt) == "table" then
    local index = rawget(mt, "__index")
    if type(index) == "table" then visit(index, names, seen, depth + 1)
    elseif type(index) == "function" then visit(mt, names, seen, depth + 1) end
  end
end

--- All names reachable from a table, userdata or string: map from name to value (false where not known without
-- running code).
local function fields(value)
  local names = {}
  if type(value) == "table" then visit(value, names, {}, 0)
  else
    local mt = getmetatable(value)
    if type(mt) == "table" then
      local index = rawget(mt, "__index")
      visit(type(index) == "table" and index or mt, names, {}, 1)
    end
  end
  return names
end

--- Follows one key without running code; nil when it is not there to be seen.
local function step(value, key)
  if value == nil then return nil end
  if type(key) == "number" and type(value) == "table" then
    local v = rawget(value, key)
    if v ~= nil then return v end
    local children = table_of(value, "_children")
    return children and (rawget(children, tostring(math.tointeger(key) or key)) or rawget(children, key))
  end
  local v = fields(value)[key]
  -- The library's own tables load a part when it is touched, which has no other effect.
  if v == false and type(value) == "table" and table_of(value, "_names") then
    local ok, loaded = pcall(function() return value[key] end)
    return ok and loaded or nil
  end
  return v
end

--- The value of an expression made of names, `.name`, `[number]` and `["name"]`, or nil. `lookup(name)` finds the
-- first.
local function resolve(expr, lookup)
  local name, rest = expr:match "^%s*([%a_][%w_]*)(.*)$"
  if not name then return nil end
  local value = lookup(name)
  while value ~= nil and rest ~= "" do
    local key, more = rest:match "^%s*%.%s*([%a_][%w_]*)(.*)$"
    if not key then
      key, more = rest:match "^%[(%d+)%](.*)$"
      key = tonumber(key)
    end
    if not key then key, more = rest:match "^%[[\"']([^\"'%]]*)[\"']%](.*)$" end
    if not key then return nil end
    value, rest = step(value, key), more
  end
  return value
end

--- The value of a global, library parts included.
local function global(name)
  local v = rawget(_G, name)
  if v ~= nil then return v end
  local suture = package.loaded.suture
  if name == "suture" then return suture end
  if suture and suture._names[name] then
    local ok, part = pcall(function() return suture[name] end)
    return ok and part or nil
  end
end

return setmetatable({of = fields, step = step, resolve = resolve, global = global},
  {__call = function(_, value) return fields(value) end})
