--- Walking through a module: its children, its parameters and buffers, what a path or a pattern names.
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local Module = require "suture.nn.module"
local ordered = require "suture.base.ordered"
local pcall = require("suture.base.interrupt").pcall
local suggest = require "suture.base.suggest"
local raw = require("suture.core").tensor
local is_module = Module.is_module

local function join(prefix, name) return prefix == "" and name or prefix .. "." .. name end
Module._join = join

-- Calls f(module, path) for each module once, parents first, in order of registration.
local function walk(m, f, path, seen)
  seen = seen or {}
  if seen[m] then return end
  seen[m] = true
  f(m, path or "")
  for _, name in ipairs(m._names) do walk(m._children[name], f, join(path or "", name), seen) end
end
Module._walk = walk

-- Calls f(module, path) for each place of each module: one that is registered twice has two, and so have its parts.
local function walk_places(m, f, path)
  f(m, path or "")
  for _, name in ipairs(m._names) do walk_places(m._children[name], f, join(path or "", name)) end
end
Module._walk_places = walk_places

-- The paths of a module (beneath m), the first one first.
function Module._places(m, part)
  local out = {}
  walk_places(m, function(sub, path) if sub == part then out[#out + 1] = path end end)
  return out
end

-- Refuses a path of which what is asked cannot be told: the module there is at other places too, and runs there.
function Module._single(m, what, path, part)
  local places = Module._places(m, part)
  if #places < 2 then return end
  for i = #places, 1, -1 do if places[i] == path then table.remove(places, i) end end
  fault("%s: '%s' is the same module as '%s', and a call of one is a call of the other · "
    .. "m:replace(%q, m:at(%q):clone()) gives '%s' one of its own", what, path, table.concat(places, "', '"), path,
    path, path)
end

-- The name by which calls are recorded of the module at path, where that is another: of one that is at several places.
function Module._recorded_as(m, path)
  local ok, part = pcall(Module.at, m, path)
  local first = ok and is_module(part) and Module._places(m, part)[1]
  return first ~= path and first or nil
end

-- Calls f(tensor, path, module, name) for each parameter ("_pnames", "_params") or buffer once.
local function walk_tensors(m, names, values, f)
  local seen = {}
  walk(m, function(sub, path)
    for _, name in ipairs(sub[names]) do
      local t = sub[values][name]
      if not seen[t] then
        seen[t] = true
        f(t, join(path, name), sub, name)
      end
    end
  end)
end
Module._walk_tensors = walk_tensors

--- m:children(): the modules directly inside; `for child in m:children() do`.
function Module.children(m)
  local out, seen = {}, {}
  for _, name in ipairs(m._names) do
    local c = m._children[name]
    if not seen[c] then out[#out + 1], seen[c] = c, true end
  end
  return ordered.list(out)
end

--- m:named_children(): name and module; `for name, child in m:named_children() do`.
function Module.named_children(m)
  local out = ordered.dict()
  for _, name in ipairs(m._names) do out[name] = m._children[name] end
  return out
end

--- m:modules(): m and all modules beneath, each once.
function Module.modules(m)
  local out = {}
  walk(m, function(sub) out[#out + 1] = sub end)
  return ordered.list(out)
end

--- m:named_modules(): path and module, m itself under the name "".
function Module.named_modules(m)
  local out = ordered.dict()
  walk(m, function(sub, path) out[path] = sub end)
  return out
end

-- The parameters ("_pnames", "_params") or buffers, each once: a list; a dictionary by name.
local function listed(m, names, values)
  local out = {}
  walk_tensors(m, names, values, function(t) out[#out + 1] = t end)
  return ordered.list(out)
end
local function by_name(m, names, values)
  local out = ordered.dict()
  walk_tensors(m, names, values, function(t, name) out[name] = t end)
  return out
end

--- m:parameters(): all parameters, each once; `for p in m:parameters() do`, or by place from 1; #: how many tensors.
function Module.parameters(m) return listed(m, "_pnames", "_params") end

--- m:named_parameters(): name and parameter; `for name, p in m:named_parameters() do`.
function Module.named_parameters(m) return by_name(m, "_pnames", "_params") end

--- m:buffers(): running statistics and the like, each once.
function Module.buffers(m) return listed(m, "_bnames", "_buffers") end

--- m:named_buffers(): name and buffer.
function Module.named_buffers(m) return by_name(m, "_bnames", "_buffers") end

--- m:num_parameters(): how many numbers its parameters hold.
function Module.num_parameters(m)
  local n = 0
  walk_tensors(m, "_pnames", "_params", function(t) n = n + raw.numel(t) end)
  return n
end

--- m:apply(f): calls f on every module beneath, children first, then on m; returns m.
function Module.apply(m, f)
  if type(f) ~= "function" then fault("apply: expects a function, got %s", Module._shown(f)) end
  require("suture.base.journal").change(nil, function()
    local function visit(sub)
      for c in sub:children() do visit(c) end
      f(sub)
    end
    visit(m)
  end)
  return m
end

--- m:at("layer4.1.conv1"): the module (or the parameter or buffer) of that name; an error with the nearest name
-- otherwise.
function Module.at(m, path)
  return m:_at("at", path)
end

-- The paths of all modules beneath m; with tensors also those of parameters and buffers.
local function paths_of(m, tensors)
  local names = {}
  walk_places(m, function(_, p) if p ~= "" then names[#names + 1] = p end end)
  if tensors then
    walk_tensors(m, "_pnames", "_params", function(_, p) names[#names + 1] = p end)
    walk_tensors(m, "_bnames", "_buffers", function(_, p) names[#names + 1] = p end)
  end
  return names
end

-- `what`: who asks, for errors.
function Module._at(m, what, path)
  if type(path) ~= "string" then
    fault('%s: expects a path like "layer4.1.conv1", got %s', what, Module._shown(path))
  end
  if path == "" then return m end
  local found = m
  for name in path:gmatch "[^.]+" do
    found = is_module(found) and (found._children[name] or found._params[name] or found._buffers[name]) or nil
    if found == nil then break end
  end
  if found ~= nil then return found end
  fault("%s: no module '%s' in %s%s", what, path, getmetatable(m).__name, suggest.hint(path, paths_of(m, true)))
end
Module.get_submodule = Module.at

--- m:find("*.bn?"): the modules whose path matches, in order: a dictionary of path and module; one that is registered
-- at several places is there under each path that matches. `*` any text, `?` one character, `[12]`, `{a,b}`; a
-- function f(module, path) chooses freely; a class (nn.Conv2d) finds its objects.
function Module.find(m, what)
  local out = ordered.dict()
  local match
  if type(what) == "table" and what._is_module and not is_module(what) then
    match = function(_, sub)
      local cls = getmetatable(sub)
      while cls do
        if cls == what then return true end
        cls = rawget(cls, "super")
      end
    end
  elseif type(what) == "function" then match = function(path, sub) return what(sub, path) end
  else match = glob(what, "find") end
  walk_places(m, function(sub, path) if path ~= "" and match(path, sub) then out[path] = sub end end)
  return out
end

-- The modules a glob names, and all beneath them; an error when there are none. nil: all.
function Module._chosen(m, what, pattern)
  local out, seen = {}, {}
  local function take(sub)
    walk(sub, function(s) if not seen[s] then seen[s] = true out[#out + 1] = s end end)
  end
  if pattern == nil then take(m) return out end
  local match = glob(pattern, what)
  walk_places(m, function(sub, path) if path ~= "" and match(path) then take(sub) end end)
  return out, what
end

function Module._no_match(m, what, pattern)
  local text = type(pattern) == "table" and table.concat(pattern, " ") or tostring(pattern)
  fault("%s: nothing in %s is called '%s'%s", what, getmetatable(m).__name, text, suggest.hint(text, paths_of(m)))
end

Module._methods()

return Module
