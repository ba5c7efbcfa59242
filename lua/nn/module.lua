--- nn.Module: what every layer and network is. Assigning a module, a parameter or a buffer to a field registers it, in
-- order; names are the checkpoint's. Children of Sequential and ModuleList count from 0.
local core = require "suture.core"
local absent = require "suture.base.absent"
local class = require "suture.base.class"
local colon = require "suture.nn.colon"
local counted = require "suture.base.counted"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local note = require "suture.base.note"
local options = require "suture.base.options"
local record = require "suture.nn.record"
local stray = require "suture.base.stray"
local term = require "suture.base.term"
local trace = require "suture.nn.trace"
local raw = core.tensor
local is = raw.is
local rawset, rawget, type, getmetatable = rawset, rawget, type, getmetatable

-- Inside a module, by raw access: _names and _children (modules, in order of registration), _pnames and _params,
-- _bnames and _buffers (_transient[name]: not saved), _fields (everything else that was assigned), _edited[name] (a
-- field assigned after the module was made), _args (what it was made with: n, values), _training, _frozen, _bn_eval,
-- _before and _after (what was sewn in around it: {name =, module =} each), _cut (where a call stops), _hooks, _born
-- (when its making ended), _zoo, _last_input, _once[name] (a name that stood for something, or was set to nil, before).
-- All but the last four are its state, which the journal keeps.
local Module = class "Module"
Module._is_module = true

local stores, copied = record.stores, record.copied
local reserved = {_once = true, _args = true, _born = true, _zoo = true, _last_input = true}
for _, names in ipairs {stores, record.lists, record.flags} do
  for _, name in ipairs(names) do reserved[name] = true end
end

local parameters = setmetatable({}, {__mode = "k"}) -- tensors that are parameters

-- A value in the words of error messages.
local function shown(v)
  if type(v) == "table" and v._is_module and rawget(v, "_children") == nil then
    return ("the class %s (make one: nn.%s(…))"):format(v.__name, v.__name)
  end
  return options.show(v)
end
Module._shown = shown

--- nn.is_module(x): whether x is a module (an object, not a class).
local function is_module(v) return type(v) == "table" and rawget(v, "_children") ~= nil end
Module.is_module = is_module

-- ---- changes ----

local state = record.state
Module._state = state

-- Announces that m is about to change.
local function changes(m, weak) if rawget(m, "_born") then journal.touch(state, m, weak) end end
Module._changes = changes

-- f(…), which changes m, as one change.
local function changing(m, f, ...)
  if not rawget(m, "_born") or trace.running() then return f(...) end
  return journal.change(nil, f, ...)
end

--- Sets one of m's flags (_training, _frozen, _bn_eval, _cut, or a list): the one way to do so.
function Module._set(m, name, value)
  if rawget(m, name) == value then return end
  changes(m)
  rawset(m, name, value)
end

-- ---- making ----

local parameter_args = options.arguments("Parameter", "data:tensor requires_grad:bool=true")

--- nn.Parameter(tensor[, requires_grad (true)]): a tensor that a module registers as its parameter when it is assigned.
function Module.Parameter(...)
  local t, requires_grad = parameter_args(...)
  if not raw.is_leaf(t) then t = t:detach() end
  t.requires_grad = requires_grad
  parameters[t] = true
  return t
end

local making = false -- a constructor runs: those inside it are part of its change

local made = {__close = function() making = false end}

local function outermost(init, m, ...)
  local change <close> = journal.begin {label = getmetatable(m).__name .. "(…)", maker = true}
  local done <close> = setmetatable({}, made)
  making = true
  init(m, ...)
end

local function new(cls, ...)
  local m = setmetatable({_training = true, _frozen = false, _once = {}, _args = table.pack(...)}, cls)
  for _, store in ipairs(stores) do rawset(m, store, {}) end
  local init = cls.init
  local most = not init and 1 or stray.most(init)
  if most and select("#", ...) >= most then stray.refuse(cls.__name, most - 1, ...) end
  if init then
    if making then init(m, ...) else outermost(init, m, ...) end
  end
  rawset(m, "_born", journal.now())
  return m
end

getmetatable(Module).__call = new
Module._new = new

-- Methods that nobody would call.
local pythons = {__init__ = "init", __init = "init", __call__ = "forward", __forward__ = "forward", __repr__ = "extra",
  __str__ = "extra"}

local function define(cls, name, value)
  if pythons[name] then
    fault("%s: nobody calls %s here: function %s:%s(…)", cls.__name, name, cls.__name, pythons[name])
  end
  rawset(cls, name, value)
end

--- nn.class("Name"[, base]): a new kind of module. Give it init (makes the parts) and forward (what calling it does):
--     Block = nn.class "Block"
--     function Block:init(c) self.conv = nn.Conv2d(c, c, 3, {padding = 1}) end
--     function Block:forward(x) return F.relu(self.conv(x)) + x end
-- base: a class to build on (default nn.Module); its methods are inherited, `Block.super.init(self, …)` calls its init.
-- Reading a field that was never set is an error: one that may be empty is set to nil in init (self.cache = nil), or
-- has a name that begins with _ (self._cache).
function Module.class(name, base)
  if type(name) ~= "string" then fault('class: expects a name, as in nn.class "Block"') end
  if base ~= nil and not (type(base) == "table" and base._is_module and not is_module(base)) then
    fault("class %s: expects a class of modules as the base, got %s", name, shown(base))
  end
  local cls = class(name, base or Module, new)
  cls._builtin, cls._own = false, absent.by_user(2)
  getmetatable(cls).__newindex = define
  return cls
end

-- ---- fields ----

-- What a module may lack without a slip: what loops over all modules ask each of them for, and what belongs to a whole
-- model. Fields of the user's own may be read before they have a value when they were once set, to nil too:
-- `self.cache = nil` in init.
local optional = {weight = true, bias = true, running_mean = true, running_var = true, num_batches_tracked = true,
  classes = true, preprocess = true, input_shape = true, extra = true, reset_parameters = true}

function Module.__index(m, key)
  local v = rawget(m, "_children")[key]
  if v ~= nil then return v end
  v = rawget(m, "_params")[key]
  if v ~= nil then return v end
  v = rawget(m, "_buffers")[key]
  if v ~= nil then return v end
  local cls = getmetatable(m)
  v = rawget(m, "_fields")[key]
  if v ~= nil then
    if type(v) == "table" and cls._declared then return cls._declared.shown(v) end
    return v
  end
  if key == "training" then
    return rawget(m, "_training") and not (rawget(m, "_frozen") and trace.running() and cls._stands(m))
  end
  v = cls[key]
  if v ~= nil then return key == "forward" and colon(v) or v end
  if type(key) == "number" then return cls._child_at(m, key) end
  if cls._declared then
    local value, known = cls._declared.told(m, key)
    if known then return value end
  end
  local once = rawget(m, "_once")
  if not optional[key] and not once[key] then absent.field(m, key, cls.__name, 2, once) end
end

local function drop(names, name)
  for i, n in ipairs(names) do
    if n == name then return table.remove(names, i) end
  end
end

--- Where a module was sewn in around another: that one, the list ("_before", "_after") and the place in it.
function Module._insertion(parent, name)
  for _, sibling in next, rawget(parent, "_children") do
    for _, where in ipairs {"_before", "_after"} do
      for i, part in ipairs(rawget(sibling, where) or {}) do
        if part.name == name then return sibling, where, i end
      end
    end
  end
end

-- A part that goes away is sewn in around nothing any more.
local function unsew(m, name)
  local sibling, where, at = Module._insertion(m, name)
  if not sibling then return end
  local list = copied(sibling[where])
  table.remove(list, at)
  Module._set(sibling, where, #list > 0 and list or nil)
end

-- Takes a name out of m, whatever it names.
local function forget(m, key)
  changes(m)
  local had = m._params[key] ~= nil or m._buffers[key] ~= nil or m._fields[key] ~= nil
  for names, values in pairs {_names = "_children", _pnames = "_params", _bnames = "_buffers"} do
    local old = m[values][key]
    if old ~= nil then
      if values == "_children" then unsew(m, key) end
      m[values][key] = nil
      drop(m[names], key)
      if values == "_children" then trace.structure = trace.structure + 1 else journal.disown(old, m) end
    end
  end
  m._fields[key] = nil
  m._edited[key] = rawget(m, "_born") and had or nil
  rawget(m, "_once")[key] = true
end

Module._forget = forget

-- A buffer that a forward of a frozen module would replace stands still.
local function held(m, values, key)
  return values == "_buffers" and rawget(m, "_frozen") and trace.running() and rawget(m, values)[key] ~= nil
end

local function put(m, names, values, key, v)
  if held(m, values, key) then return end
  changes(m)
  local old = rawget(m, values)[key]
  if old == nil then
    forget(m, key)
    local list = rawget(m, names)
    list[#list + 1] = key
  end
  rawget(m, values)[key] = v
  trace.see(v)
  if values == "_children" then
    trace.structure = trace.structure + 1
    return
  end
  if old ~= nil then journal.disown(old, m) end
  if not rawget(m, "_born") then return journal.own(v, m) end
  m._edited[key] = true
  journal.own(v, m)
  if values == "_params" and rawget(m, "_frozen") and not raw.frozen(v) then
    note.remark(("%s is frozen, and so is the new %s: m:unfreeze() lets it train"):format(getmetatable(m).__name, key))
    journal.marks(v)
    raw.requires_grad(v, false)
    raw.frozen(v, true)
  end
end

local function contains(m, part)
  if m == part then return true end
  for _, name in ipairs(m._names) do
    if contains(m._children[name], part) then return true end
  end
  return false
end
Module._contains = contains

-- A name under which a part is registered.
local function want_name(what, name)
  if type(name) ~= "string" or name == "" or name:find "[.%s]" then
    fault("%s: a name is a word without dots, got %s", what, shown(name))
  end
  if reserved[name] then fault("%s: %s is kept by nn.Module itself: choose another name", what, name) end
  if what ~= "a module" and type(Module[name]) == "function" then
    fault("%s: m:%s(…) is a method of every module, which it would hide: choose another name", what, name)
  end
end

-- What was sewn in around a module stays when another takes its place; what was sewn in is replaced in the list too.
local function keep_sewn(parent, name, old, new)
  for _, where in ipairs {"_before", "_after"} do
    if rawget(old, where) and not rawget(new, where) then Module._set(new, where, rawget(old, where)) end
  end
  local sibling, where, at = Module._insertion(parent, name)
  if sibling then
    local list = copied(sibling[where])
    list[at] = {name = name, module = new}
    Module._set(sibling, where, list)
  end
end

local function put_child(m, key, v)
  want_name("a module", key)
  if contains(v, m) then fault("%s: a module cannot contain itself", key) end
  local old = m._children[key]
  put(m, "_names", "_children", key, v)
  if rawget(m, "_born") and old ~= nil and old ~= v then keep_sewn(m, key, old, v) end
end

-- Fields that mean something elsewhere and would do nothing here.
local freezing = "m:freeze() stops everything in it, m:unfreeze() lets it train"
local elsewhere = {
  requires_grad = "requires_grad is of tensors: m:requires_grad_(%s) sets that of all parameters, " .. freezing,
  trainable = "trainable is Keras' word: " .. freezing,
}
-- The same of the library's own layers and models; a user's class may have fields of these names.
local options_of = "options of the optimizer; groups {{params = m.fc:parameters(), lr = 0.01}, …} give parts their own"
local by_others = {
  frozen = freezing, freezed = freezing, is_training = "m:train(), m:eval()", device = "everything runs on the CPU",
  dtype = "everything is computed in float32", lr = options_of, learning_rate = options_of, weight_decay = options_of,
  num_classes = "m:reset_head(n) makes a new head", out_classes = "m:reset_head(n) makes a new head",
  activation = "an activation is a module behind this one: m:insert_after(path, nn.ReLU())",
  kernel_regularizer = options_of,
  grad = "gradients are the parameters': p.grad", data = "numbers are the parameters': p.data",
  weights = "m.weight, or m:load_state_dict(sd)", gamma = "m.weight", beta = "m.bias", moving_mean = "m.running_mean",
  moving_variance = "m.running_var", epsilon = "m.eps", units = "m.out_features", filters = "m.out_channels",
  rate = "m.p", strides = "m.stride",
}

-- Whether a class is the library's, and none of its fields is called so.
local function refuses(cls, m, key)
  return by_others[key] and rawget(m, "_born") and m._fields[key] == nil and not cls._own
end

local function at_place(m, key, v)
  local at, names = math.tointeger(key), m._names
  if at and at < 0 then at = at + #names end
  local name = at and names[at + 1]
  if not name then
    fault("%s has no child %s to replace (0 to %d; m:append adds one)", getmetatable(m).__name, key, #names - 1)
  end
  if not is_module(v) then fault("%s[%d]: expects a module, got %s", getmetatable(m).__name, at, shown(v)) end
  return put_child(m, name, v)
end

local function put_field(m, key, v)
  if type(v) ~= "function" then trace.see(v) end
  changes(m, trace.running()) -- what a forward keeps in its module is no change worth an entry
  m._fields[key] = v
  rawget(m, "_once")[key] = true
  if rawget(m, "_born") then m._edited[key] = true end
end

-- The gradient of what a value was computed from ends at a parameter, as PyTorch says too.
local function want_no_history(m, key, v)
  if is(v) and raw.requires_grad(v) and not raw.is_leaf(v) then
    fault("%s.%s: a parameter has no history, and the gradient of what this value was computed from would be lost: "
      .. "compute it in a forward, or m.%s = nn.Parameter(value)", getmetatable(m).__name, key, key)
  end
end

local function assign(m, key, v)
  local cls = getmetatable(m)
  if type(key) == "number" then return at_place(m, key, v) end
  if reserved[key] then fault("%s.%s is kept by nn.Module itself: it cannot be assigned", cls.__name, key) end
  if key == "training" then
    if type(v) ~= "boolean" then fault("training: expects true or false, got %s (m:train(), m:eval())", shown(v)) end
    return Module._set(m, "_training", v)
  end
  if cls._declared and rawget(m, "_born") and cls._declared.assign(m, key, v) then return end
  if v == nil then return forget(m, key) end
  if is_module(v) then return put_child(m, key, v) end
  if is(v) then
    if parameters[v] and type(Module[key]) == "function" then want_name("a parameter", key) end
    if parameters[v] then return put(m, "_pnames", "_params", key, v) end
    if m._params[key] then
      want_no_history(m, key, v)
      return put(m, "_pnames", "_params", key, Module.Parameter(v, m._params[key].requires_grad))
    end
    if m._buffers[key] then return put(m, "_bnames", "_buffers", key, v) end
  end
  local was = m._children[key] and "module" or m._params[key] and "parameter" or m._buffers[key] and "buffer"
  if was then
    fault("%s is a %s of %s: expects %s, got %s (nil takes it away)", key, was, cls.__name,
      was == "module" and "a module" or "a tensor", shown(v))
  end
  if elsewhere[key] then fault(elsewhere[key], tostring(v)) end
  if refuses(cls, m, key) then fault("%s has no field '%s': %s", cls.__name, key, by_others[key]) end
  if key == "classes" and rawget(m, "_born") then counted.want_names(v) end
  if key == "input_shape" then counted.want_sizes(v) end
  if key == "classes" and type(v) == "table" and not getmetatable(v) then
    v = counted.names(v, "class y, which counts from 0, is m.classes[y + 1]")
  end
  if type(v) ~= "function" and type(Module[key]) == "function" then
    fault("%s: m:%s(…) is a method of every module, %s would hide it: choose another name", key, key, shown(v))
  end
  put_field(m, key, v)
end

function Module.__newindex(m, key, v)
  return changing(m, assign, m, key, v)
end

-- m[i], 0-based, negative from the end.
function Module._child_at(m, i)
  local names = m._names
  if i < 0 then i = i + #names end
  local name = names[i + 1]
  return name and m._children[name]
end

--- Called as f(m) → what m is printed as; nil: its class and the names of its children. See view/tree.lua.
Module._tree = nil

-- What m shows under names: parts, parameters, buffers, fields, in this order.
local function shown_fields(m)
  local out = require("suture.base.ordered").dict()
  for _, kind in ipairs {{"_names", "_children"}, {"_pnames", "_params"}, {"_bnames", "_buffers"}} do
    for _, name in ipairs(rawget(m, kind[1])) do out[name] = rawget(m, kind[2])[name] end
  end
  local names = {}
  for name in next, rawget(m, "_fields") do if type(name) == "string" then names[#names + 1] = name end end
  table.sort(names)
  for _, name in ipairs(names) do out[name] = m[name] end
  return out
end

--- `for name, value in pairs(m) do`: what m has under names: its parts, parameters, buffers and fields. m:children(),
-- m:named_modules(), m:named_parameters() give one kind.
function Module.__pairs(m) return pairs(shown_fields(m)) end

function Module.__len(m) return #m._names end
function Module.__call(m, ...) return trace.call(m, ...) end
function Module.__tostring(m)
  if Module._tree then return Module._tree(m) end
  return term.safe(getmetatable(m).__name .. "(" .. table.concat(m._names, ", ") .. ")")
end

--- m:register_parameter(name, tensor), m:register_buffer(name, tensor[, {persistent = true}]), m:add_module(name,
-- module). A buffer is saved with the module and moved by no optimizer; persistent = false leaves it out of
-- checkpoints.
function Module.register_parameter(m, name, t)
  want_name("register_parameter", name)
  want_no_history(m, name, t)
  return changing(m, function()
    if t == nil then return forget(m, name) end
    put(m, "_pnames", "_params", name, parameters[t] and t or Module.Parameter(t))
  end)
end

--- m:register_buffer(name, tensor[, {persistent = true}]): see register_parameter.
function Module.register_buffer(m, name, t, opts)
  want_name("register_buffer", name)
  if opts ~= nil then options.check("register_buffer", opts, {persistent = true}) end
  if t ~= nil and not is(t) then fault("register_buffer: expects a tensor for %s, got %s", name, shown(t)) end
  return changing(m, function()
    if t == nil then return forget(m, name) end
    put(m, "_bnames", "_buffers", name, t)
    m._transient[name] = opts and opts.persistent == false or nil
  end)
end

--- m:add_module(name, module): registers a child under any name.
function Module.add_module(m, name, child)
  if not is_module(child) then fault("add_module: expects a module for %s, got %s", tostring(name), shown(child)) end
  return changing(m, put_child, m, tostring(name), child)
end

--- Children of m by place under new names, for containers: names and children, as they are to be.
function Module._relist(m, names, children)
  changing(m, function()
    changes(m)
    rawset(m, "_names", names)
    rawset(m, "_children", children)
    trace.structure = trace.structure + 1
  end)
end

function Module.forward(m, ...)
  local _ = ...
  fault("%s has no forward: write `function %s:forward(x) … end`", getmetatable(m).__name, getmetatable(m).__name)
end

-- An outermost call in training moves statistics: what they were belongs to what the line changes, if it changes
-- anything.
function trace.before_run(m)
  if not journal.recording() then return end
  for sub in m:modules() do
    if rawget(sub, "_training") then
      for _, b in next, rawget(sub, "_buffers") do journal.writes(b, true) end
    end
  end
end

-- Each file that gives modules methods ends with this.
function Module._methods()
  require "suture.base.method"(Module, {is = is_module, what = "a module", name = "m",
    skip = {class = true, Parameter = true, is_module = true, forward = true}})
end


return Module
