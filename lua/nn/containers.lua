--- Modules made of modules, counted from 0: Sequential runs them in order, ModuleList holds them.
local class = require "suture.base.class"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local Module = require "suture.nn.module"
local is_module = Module.is_module

local containers = {}

local docs = {
  Sequential = [[nn.Sequential(a, b, …): runs modules one after another; also nn.Sequential{a, b}
and nn.Sequential{{"conv", a}, {"act", b}}.
m[0] is the first, m[-1] the last, #m how many; m:append, m:insert, m:remove, m:slice and m[1] = … change it.]],
  ModuleList = "nn.ModuleList(a, b, …) or nn.ModuleList{a, b}: holds modules under the names 0, 1, …; has no forward.",
  ModuleDict = "nn.ModuleDict{{\"name\", module}, …}: holds modules by name, in order; has no forward.",
}

local function container(name)
  local cls = class(name, Module, Module._new)
  cls._builtin, cls._container = true, true
  containers[name] = cls
  require "suture.base.docs"[cls] = docs[name]
  return cls
end

local function want(what, m)
  if not is_module(m) then fault("%s: expects a module, got %s", what, Module._shown(m)) end
  return m
end

-- Adds what the constructor got: modules, a list of modules, or a list of {name, module}.
local function fill(self, what, ...)
  local n = select("#", ...)
  local list = {...}
  if n == 1 and type(list[1]) == "table" and not is_module(list[1]) and not getmetatable(list[1]) then
    list, n = list[1], #list[1]
  end
  for i = 1, n do
    local m = list[i]
    if type(m) == "table" and not is_module(m) and type(m[1]) == "string" then self:add_module(m[1], want(what, m[2]))
    else self:add_module(tostring(i - 1), want(what, m)) end
  end
end

-- Children by place under new names: "0", "1" … where all names are numbers, else the names they had.
local function relist(self, names, modules)
  local numbers = true
  for _, n in ipairs(names) do if n and not n:find "^%d+$" then numbers = false end end
  local new_names, children = {}, {}
  for i, m in ipairs(modules) do
    local name = numbers and tostring(i - 1) or names[i]
    if not name or children[name] then
      local k = i - 1
      repeat name, k = tostring(k), k + 1 until not children[name]
    end
    new_names[i], children[name] = name, m
  end
  self:_relist(new_names, children)
end

local function lists(self)
  local names, modules = {}, {}
  for i, name in ipairs(self._names) do names[i], modules[i] = name, self._children[name] end
  return names, modules
end

local function place(self, what, i, last)
  local at = math.tointeger(i)
  if at and at < 0 then at = at + #self._names end
  if not at or at < 0 or at > last then fault("%s: place %s is out of range (0 to %d)", what, tostring(i), last) end
  return at
end

for _, name in ipairs {"Sequential", "ModuleList"} do
  local cls = container(name)

  function cls:init(...) fill(self, name, ...) end

  --- m:append(module): adds it at the end; returns m.
  function cls:append(m)
    local i = #self._names
    while self._children[tostring(i)] do i = i + 1 end
    self:add_module(tostring(i), want(name .. ":append", m))
    return self
  end

  --- m:extend{…}: appends every module of a list or container.
  function cls:extend(list)
    journal.change(nil, function()
      for _, m in ipairs(is_module(list) and list:children() or list) do self:append(m) end
    end)
    return self
  end

  --- m:insert(i, module): puts it at place i (from 0); those behind move up.
  function cls:insert(i, m)
    local names, modules = lists(self)
    local at = place(self, name .. ":insert", i, #names)
    table.insert(modules, at + 1, want(name .. ":insert", m))
    table.insert(names, at + 1, false)
    relist(self, names, modules)
    return self
  end

  --- m:remove(i): takes the module at place i (from 0) out and returns it; those behind move down.
  function cls:remove(i)
    if type(i) == "string" and Module.remove then return Module.remove(self, i) end
    local names, modules = lists(self)
    local at = place(self, name .. ":remove", i, #names - 1)
    local m = table.remove(modules, at + 1)
    table.remove(names, at + 1)
    relist(self, names, modules)
    return m
  end

  --- m:slice(i, j): a new container with the modules i … j - 1 (from 0, negative from the end); they are shared.
  function cls:slice(i, j)
    local names, modules = lists(self)
    local function clip(at)
      if math.type(at) ~= "integer" then fault("%s:slice: expects whole numbers, got %s", name, Module._shown(at)) end
      return math.max(0, math.min(#names, at < 0 and at + #names or at))
    end
    i, j = clip(i or 0), clip(j or #names)
    local out = cls()
    relist(out, table.move(names, i + 1, j, 1, {}), table.move(modules, i + 1, j, 1, {}))
    return out
  end
end

-- A place that is not there is an error in a list.
local function child_at(m, i)
  local names = m._names
  local at = math.tointeger(i)
  if at and at < 0 then at = at + #names end
  local name = at and names[at + 1]
  if not name then
    fault("%s[%s]: there is no such place (0 to %d)%s", getmetatable(m).__name, tostring(i), #names - 1,
      i == #names and " · for name, child in pairs(m) goes over all, ipairs begins at 1" or "")
  end
  return m._children[name]
end
containers.Sequential._child_at, containers.ModuleList._child_at = child_at, child_at

function containers.Sequential:forward(x, ...)
  local children, names = self._children, self._names
  if #names == 0 then return x, ... end
  local first = children[names[1]](x, ...)
  x = first
  for i = 2, #names do x = children[names[i]](x) end
  return x
end

function containers.ModuleList:forward()
  fault "ModuleList only holds modules; call them in your own forward"
end

local ModuleDict = container "ModuleDict"
function ModuleDict:init(list)
  for _, entry in ipairs(list or {}) do self:add_module(entry[1], want("ModuleDict", entry[2])) end
end
ModuleDict.forward = containers.ModuleList.forward

return containers
