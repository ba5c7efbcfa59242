--- Surgery: replace, insert, remove, cut, heads; diff of two models. Each either does what it says or leaves the
-- model as it was.
local Module = require "suture.nn.module"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local containers = require "suture.nn.containers"
local conv = require "suture.nn.layers.conv"
local note = require "suture.base.note"
local nn_trace = require "suture.nn.trace"
local lines_of = require "suture.base.lines"
local options = require "suture.base.options"
local outline = require "suture.model.outline"
local suggest = require "suture.base.suggest"
local undo = require "suture.model.undo"
local journal = require "suture.base.journal"
local pcall = interrupt.pcall
local change = journal.change
local raw = require("suture.core").tensor

local surgery = {}
local is_module = Module.is_module

local function class_name(m) return getmetatable(m).__name end
local function is_sequential(m) return getmetatable(m) == containers.Sequential end

local function want_module(what, v)
  if is_module(v) then return v end
  fault("%s: expects a module, got %s", what, Module._shown(v))
end

-- The parent, name and module at a path; an error that says what is there instead.
local function find(what, m, path)
  if math.type(path) == "integer" and (is_sequential(m) or getmetatable(m) == containers.ModuleList) then
    path = path < 0 and tostring(path + #m) or tostring(path)
  end
  if type(path) ~= "string" then fault('%s: expects a path like "layer4.1.conv1", got %s', what, options.show(path)) end
  if path == "" then
    fault("%s: the path is empty, and a whole model cannot be operated from inside: assign another to its name", what)
  end
  local parent, name, found = nil, nil, m
  for part in path:gmatch "[^.]+" do
    parent, name = found, part
    found = is_module(found) and found._children[part] or nil
    if not found then break end
  end
  if not found then
    local names = {}
    for p in m:named_modules() do if p ~= "" then names[#names + 1] = p end end
    local ok, other = pcall(Module.at, m, path)
    if ok and raw.is(other) then fault("%s: '%s' is a parameter or a buffer, not a module", what, path) end
    fault("%s: no module '%s' in %s%s", what, path, class_name(m), suggest.hint(path, names))
  end
  return parent, name, found, path
end

local function put(parent, name, new) parent:add_module(name, new) end

-- The places of m that have this part: {parent, name, path} each; those of a parent that is at several places once.
local function places_of(m, part)
  local out, seen = {}, {}
  m:_walk_places(function(parent, path)
    if seen[parent] then return end
    seen[parent] = true
    for _, name in ipairs(parent._names) do
      if parent._children[name] == part then out[#out + 1] = {parent, name, Module._join(path, name)} end
    end
  end)
  return out
end

-- The paths of those places but this one, as words; nil where there is no other.
local function elsewhere(m, part, parent, name)
  local names = {}
  for _, place in ipairs(places_of(m, part)) do
    if place[1] ~= parent or place[2] ~= name then names[#names + 1] = place[3] end
  end
  if #names == 0 then return nil end
  if #names > 3 then names = {names[1], names[2], ("%d more"):format(#names - 2)} end
  return table.concat(names, ", ", 1, #names - 1) .. (#names > 1 and " and " or "") .. names[#names]
end

--- m:replace(path, module): puts another module in the place of the one at path; returns the old one. Names stay. Where
-- the old one is at other places too, it stays there, and a line says so (`for path in m:find(nn.ReLU) do
-- m:replace(path, …) end` reaches all).
function Module.replace(m, path, new)
  local parent, name, old = find("replace", m, path)
  want_module("replace", new)
  local others = old ~= new and elsewhere(m, old, parent, name)
  change(nil, put, parent, name, new)
  if others then note.once("places", ("%s was the same module as %s, which stays"):format(path, others)) end
  return old
end

-- A module of its own with the same parameters, buffers and parts as this one.
local function twin(m)
  return journal.aside(function()
    local out = m:clone()
    Module._state.put(out, Module._state.take(m))
    return out
  end)
end

-- A name for a module inserted beside `name`.
local function free_name(parent, name)
  local try, k = name, 1
  while parent._children[try] or parent._params[try] or parent._buffers[try] or parent._fields[try] ~= nil do
    k = k + 1
    try = name .. k
  end
  return try
end

local function insert(what, m, path, new, where)
  local parent, name, target = find(what, m, path)
  want_module(what, new)
  for sub in new:modules() do
    if sub == m then fault("%s: a module cannot contain itself", what) end
  end
  change(nil, function()
    if is_sequential(parent) then
      for i, n in ipairs(parent._names) do
        if n == name then
          parent:insert(where == "_before" and i - 1 or i, new)
          break
        end
      end
      return
    end
    local others = elsewhere(m, target, parent, name)
    if others then -- what is sewn in around a module runs wherever that runs
      target = twin(target)
      put(parent, name, target)
      note(("%s was the same module as %s: it has the same weights still, and what is sewn in runs here alone"):format(
        path, others))
    end
    local child = free_name(parent, name .. where)
    put(parent, child, new)
    local list = table.move(rawget(target, where) or {}, 1, #(rawget(target, where) or {}), 1, {})
    -- What is inserted later stands nearer to the target.
    table.insert(list, where == "_before" and #list + 1 or 1, {name = child, module = new})
    Module._set(target, where, list)
    nn_trace.structure = nn_trace.structure + 1
  end)
  return m
end

--- m:insert_before(path, module): what goes into the module at path goes through this one first. In a Sequential the
-- others move up; elsewhere it is registered beside it as PATH_before, so that all names stay. Returns m.
function Module.insert_before(m, path, new) return insert("insert_before", m, path, new, "_before") end

--- m:insert_after(path, module): what the module at path gives goes through this one next. In a Sequential the others
-- move up; elsewhere it is registered beside it as PATH_after, so that all names stay. Returns m.
function Module.insert_after(m, path, new) return insert("insert_after", m, path, new, "_after") end

-- Whether a part of m runs nothing, as far as m's input is known.
local function idle_in(m, part)
  local t = surgery.try(m)
  if not t or t.error then return false end
  local inside = {}
  for sub in part:modules() do inside[sub] = true end
  for _, call in ipairs(t.calls) do if inside[call.module] then return false end end
  return true
end

--- m:remove(path): takes a module out and returns it: out of a Sequential for good (others move down), an inserted
-- one too, and one that never runs; elsewhere nn.Identity takes its place. An integer is a place in a Sequential.
function Module.remove(m, path)
  local parent, name, old = find("remove", m, path)
  return change(nil, function()
    if Module._insertion(parent, name) then parent[name] = nil
    elseif is_sequential(parent) then
      for i, n in ipairs(parent._names) do
        if n == name then
          parent:remove(i - 1)
          break
        end
      end
    elseif idle_in(m, old) then parent[name] = nil
    else put(parent, name, require("suture.nn.layers.shape").Identity()) end
    return old
  end)
end

--- m:cut(path): calling m stops there: it gives what the module at path gives (with what was inserted after it);
-- nothing behind it runs. m:cut(nil) lets it run to its end again. Returns m.
function Module.cut(m, path)
  if not path then
    change(nil, Module._set, m, "_cut", nil)
    return m
  end
  local _, _, target, full = find("cut", m, path)
  m:_single("cut", full, target)
  return change(nil, function()
    Module._set(m, "_cut", full)
    local t = surgery.try(m)
    if t and t.error and t.error:find("does not run", 1, true) then
      fault("cut: '%s' does not run, so %s cannot stop there", full, class_name(m))
    end
    return m
  end)
end

-- Traces m with the input it knows; nil when it knows none.
function surgery.try(m)
  if not outline.inputs(m, "surgery", nil) then return nil end
  return outline.run(m, nil, "surgery")
end

local function is_head(m)
  local class = getmetatable(m)
  if class == conv.Linear then return true end
  if class == conv.Conv2d then
    local k = m.kernel_size
    return type(k) == "table" and k[1] == 1 and k[2] == 1
  end
  return false
end

--- m:head(): the classifier: the last Linear layer (or 1 × 1 convolution) that runs, or is registered where no input is
-- known. Returns its path and the module.
function Module.head(m)
  local t = surgery.try(m)
  local path, head
  if t and not t.error then
    for _, call in ipairs(t.calls) do
      if is_head(call.module) and not call.failed then path, head = call.path, call.module end
    end
  end
  if not head then
    for p, sub in m:named_modules() do if is_head(sub) then path, head = p, sub end end
  end
  if not head then fault("head: %s has no Linear layer and no 1 × 1 convolution", class_name(m)) end
  return path, head
end

-- A layer as a head is, with another number of classes.
local function fresh(old, classes)
  if getmetatable(old) == conv.Linear then return conv.Linear(old.in_features, classes, {bias = old.bias ~= nil}) end
  return conv.Conv2d(old.in_channels, classes, 1, {stride = old.stride, padding = old.padding, bias = old.bias ~= nil})
end

--- m:reset_head(n): a fresh classifier for n classes in the place of m:head(), with as many inputs and a bias where
-- there was one, at each of its places; those of auxiliary heads (m.aux_heads, a list of paths) too. Returns the new
-- layer.
function Module.reset_head(m, n)
  local classes = math.tointeger(n)
  if not classes or classes < 1 then
    fault("reset_head: expects a number of classes above 0, got %s", options.show(n))
  end
  local path, old = Module.head(m) -- m.head may be a module
  if path == "" then
    fault("reset_head: %s is itself the layer; make another: conv.Linear(%s, %d)", class_name(m),
      tostring(m.in_features), classes)
  end
  local new = fresh(old, classes)
  local function everywhere(part, with)
    for _, place in ipairs(places_of(m, part)) do put(place[1], place[2], with) end
  end
  change(nil, function()
    everywhere(old, new)
    if m.aux_heads then
      for _, head in m:find(m.aux_heads) do everywhere(head, fresh(head, classes)) end
    end
    m.classes = nil -- they named the old outputs
  end)
  return new
end

Module._methods()

-- ---- the prompt ----

-- Parts that were put into m and that its forward never reaches: one line for each, with what runs there.
local function idle(lines, root, t, changed)
  local ran, last = {}, nil
  for _, call in ipairs(t.calls) do
    ran[call.module] = true
    if call.module ~= root.module and next(call.module._children) == nil and next(call.module._params) ~= nil then
      last = call
    end
  end
  local paths = nn_trace.paths(root.module)
  for m, before in pairs(changed) do
    if paths[m] and ran[m] then
      for name, child in pairs(m._children) do
        local old = before._children and before._children[name]
        local inside = false
        for sub in child:modules() do inside = inside or ran[sub] end
        if old == nil and not inside and Module._insertion(m, name) == nil then
          local path = paths[child] or name
          local instead = last and (" · what runs last there is %s.%s: %s, and assigning to it replaces it"):format(
            root.name, last.path, undo.words(last.module)) or ""
          lines[#lines + 1] = ("%s.%s does not run: the forward of %s never calls it%s"):format(root.name, path,
            class_name(m), instead)
        end
      end
    end
  end
end

-- The models whose structure changed in this line, run without arithmetic: one line for each that does not fit its
-- input any more, and for each part that never runs.
local function looked_at(changed)
  local lines = {}
  for _, root in ipairs(undo.roots()) do
    local paths = nn_trace.paths(root.module)
    local touched = false
    for m in pairs(changed) do touched = touched or paths[m] ~= nil end
    if touched then
      local ok, t = pcall(surgery.try, root.module)
      if ok and t and t.error then
        lines[#lines + 1] = ("%s no longer fits: %s · %s:graph{depth=1} shows the path"):format(root.name,
          t.error:gsub("^%S-:%d+: ", ""), root.name)
      elseif ok and t then idle(lines, root, t, changed) end
    end
  end
  return lines
end

-- Ctrl-C does not leave the record of a line half made; the tracing may be stopped.
table.insert(lines_of.before, function(text)
  local whole <close> = interrupt.defer()
  journal.begin_line((text or ""):gsub("%s+", " "):sub(1, 60))
end)
local function end_line()
  local whole <close> = interrupt.defer()
  return journal.end_line()
end
table.insert(lines_of.after, function()
  local told, changed = end_line()
  local lines = {table.unpack(told or {})}
  if changed then table.move(looked_at(changed), 1, 100, #lines + 1, lines) end
  return table.concat(lines, "\n")
end)

-- ---- diff ----

local Diff = {__name = "diff"}
Diff.__index = Diff
surgery.Diff = Diff

local function state_dict(what, x)
  if is_module(x) then return x:state_dict() end
  if type(x) ~= "table" then
    fault("diff: expects two models or state dicts, got %s as the %s", options.show(x), what)
  end
  return x
end

local function pairs_of(sd)
  local names = {}
  for name, t in pairs(sd) do
    if raw.is(t) then names[#names + 1] = name end
  end
  if not require("suture.base.ordered").is_dict(sd) then table.sort(names) end
  return names
end

--- diff(a, b): what is different between two models or state dicts: modules of another kind, names only one has,
-- shapes, and for each tensor that differs the greatest difference and the norm of the difference. Returns an object
-- that prints itself: structure, only_a, only_b, shapes, values ({name =, max =, norm =, of = the norm of the first's}
-- each), same (how many tensors are equal to the bit); d:save "x.html" shows two models side by side.
function surgery.diff(a, b)
  local sa, sb = state_dict("first", a), state_dict("second", b)
  local models = is_module(a) and is_module(b) and {a, b} or nil
  local d = setmetatable({_models = models, structure = {},
    only_a = {}, only_b = {}, shapes = {}, values = {}, same = 0}, Diff)
  if is_module(a) and is_module(b) then
    local ma, mb = a:named_modules(), b:named_modules()
    for path, x in ma do
      local y = mb[path]
      local wx, wy = undo.words(x), y and undo.words(y)
      if y == nil then d.structure[#d.structure + 1] = {path = path, a = wx}
      elseif wx ~= wy then d.structure[#d.structure + 1] = {path = path, a = wx, b = wy} end
    end
    for path, y in mb do
      if ma[path] == nil then d.structure[#d.structure + 1] = {path = path, b = undo.words(y)} end
    end
  end
  local pending, at = {}, {}
  for _, name in ipairs(pairs_of(sa)) do
    local x, y = sa[name], sb[name]
    if y == nil then d.only_a[#d.only_a + 1] = name
    elseif raw.shape(x) ~= raw.shape(y) then
      d.shapes[#d.shapes + 1] = {name = name, a = tostring(raw.shape(x)), b = tostring(raw.shape(y))}
    elseif not rawequal(x, y) and raw.bytes(x) ~= raw.bytes(y) then
      pending[#pending + 1] = require("suture.tensor").no_grad(function()
        local from, by = x:float(), x:float() - y:float()
        return {by:abs():max(), by:norm(), from:norm()}
      end)
      at[#at + 1] = name
    else d.same = d.same + 1 end
  end
  for _, name in ipairs(pairs_of(sb)) do if sa[name] == nil then d.only_b[#d.only_b + 1] = name end end
  for i, t in ipairs(pending) do
    d.values[i] = {name = at[i], max = t[1]:item(), norm = t[2]:item(), of = t[3]:item()}
  end
  return d
end

function Diff.__tostring(d)
  local text = require "suture.base.text"
  local lines = {}
  local function list(what, items, f)
    if #items == 0 then return end
    lines[#lines + 1] = what .. ":"
    for i, x in ipairs(items) do
      if i > 20 then
        lines[#lines + 1] = ("  %s and %d more"):format(text.sign "dots", #items - 20)
        break
      end
      lines[#lines + 1] = "  " .. f(x)
    end
  end
  local function name(x) return x end
  list("structure", d.structure, function(x)
    local path = x.path ~= "" and x.path or "(model)"
    if not x.b then return ("%s: %s only in the first"):format(path, x.a) end
    if not x.a then return ("%s: %s only in the second"):format(path, x.b) end
    return ("%s: %s %s %s"):format(path, x.a, text.sign "arrow", x.b)
  end)
  list("only in the first", d.only_a, name)
  list("only in the second", d.only_b, name)
  list("shapes", d.shapes, function(x) return ("%s: %s %s %s"):format(x.name, x.a, text.sign "arrow", x.b) end)
  list("values", d.values, function(x)
    local delta = text.sign "delta"
    local share = x.of > 0 and (", %.3g%% of the first's"):format(100 * x.norm / x.of) or ""
    return ("%s: max |%s| %.3g, norm %.3g%s"):format(x.name, delta, x.max, x.norm, share)
  end)
  if #lines == 0 then return ("no difference: %s equal to the bit"):format(text.plural(d.same, "tensor")) end
  if d.same > 0 then lines[#lines + 1] = text.plural(d.same, "tensor") .. " equal to the bit" end
  return text.safe(table.concat(lines, "\n"))
end

return surgery
