--- Declared layers: everything that is known of a kind of layer in one place.
--
--     Scale = nn.layer "Scale" {
--       doc = "nn.Scale(factor[, offset (0)]): factor · x + offset.",
--       fields = "factor:num offset:num=0",
--       forward = function(self, x) return x * self.factor + self.offset end,
--     }
--
-- The declaration gives the constructor with its checks, what is printed, completed, saved, undone and exported, and
-- what an assignment to a field does: it is checked as the constructor would, and acts. What is in it:
--   fields      a signature (base/options.lua): names, kinds, defaults, in PyTorch's order
--   doc         help: how it is made, what it computes, its source
--   check       f(fields): an error where fields do not go together; asked when it is made and at each assignment
--   parameters  f(fields) → {{name, shape[, fill (0)]} …}; a field that decides on shapes cannot be assigned another
--   value
--   buffers     f(fields) → {{name, shape, fill[, dtype]} …}
--   told        {field = name of the parameter or buffer whose presence tells it (bias = "bias"), or f(m)}: such a
--               field is not kept
--   together    names of parameters or buffers that go together: nil for one takes all away
--   computed    {field = f(fields)}: what can be read but follows from others
--   build       f(self, fields): makes children; fields not in `live` then cannot be assigned, they have been used
--   live        {field = true}: those of a built layer that act when assigned
--   reset       f(self): fills the parameters, as when the layer was made; m:reset_parameters()
--   onnx        what ONNX calls the operation; nil where it has none that does the same; help says it
--   forward     f(self, x …); by raw access: self._params, self._buffers, self._fields
--   extra       f(self) → the constructor's values in words, for trees and changes: "512 → 1000"
--   torch       f(self) → the same as PyTorch prints them; default: extra
--   short       f(self) → a list of words, where space is short
--   methods     further methods
local class = require "suture.base.class"
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local init = require "suture.nn.initialize"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local suggest = require "suture.base.suggest"
local tuple = require "suture.base.tuple"

local keys = {fields = true, doc = true, check = true, parameters = true, buffers = true, told = true, computed = true,
  build = true, live = true, together = true, reset = true, forward = true, extra = true, torch = true, short = true,
  methods = true, onnx = true}

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if #a ~= #b then return false end
  for i = 1, #a do if a[i] ~= b[i] then return false end end
  return true
end

-- The fields of m as the constructor would get them.
local function fields_of(m, spec)
  local f = {}
  for _, a in ipairs(spec.args) do
    local by = spec.told[a.name]
    if type(by) == "function" then f[a.name] = by(m)
    elseif by then f[a.name] = m._params[by] ~= nil or m._buffers[by] ~= nil
    else f[a.name] = rawget(m, "_fields")[a.name] end
    if a.is_tensor then f[a.name] = m._buffers[a.name] end
  end
  return f
end

-- The parameters and buffers that these fields ask for: {name, shape, …} each.
local function asked(spec, f)
  local list = {}
  for _, key in ipairs {"parameters", "buffers"} do
    local some = spec[key] and spec[key](f) or {}
    table.move(some, 1, #some, #list + 1, list)
  end
  return list
end

-- An error where the parameters and buffers that these fields ask for are not those of m.
local function want_shapes(m, spec, name, f)
  for _, p in ipairs(asked(spec, f)) do
    local have = m._params[p[1]] or m._buffers[p[1]]
    if not have or not same(raw.shape(have), p[2]) then
      fault("%s: with %s = %s its %s would be %s, and is %s: make another layer (nn.%s) and put it here",
        spec.name, name, options.show(f[name]), p[1], "(" .. table.concat(p[2], ", ") .. ")",
        have and tostring(raw.shape(have)) or "not there", spec.name)
    end
  end
end

-- A tensor in the place of one that the fields speak of has the shape they say.
local function want_shape(spec, m, key, v)
  for _, p in ipairs(asked(spec, fields_of(m, spec))) do
    if p[1] == key and not same(raw.shape(v), p[2]) then
      fault("%s: its %s has shape (%s) by its fields, got %s: make another layer (nn.%s) and put it here",
        spec.name, key,
        table.concat(p[2], ", "), raw.shape(v), spec.name)
    end
  end
end

-- m keeps these fields.
local function keep(spec, m, f)
  local own = rawget(m, "_fields")
  for _, arg in ipairs(spec.args) do if arg.is_kept then own[arg.name] = f[arg.name] end end
end

local function assign(spec, m, key, v)
  local arg = spec.known[key]
  if m._children[key] or m._params[key] or m._buffers[key] then
    if raw.is(v) then want_shape(spec, m, key, v) end
    if v == nil and spec.together[key] then
      for name in pairs(spec.together) do if name ~= key then Module._forget(m, name) end end
    end
    return false
  end
  if spec.computed[key] then fault("%s: %s follows from its other fields, it cannot be assigned", spec.name, key) end
  local by = spec.told[key]
  if type(by) == "function" then fault("%s: %s follows from its parameters, it cannot be assigned", spec.name, key) end
  if by and by ~= key then
    local now = fields_of(m, spec)[key]
    if v == now then return true end
    fault("%s: %s is told by its %s: %s", spec.name, key, by, now and ("m.%s = nil takes it away"):format(by)
      or ("make another layer with %s = %s"):format(key, tostring(v)))
  end
  if not arg or by or arg.is_tensor then
    if not arg and not by and v ~= nil and not raw.is(v) and not Module.is_module(v) and type(v) ~= "function"
      and m._fields[key] == nil and type(key) == "string" then
      local near = suggest.nearest(key, spec.names)
      if near then fault("%s has no field '%s': did you mean %s?", spec.name, key, near) end
    end
    return false
  end
  if arg.is_module and (v == nil or Module.is_module(v)) then return false end
  if v == nil then v = arg.default end
  local checked = v
  if v ~= nil then checked = arg.check(v) end
  if checked == nil and not (v == nil and not arg.required) then
    fault("%s: %s expects %s, got %s", spec.name, key, arg.expects, options.show(v))
  end
  local f = fields_of(m, spec)
  if same(f[key], checked) then return true end
  if spec.build and not spec.live[key] then
    fault("%s: %s was used when it was made and changes nothing now: make another (nn.%s) and put it here", spec.name,
      key, spec.name)
  end
  f[key] = checked
  if spec.check then spec.check(f) end
  want_shapes(m, spec, key, f)
  Module._changes(m)
  keep(spec, m, f) -- check may have filled in what follows from it
  return true
end

-- Several fields at once, as a file tells them: checked together.
local function assign_all(spec, m, given)
  local f = fields_of(m, spec)
  for _, arg in ipairs(spec.args) do
    local v = given[arg.name]
    if v ~= nil and arg.is_kept then
      local checked = arg.check(v)
      if checked == nil then fault("%s: %s expects %s, got %s", spec.name, arg.name, arg.expects, options.show(v)) end
      f[arg.name] = checked
    end
  end
  if spec.check then spec.check(f) end
  want_shapes(m, spec, "its fields", f)
  Module._changes(m)
  keep(spec, m, f)
end

-- "factor = 2, offset = 1": the fields that are not what they are by default.
local function extra_of(spec)
  return function(m)
    local out, f = {}, fields_of(m, spec)
    for _, arg in ipairs(spec.args) do
      local v = f[arg.name]
      if not arg.is_tensor and not arg.is_module and v ~= nil and not same(v, arg.default) then
        out[#out + 1] = ("%s = %s"):format(arg.name, options.show(v))
      end
    end
    return table.concat(out, ", ")
  end
end

local function make(spec, self, ...)
  local a = spec.read(...)
  if spec.check then spec.check(a) end
  for _, arg in ipairs(spec.args) do
    local v = a[arg.name]
    if arg.is_tensor then if v ~= nil then self:register_buffer(arg.name, v) end
    elseif arg.is_module then self[arg.name] = v end
  end
  for _, p in ipairs(spec.parameters and spec.parameters(a) or {}) do
    self[p[1]] = Module.Parameter(raw.full(p[2], p[3] or 0))
  end
  for _, b in ipairs(spec.buffers and spec.buffers(a) or {}) do
    self:register_buffer(b[1], raw.full(b[2], b[3], b[4]))
  end
  if spec.build then spec.build(self, a) end
  keep(spec, self, a) -- behind the children, which may have the same names
  if spec.reset then self:reset_parameters() end
end

local function declare(name, given)
  options.check("layer " .. name, given, keys)
  if type(given.forward) ~= "function" then fault("layer %s: forward is missing, a function of (self, x)", name) end
  if given.fields ~= nil and type(given.fields) ~= "string" then
    fault('layer %s: fields expects a text of names and kinds, as "factor:num offset:num=0", got %s', name,
      options.show(given.fields))
  end
  local args = options.arguments_of(given.fields or "", "layer " .. name .. ": fields")
  for _, arg in ipairs(args) do
    if type(Module[arg.name]) == "function" and not (given.told and given.told[arg.name]) then
      fault("layer %s: a field cannot be called %s: m:%s(…) is a method of every module", name, arg.name, arg.name)
    end
  end
  local spec = {name = name, args = args, known = {}, names = {}, told = given.told or {},
    computed = given.computed or {},
    live = given.live or {}, together = {}}
  for _, part in ipairs(given.together or {}) do spec.together[part] = true end
  for _, key in ipairs {"check", "parameters", "buffers", "build", "reset"} do spec[key] = given[key] end
  for i, arg in ipairs(args) do
    arg.is_tensor, arg.is_module = arg.kind == "tensor", arg.kind == "module"
    arg.is_kept = not (arg.is_tensor or arg.is_module or spec.told[arg.name])
    spec.known[arg.name], spec.names[i] = arg, arg.name
  end
  local told_by = {}
  for _, by in pairs(spec.told) do if type(by) == "string" then told_by[by] = true end end
  spec.read = options.signature(name, given.fields or "")
  local cls = class(name, Module, Module._new)
  for method, f in pairs(given.methods or {}) do cls[method] = f end
  function cls:init(...) make(spec, self, ...) end
  cls.forward, cls.extra = given.forward, given.extra or extra_of(spec)
  if given.extra then
    docs[given.extra] = "m:extra(): the constructor's values in words, as trees and changes show them: \"512 → 1000\"."
  end
  cls._torch, cls._short = given.torch, given.short
  if given.reset then cls.reset_parameters = given.reset end
  cls._declared = {
    spec = spec,
    onnx = given.onnx,
    shown = tuple.of,
    assign = function(m, key, v) return assign(spec, m, key, v) end,
    assign_all = function(m, fields) return assign_all(spec, m, fields) end,
    told = function(m, key)
      if spec.told[key] and spec.told[key] ~= key then return fields_of(m, spec)[key], true end
      local f = spec.computed[key]
      if f then return tuple.of(f(rawget(m, "_fields"))), true end
      return nil, (spec.known[key] or spec.together[key] or told_by[key]) ~= nil
    end,
    --- The fields as options of the constructor, which make such a layer anew.
    fields = function(m) return fields_of(m, spec) end,
  }
  docs[cls] = given.doc and given.onnx and ("%s\nIn ONNX: %s."):format(given.doc, given.onnx) or given.doc
  return cls
end

local layer = {}

--- nn.layer "Name" {fields =, forward =, doc =, …}: a new kind of layer, declared. Returns its class.
--     Scale = nn.layer "Scale" {
--       doc = "Scale(factor[, offset (0)]): factor · x + offset.",
--       fields = "factor:num offset:num=0",
--       parameters = function(f) return {{"gain", {1}, 1}} end,
--       forward = function(self, x) return x * self.gain * self.factor + self.offset end,
--     }
--     m = Scale(2, {offset = 1})     m.factor = 3     m.gain
-- fields: name:kind for what must be given, name:kind=default for what may (kinds: num int count natural bool str prob
-- rate positive pair size sizes fn table any …). The constructor with its checks, what is printed, completed, saved and
-- undone, and what an assignment to a field does follow from them. Further keys: check, parameters, buffers, reset,
-- extra, methods (lua/nn/layer.lua says all). A class with parts of its own is made with nn.class.
function layer.layer(name, ...)
  if select("#", ...) > 0 then
    fault('layer: the declaration follows the name: nn.layer %q {fields = …, forward = …}', tostring(name))
  end
  if type(name) ~= "string" or not name:find "^[%a_][%w_]*$" then
    fault('layer: expects a name, as nn.layer "Scale" {…}')
  end
  return function(given)
    if type(given) ~= "table" then
      fault('layer %s: expects its declaration in a table, as nn.layer "%s" {fields = …, forward = …}', name, name)
    end
    local cls = declare(name, given)
    cls._own = true
    return cls
  end
end

--- For the library's own: layer.into(table) → as layer.layer, and the class is put into the table.
function layer.into(list)
  return function(name)
    return function(given)
      local cls = declare(name, given)
      cls._builtin, cls._own = true, false
      list[name] = cls
      return cls
    end
  end
end

--- PyTorch's default for weights (kaiming_uniform_ with a = √5: bound 1/√fan_in) and biases (the same bound).
function layer.reset_uniform(self)
  init.kaiming_uniform_(self.weight, {a = math.sqrt(5)})
  if self.bias then
    local fan_in = init.fans("bias", self.weight)
    local bound = fan_in > 0 and 1 / math.sqrt(fan_in) or 0
    init.uniform_(self.bias, -bound, bound)
  end
end

--- What a normalisation scales and moves by: weight 1, bias 0.
function layer.reset_affine(self)
  if self.weight then init.ones_(self.weight) end
  if self.bias then init.zeros_(self.bias) end
end

--- "3" or "3×5": a pair in words.
function layer.pair(p)
  if type(p) ~= "table" then return tostring(p) end
  if p[1] == p[2] then return tostring(p[1]) end
  return ("%s×%s"):format(tostring(p[1]), tostring(p[2]))
end

return layer
