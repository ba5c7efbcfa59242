--- nn.Module: what every layer and network is. Assigning a module, a parameter or a buffer to a field registers it, in
-- order; names are the checkpoint's. Children of Sequential and ModuleList count from 0.
local core = require "suture.core"
local class = require "suture.base.class"
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local note = require "suture.base.note"
local ordered = require "suture.base.ordered"
local suggest = require "suture.base.suggest"
local trace = require "suture.nn.trace"
local raw = core.tensor
local is = raw.is
local rawset, rawget, type, getmetatable = rawset, rawget, type, getmetatable

-- Inside a module: _names and _children (modules, in order of registration), _pnames and _params, _bnames and _buffers
-- (_transient[name]: not saved), _fields (everything else but numbers, strings and names that begin with "_", which are
-- plain fields), _args (what it was made with: n, values), training, _frozen, _bn_eval.
local Module = class "Module"
Module._is_module = true

local parameters = setmetatable({}, {__mode = "k"}) -- tensors that are parameters

-- A value in the words of error messages.
local function shown(v)
  if type(v) == "table" and v._is_module and rawget(v, "_children") == nil then
    return ("the class %s (make one: nn.%s(…))"):format(v.__name, v.__name)
  end
  return require("suture.base.options").show(v)
end
Module._shown = shown

local function is_module(v) return type(v) == "table" and rawget(v, "_children") ~= nil end
Module.is_module = is_module

--- nn.Parameter(tensor[, requires_grad]): a tensor that a module registers as its parameter when it is assigned.
function Module.Parameter(t, requires_grad)
  if not is(t) then fault("Parameter: expects a tensor, got %s", shown(t)) end
  if not raw.is_leaf(t) then t = t:detach() end
  t.requires_grad = requires_grad ~= false
  parameters[t] = true
  return t
end

local making = 0 -- constructors that run: what they assign is no surgery
local made_one = setmetatable({}, {__close = function() making = making - 1 end})

local function new(cls, ...)
  local m = setmetatable({}, cls)
  for _, store in ipairs {"_names", "_children", "_pnames", "_params", "_bnames", "_buffers", "_transient", "_fields"} do
    rawset(m, store, {})
  end
  rawset(m, "training", true)
  rawset(m, "_frozen", false)
  rawset(m, "_args", table.pack(...))
  local init = cls.init
  if init then
    making = making + 1
    local made <close> = made_one
    init(m, ...)
  end
  return m
end

getmetatable(Module).__call = new

--- nn.class("Name"[, base]): a new kind of module. Give it init (makes the parts) and forward (what calling it does):
--     Block = nn.class "Block"
--     function Block:init(c) self.conv = nn.Conv2d(c, c, 3, {padding = 1}) end
--     function Block:forward(x) return F.relu(self.conv(x)) + x end
-- base: a class to build on (default nn.Module); its methods are inherited, `Block.super.init(self, …)` calls its init.
function Module.class(name, base)
  if type(name) ~= "string" then fault('class: expects a name, as in nn.class "Block"') end
  if base ~= nil and not (type(base) == "table" and base._is_module and not is_module(base)) then
    fault("class %s: expects a class of modules as the base, got %s", name, shown(base))
  end
  local cls = class(name, base or Module, new)
  cls._builtin = false
  return cls
end

-- ---- fields ----

function Module.__index(m, key)
  local v = rawget(m, "_children")[key]
  if v ~= nil then return v end
  v = rawget(m, "_params")[key]
  if v ~= nil then return v end
  v = rawget(m, "_buffers")[key]
  if v ~= nil then return v end
  v = rawget(m, "_fields")[key]
  if v ~= nil then return v end
  local cls = getmetatable(m)
  v = cls[key]
  if v == nil and type(key) == "number" then return cls._child_at(m, key) end
  return v
end

local function drop(names, name)
  for i, n in ipairs(names) do
    if n == name then return table.remove(names, i) end
  end
end

local function forget(m, key)
  for names, values in pairs {_names = "_children", _pnames = "_params", _bnames = "_buffers"} do
    if m[values][key] ~= nil then
      m[values][key] = nil
      drop(m[names], key)
      if values == "_children" then trace.structure = trace.structure + 1 end
    end
  end
  m._fields[key] = nil
end

local function put(m, names, values, key, v)
  names, values = rawget(m, names), rawget(m, values)
  if values[key] == nil then
    forget(m, key)
    names[#names + 1] = key
  end
  values[key] = v
end

local function contains(m, part)
  if m == part then return true end
  for _, name in ipairs(m._names) do
    if contains(m._children[name], part) then return true end
  end
  return false
end

-- A name under which a part is registered.
local function want_name(what, name)
  if type(name) ~= "string" or name == "" or name:find "[.%s]" then fault("%s: a name is a word without dots, got %s", what, shown(name)) end
end

local function put_child(m, key, v)
  want_name("a module", key)
  if contains(v, m) then fault("%s: a module cannot contain itself", key) end
  local old = m._children[key]
  if rawget(m, key) ~= nil then rawset(m, key, nil) end
  put(m, "_names", "_children", key, v)
  trace.structure = trace.structure + 1
  if making == 0 and old ~= nil and old ~= v and Module._on_replace then Module._on_replace(m, key, old, v) end
end

--- Called as f(parent, name, old, new) after an assignment has replaced a child; nil: nobody listens.
Module._on_replace = nil

--- Called as f(label, module, change, …) where a finished module's parts change: must call change(…) and return what it
-- returns. suture.undo listens here.
Module._on_change = nil

local assign

function Module.__newindex(m, key, v)
  if making == 0 and Module._on_change and (is_module(v) or m._children[key] or (type(key) == "number" and math.tointeger(key))) then
    return Module._on_change(tostring(key) .. " = " .. (is_module(v) and getmetatable(v).__name or type(v)), m, assign, m, key, v)
  end
  return assign(m, key, v)
end

function assign(m, key, v)
  if type(key) == "number" then
    local at = math.tointeger(key)
    local names = m._names
    if at and at < 0 then at = at + #names end
    local name = at and names[at + 1]
    if not name then fault("%s has no child %s to replace (0 to %d; m:append adds one)", getmetatable(m).__name, key, #names - 1) end
    if not is_module(v) then fault("%s[%d]: expects a module, got %s", getmetatable(m).__name, at, shown(v)) end
    return put_child(m, name, v)
  end
  if type(key) == "string" and key:sub(1, 1) == "_" then return rawset(m, key, v) end
  if v == nil then return forget(m, key) end
  if is_module(v) then return put_child(m, key, v) end
  if is(v) then
    if parameters[v] then return put(m, "_pnames", "_params", key, v) end
    if m._params[key] then return put(m, "_pnames", "_params", key, Module.Parameter(v, m._params[key].requires_grad)) end
    if m._buffers[key] then return put(m, "_bnames", "_buffers", key, v) end
  end
  local was = m._children[key] and "module" or m._params[key] and "parameter" or m._buffers[key] and "buffer"
  if was then
    fault("%s is a %s of %s: expects %s, got %s (nil takes it away)", key, was, getmetatable(m).__name, was == "module" and "a module" or "a tensor", shown(v))
  end
  local t = type(v)
  if t == "number" or t == "string" then return rawset(m, key, v) end
  m._fields[key] = v
end

-- m[i], 0-based, negative from the end.
function Module._child_at(m, i)
  local names = m._names
  if i < 0 then i = i + #names end
  local name = names[i + 1]
  return name and m._children[name]
end

function Module.__len(m) return #m._names end
function Module.__call(m, ...) return trace.call(m, ...) end
function Module.__tostring(m)
  local ok, tree = pcall(require, "suture.view.tree")
  if ok then return tree(m) end
  return getmetatable(m).__name .. "(" .. table.concat(m._names, ", ") .. ")"
end

--- m:register_parameter(name, tensor), m:register_buffer(name, tensor[, {persistent = true}]), m:add_module(name, module).
-- A buffer is saved with the module and moved by no optimizer; persistent = false leaves it out of checkpoints.
function Module.register_parameter(m, name, t)
  want_name("register_parameter", name)
  if t == nil then return forget(m, name) end
  put(m, "_pnames", "_params", name, parameters[t] and t or Module.Parameter(t))
end

--- m:register_buffer(name, tensor[, {persistent = true}]): see register_parameter.
function Module.register_buffer(m, name, t, opts)
  want_name("register_buffer", name)
  if t == nil then return forget(m, name) end
  if not is(t) then fault("register_buffer: expects a tensor for %s, got %s", name, shown(t)) end
  put(m, "_bnames", "_buffers", name, t)
  m._transient[name] = opts and opts.persistent == false or nil
end

--- m:add_module(name, module): registers a child under any name.
function Module.add_module(m, name, child)
  if not is_module(child) then fault("add_module: expects a module for %s, got %s", tostring(name), shown(child)) end
  put_child(m, tostring(name), child)
end

function Module.forward(m)
  fault("%s has no forward: write `function %s:forward(x) … end`", getmetatable(m).__name, getmetatable(m).__name)
end

-- ---- walking ----

local function join(prefix, name) return prefix == "" and name or prefix .. "." .. name end

-- Calls f(module, path) for each module once, parents first, in order of registration.
local function walk(m, f, path, seen)
  seen = seen or {}
  if seen[m] then return end
  seen[m] = true
  f(m, path or "")
  for _, name in ipairs(m._names) do walk(m._children[name], f, join(path or "", name), seen) end
end
Module._walk = walk

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

--- m:parameters(): all parameters, each once; `for p in m:parameters() do`, or by place from 1; #: how many tensors.
function Module.parameters(m)
  local out = {}
  walk_tensors(m, "_pnames", "_params", function(t) out[#out + 1] = t end)
  return ordered.list(out)
end

--- m:named_parameters(): name and parameter; `for name, p in m:named_parameters() do`.
function Module.named_parameters(m)
  local out = ordered.dict()
  walk_tensors(m, "_pnames", "_params", function(t, name) out[name] = t end)
  return out
end

--- m:buffers(): running statistics and the like, each once.
function Module.buffers(m)
  local out = {}
  walk_tensors(m, "_bnames", "_buffers", function(t) out[#out + 1] = t end)
  return ordered.list(out)
end

--- m:named_buffers(): name and buffer.
function Module.named_buffers(m)
  local out = ordered.dict()
  walk_tensors(m, "_bnames", "_buffers", function(t, name) out[name] = t end)
  return out
end

--- m:num_parameters(): how many numbers its parameters hold.
function Module.num_parameters(m)
  local n = 0
  walk_tensors(m, "_pnames", "_params", function(t) n = n + raw.numel(t) end)
  return n
end

--- m:apply(f): calls f on every module beneath, children first, then on m; returns m.
function Module.apply(m, f)
  if type(f) ~= "function" then fault("apply: expects a function, got %s", shown(f)) end
  for c in m:children() do c:apply(f) end
  f(m)
  return m
end

--- m:at("layer4.1.conv1"): the module (or the parameter or buffer) of that name; an error with the nearest name otherwise.
function Module.at(m, path)
  return m:_at("at", path)
end

-- `what`: who asks, for errors.
function Module._at(m, what, path)
  if type(path) ~= "string" then fault('%s: expects a path like "layer4.1.conv1", got %s', what, shown(path)) end
  if path == "" then return m end
  local found = m
  for name in path:gmatch "[^.]+" do
    found = is_module(found) and (found._children[name] or found._params[name] or found._buffers[name]) or nil
    if found == nil then break end
  end
  if found ~= nil then return found end
  local names = {}
  walk(m, function(_, p) if p ~= "" then names[#names + 1] = p end end)
  walk_tensors(m, "_pnames", "_params", function(_, p) names[#names + 1] = p end)
  walk_tensors(m, "_bnames", "_buffers", function(_, p) names[#names + 1] = p end)
  fault("%s: no module '%s' in %s%s", what, path, getmetatable(m).__name, suggest.hint(path, names))
end
Module.get_submodule = Module.at

--- m:find("*.bn?"): the modules whose path matches, in order: a dictionary of path and module. `*` any text, `?` one
-- character, `[12]`, `{a,b}`; a function f(module, path) chooses freely; a class (nn.Conv2d) finds its objects.
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
  walk(m, function(sub, path) if path ~= "" and match(path, sub) then out[path] = sub end end)
  return out
end

-- ---- modes ----

-- Several globs given side by side are one list of them.
local function globs(pattern, ...)
  if select("#", ...) == 0 then return pattern end
  return {pattern, ...}
end

-- The modules a glob names, and all beneath them; an error when there are none. nil: all.
local function chosen(m, what, pattern)
  local out, seen = {}, {}
  local function take(sub)
    walk(sub, function(s) if not seen[s] then seen[s] = true out[#out + 1] = s end end)
  end
  if pattern == nil then take(m) return out end
  local match = glob(pattern, what)
  walk(m, function(sub, path) if path ~= "" and match(path) then take(sub) end end)
  return out, what
end
Module._chosen = chosen

function Module._no_match(m, what, pattern)
  local names = {}
  walk(m, function(_, p) if p ~= "" then names[#names + 1] = p end end)
  local text = type(pattern) == "table" and table.concat(pattern, " ") or tostring(pattern)
  fault("%s: nothing in %s is called '%s'%s", what, getmetatable(m).__name, text, suggest.hint(text, names))
end

local function set_training(m, what, pattern, on)
  local list = chosen(m, what, pattern)
  if #list == 0 then m:_no_match(what, pattern) end
  for _, sub in ipairs(list) do rawset(sub, "training", on) end
  return m
end

--- m:train([glob]): training mode (BatchNorm uses and moves batch statistics, dropout drops); with a glob only for the
-- modules it names and all beneath. train(false) is eval(). Frozen modules stay as they are: see freeze.
function Module.train(m, pattern, ...)
  if type(pattern) == "boolean" then return set_training(m, "train", nil, pattern) end
  return set_training(m, "train", globs(pattern, ...), true)
end

--- m:eval([glob]): the mode for use (BatchNorm's running statistics, no dropout), of all or of what the glob names.
function Module.eval(m, ...) return set_training(m, "eval", globs(...), false) end

--- m:is_training(): whether m behaves as in training now: its mode, unless it is frozen.
function Module.is_training(m) return m.training and not m._frozen and not trace.is_dry() end

-- Whether m does what only training does (drops at random, runs an auxiliary head) now: in training, and in the drawing of a
-- graph that trains.
function Module._as_in_training(m) return m:is_training() or trace.outline and m.training and not m._frozen end

--- m:zero_grad(): forgets all gradients.
function Module.zero_grad(m)
  walk_tensors(m, "_pnames", "_params", function(t) raw.grad(t, nil) end)
end

--- m:requires_grad_([on]): sets requires_grad of all parameters (default true); statistics of BatchNorm go on moving.
function Module.requires_grad_(m, on)
  if on ~= nil and type(on) ~= "boolean" then fault("requires_grad_: expects true or false, got %s", shown(on)) end
  walk_tensors(m, "_pnames", "_params", function(t) t.requires_grad = on ~= false end)
  return m
end

-- ---- freezing ----

local function freeze_tensor(t, on)
  raw.requires_grad(t, not on)
  raw.frozen(t, on)
  if on then raw.grad(t, nil) end
end

local function freeze(m, what, pattern, on)
  local list = chosen(m, what, pattern)
  local hit = #list > 0
  for _, sub in ipairs(list) do
    rawset(sub, "_frozen", on)
    for _, name in ipairs(sub._pnames) do freeze_tensor(sub._params[name], on) end
  end
  if pattern ~= nil then
    local match = glob(pattern, what)
    walk_tensors(m, "_pnames", "_params", function(t, name)
      if match(name) then
        freeze_tensor(t, on)
        hit = true
      end
    end)
  end
  if not hit then m:_no_match(what, pattern) end
  return m
end

--- m:freeze([glob, …]): nothing in m (or in what the globs name and all beneath) changes any more: no gradient is computed
-- or kept, no optimizer moves it, BatchNorm statistics stand still, dropout is off; m:train() does not undo it, unfreeze
-- does. A glob that names parameters ("*.bias") freezes those alone. Returns m.
function Module.freeze(m, ...) return freeze(m, "freeze", globs(...), true) end

--- m:unfreeze([glob, …]): the opposite of freeze; all parameters there require gradients again. Returns m.
function Module.unfreeze(m, ...) return freeze(m, "unfreeze", globs(...), false) end

--- m:freeze_to(path[, input]): freezes every module that runs before `path` in the real graph, that of training. input: a tensor
-- or a shape to run with (default m.input_shape). Returns m.
function Module.freeze_to(m, path, input)
  local target = m:_at("freeze_to", path)
  if not is_module(target) then fault("freeze_to: '%s' is no module", path) end
  input = input or m.input_shape
  if not input then fault("freeze_to: needs an input to run with: m:freeze_to(%q, {1, 3, 224, 224}), or set m.input_shape", path) end
  local x = is(input) and input or raw.full(input, 0)
  local records = require("suture.train.mode").train(m, function() return trace.record(trace.outlined, m, x) end)
  local before, found = {}, false
  for _, r in ipairs(records) do
    if r.module == target then
      found = true
      break
    end
    before[#before + 1] = r
  end
  if not found then fault("freeze_to: '%s' does not run", path) end
  for _, r in ipairs(before) do
    if not contains(r.module, target) then freeze(r.module, "freeze", nil, true) end
  end
  return m
end

--- m:bn_eval([on]): BatchNorm modules in m use and keep their running statistics, also after m:train(); their weights
-- still learn. m:bn_eval(false) undoes it. Returns m.
function Module.bn_eval(m, on)
  if on ~= nil and type(on) ~= "boolean" then fault("bn_eval: expects true or false, got %s", shown(on)) end
  walk(m, function(sub) if sub._is_batchnorm then rawset(sub, "_bn_eval", on ~= false or nil) end end)
  return m
end

-- ---- state ----

--- m:state_dict(): names and tensors of all parameters and buffers, in PyTorch's order: a dictionary. The tensors are the
-- module's own (x:clone() keeps a copy).
function Module.state_dict(m)
  local out = ordered.dict()
  local function visit(sub, path) -- a module registered twice is saved under both names
    for _, name in ipairs(sub._pnames) do out[join(path, name)] = sub._params[name] end
    for _, name in ipairs(sub._bnames) do
      if not sub._transient[name] then out[join(path, name)] = sub._buffers[name] end
    end
    for _, name in ipairs(sub._names) do visit(sub._children[name], join(path, name)) end
  end
  visit(m, "")
  return out
end

local function ending(a, b) -- how many letters at the end agree
  local n = 0
  while n < #a and n < #b and a:byte(#a - n) == b:byte(#b - n) do n = n + 1 end
  return n
end

-- What every unexpected name seems to have in front or to lack, as words, or nil.
local function prefix_hint(missing, unexpected)
  if #missing == 0 or #unexpected == 0 then return nil end
  local lacks = {}
  for _, k in ipairs(missing) do lacks[k] = true end
  local first = unexpected[1]:match "^([^.]+%.)" or unexpected[#unexpected]:match "^([^.]+%.)"
  if first then
    local with, fit = 0, 0
    for _, k in ipairs(unexpected) do
      if k:sub(1, #first) == first then with, fit = with + 1, fit + (lacks[k:sub(#first + 1)] and 1 or 0) end
    end
    if fit * 2 >= #missing then -- not two names that happen to fit a model of another kind
      return ("%s names begin with '%s': take it off"):format(with == #unexpected and "the file's" or "some of the file's", first)
    end
  end
  local k = unexpected[1]
  for _, miss in ipairs(missing) do
    if #miss > #k and miss:sub(-#k - 1) == "." .. k then
      return ("the file's names lack '%s' in front"):format(miss:sub(1, #miss - #k))
    end
  end
end

local function listed(lines, what, list, hints)
  if #list == 0 then return end
  lines[#lines + 1] = ("  %d %s:"):format(#list, what)
  for i, name in ipairs(list) do
    if i > 8 then
      lines[#lines + 1] = ("    … and %d more"):format(#list - 8)
      break
    end
    lines[#lines + 1] = "    " .. name .. (hints and hints[name] and "  (" .. hints[name] .. ")" or "")
  end
end

--- m:load_state_dict(sd[, {strict = true}]): copies the tensors of sd (names and tensors) into m's. Names that are
-- missing, unexpected or of another shape are reported together, with the likely rename, and nothing is changed then.
-- strict = false: loads what fits; a tensor of the wrong shape is an error even so. Returns {missing =, unexpected =}.
function Module.load_state_dict(m, sd, opts) return m:_load(sd, opts, raw.copy) end

-- put(t, given): how numbers go in; raw.take spends the tensors of sd.
function Module._load(m, sd, opts, put)
  local strict = true
  if opts ~= nil then
    if type(opts) == "boolean" then strict = opts else
      require("suture.base.options").check("load_state_dict", opts, {strict = true})
      strict = opts.strict ~= false
    end
  end
  if type(sd) ~= "table" then fault("load_state_dict: expects a table of names and tensors, got %s", type(sd)) end
  local mine, missing, unexpected, misshapen, hints = m:state_dict(), {}, {}, {}, {}
  for name, t in mine do
    local given = sd[name]
    if given == nil then
      if not name:find "num_batches_tracked$" then missing[#missing + 1] = name end -- absent from files before PyTorch 0.4.1
    elseif not is(given) then fault("load_state_dict: %s is a %s, not a tensor", name, type(given))
    elseif raw.shape(given) ~= raw.shape(t) and not (raw.numel(given) == 1 and raw.numel(t) == 1) then
      misshapen[#misshapen + 1] = name
      hints[name] = ("the model has %s, the file %s"):format(raw.shape(t), raw.shape(given))
    end
  end
  for name in pairs(sd) do
    if mine[name] == nil then unexpected[#unexpected + 1] = name end
  end
  if not ordered.is_dict(sd) then table.sort(unexpected) end
  if (strict and #missing + #unexpected > 0) or #misshapen > 0 then
    local whole = prefix_hint(missing, unexpected)
    if not whole then
      local taken = {}
      for _, name in ipairs(missing) do
        local best, most = nil, 3
        for _, u in ipairs(unexpected) do
          local fits = is(sd[u]) and raw.shape(sd[u]) == raw.shape(mine[name])
          local n = fits and not taken[u] and ending(name, u) or 0
          if n > most then best, most = u, n end
        end
        if best then
          hints[name], taken[best] = ("the file's %s fits"):format(best), true
        end
      end
    end
    local lines = {("load_state_dict: the names and shapes do not fit %s%s"):format(getmetatable(m).__name, whole and "; " .. whole or "")}
    listed(lines, "missing in the file", missing, hints)
    listed(lines, "unexpected in the file", unexpected)
    listed(lines, "of another shape", misshapen, hints)
    if strict and #misshapen == 0 then lines[#lines + 1] = "  {strict = false} loads what fits" end
    fault("%s", table.concat(lines, "\n"))
  end
  for name, t in mine do
    local given = sd[name]
    if given ~= nil then
      if raw.shape(given) ~= raw.shape(t) then given = given:reshape(raw.shape(t)) end
      put(t, given)
    end
  end
  return {missing = missing, unexpected = unexpected}
end

--- m:float(), m:to(…), m:cpu(): as in PyTorch; everything here is float32 on the CPU, so they return m.
function Module.float(m) return m end
Module.to, Module.cpu = Module.float, Module.float

-- Said once: requires_grad = false does not stop statistics.
function Module._statistics_move(m, path)
  note.once("statistics", ("%s: its weight requires no gradient, but in train mode its running statistics go on moving; m:freeze() stops both, m:eval() or m:bn_eval() the statistics")
    :format(path ~= "" and path or getmetatable(m).__name))
end

-- Each file that gives modules methods ends with this.
function Module._methods()
  require "suture.base.method"(Module, {is = is_module, what = "a module", name = "m",
    skip = {class = true, Parameter = true, is_module = true, forward = true}})
end
Module._methods()

return Module
