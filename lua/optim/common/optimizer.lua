--- What all optimizers share, and how one is declared.
-- A declaration is one file, lua/optim/<name>.lua, that returns optimizer "Name" {…}:
--   options   a signature of suture.base.options: "lr:rate momentum:rate=0 …"; they are checked when the optimizer is
--             made, when a group is added and when a group's field is set
--   state     what is remembered of each parameter, by PyTorch's names; "max_exp_avg_sq?amsgrad": where that option
--   is on
--   step      optional: step(p, g, s, group, t) → the parameter's new numbers, in tensor operations; s holds the state
--             as tensors and takes new ones, t counts from 1. Without it the step is the row "Name" of
--             core/kernels/optimizer.c
--   closure   optional, in the place of step: closure(params, group, memory, f) → the loss at first: a step of one that
--             asks for the loss several times, f() → loss, with its gradients; memory: a table, which holds all that is
--             remembered
--   check     optional: check(group, say): what options must hold together; say(message, …) raises
--   fit       optional: the options that fit's optimizer = "name" has where they are not given
--   about     formula and source, for help
local absent = require "suture.base.absent"
local counted = require "suture.base.counted"
local core = require "suture.core"
local fault = require "suture.base.fault"
local memory = require "suture.optim.common.memory"
local method = require "suture.base.method"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local suggest = require "suture.base.suggest"
local tensor = require "suture.tensor"
local docs = require "suture.base.docs"
local raw = core.optim
local is = core.tensor.is

-- ---- groups ----

-- What a group holds, out of reach of assignment: optimizer, params, values (its options by name), memory (of the
-- core).
local inside = setmetatable({}, {__mode = "k"})

-- Options read by the declaration's signature, and checked together.
local function read(kind, given)
  local values = kind.read(given)
  if kind.check then
    kind.check(values, function(...) fault("%s: " .. (...), kind.where, select(2, ...)) end)
  end
  return values
end

local function merged(a, b)
  local out = {}
  for k, v in pairs(a) do out[k] = v end
  for k, v in pairs(b) do out[k] = v end
  return out
end

local Group = {__name = "a group of parameters"}

function Group.__index(group, name)
  local g = inside[group]
  if name == "params" then return g.params end
  if g.values[name] == nil and type(name) == "string" and name:sub(1, 1) ~= "_" and not g.kind.known[name] then
    options.check(g.kind.where, {[name] = true}, merged(g.kind.known, {params = true}))
  end
  return g.values[name]
end

function Group.__newindex(group, name, value)
  local g = inside[group]
  if name == "params" then
    fault("%s: the parameters of a group stay · opt:add_param_group{params = …} adds others", g.kind.where)
  end
  if value == nil then fault("%s: %s cannot be nil", g.kind.where, tostring(name)) end
  local values = g.kind.read(merged(g.values, {[name] = value}))
  if options.show(values[name]) ~= options.show(g.values[name]) then memory.changes(g.optimizer) end
  g.values[name] = values[name]
end

function Group.__pairs(group)
  local g = inside[group]
  return pairs(merged(g.values, {params = g.params}))
end

local function words_of(values)
  local parts = {}
  for k, v in pairs(values) do parts[#parts + 1] = ("%s = %s"):format(k, options.show(v)) end
  table.sort(parts)
  return table.concat(parts, ", ")
end

function Group.__tostring(group)
  local g = inside[group]
  return ("%s(%d parameters, %s)"):format(g.kind.name, #g.params, words_of(g.values))
end

-- A list of tensors from what m:parameters() gives, an array, or one tensor.
local function tensors(where, given)
  local list = {}
  if is(given) then given = {given} end
  if Module.is_module(given) then fault("%s: expects the parameters of the model: m:parameters()", where) end
  if type(given) == "function" then fault("%s: expects parameters, got a function (m:parameters() with a colon and ())",
    where) end
  if type(given) == "table" and (not getmetatable(given) or not getmetatable(given).__call) then
    for i, p in ipairs(given) do list[i] = p end
  elseif type(given) == "table" then
    for p in given do list[#list + 1] = p end
  end
  if #list == 0 then fault("%s: no parameters: expects m:parameters(), a list of tensors, or a list of groups",
    where) end
  local seen = {}
  for i, p in ipairs(list) do
    if type(p) == "string" then fault("%s: expects tensors, got names (m:parameters(), not m:named_parameters())",
      where) end
    if not is(p) then fault("%s: parameter %d is %s, not a tensor", where, i, options.show(p)) end
    if not core.tensor.is_leaf(p) then fault("%s: parameter %d was computed; only leaves can be optimized", where,
      i) end
    if seen[p] then fault("%s: parameter %d is there twice", where, i) end
    seen[p] = true
  end
  return list
end

-- ---- an optimizer ----

local Optimizer = {__name = "optimizer"}

-- The kind of each optimizer: its declaration.
local kind_of = setmetatable({}, {__mode = "k"})

local elsewhere = {learning_rate = "lr", learn_rate = "lr", rate = "lr", decay = "weight_decay"} -- others' words

-- The option that a name is, or was meant to be; nil.
local function option(opt, name)
  local known = kind_of[opt].known
  if known[name] then return name end
  local here = elsewhere[name]
  return here and known[here] and here or type(name) == "string" and suggest.nearest(name, known) or nil
end

-- Options belong to groups: read or set on the optimizer itself they would be lost.
function Optimizer.__index(opt, name)
  local v = Optimizer[name]
  if v ~= nil or kind_of[opt] == nil then return v end
  if kind_of[opt].known[name] and absent.by_user(2) then
    fault("optim.%s: options belong to groups: opt.param_groups[1].%s", rawget(opt, "kind"), name)
  end
  absent.field(opt, name, "optim." .. rawget(opt, "kind"), 2)
end

function Optimizer:__newindex(name, value)
  local meant = option(self, name)
  if meant then
    fault("optim.%s: options belong to groups: opt.param_groups[1].%s = %s sets it", self.kind, meant,
      options.show(value))
  end
  rawset(self, name, value)
end

-- A list as Lua's are, from 1; who counts from 0 as PyTorch does means the first where there is only one.
local Groups, no_group = {__name = "groups of parameters"}, counted.places("param_groups")
function Groups.__index(groups, key)
  if key == 0 then
    if #groups == 1 then return groups[1] end
    fault("param_groups: there are %d groups, a list as Lua's are: [1] to [%d]", #groups, #groups)
  end
  if type(key) == "string" then
    fault("param_groups: a list of groups (there %s): opt.param_groups[1].%s",
      #groups == 1 and "is 1" or "are " .. #groups, key)
  end
  return no_group(groups, key)
end

function Groups.__newindex(groups, key, value)
  if key ~= #groups + 1 then
    fault("param_groups: %s cannot be assigned: opt:add_param_group{params = …} adds a group", options.show(key))
  end
  rawset(groups, key, value)
end

local function inner(opt, i)
  local g = inside[opt.param_groups[i]]
  if not g or g.optimizer ~= opt then
    fault("optim.%s: param_groups[%d] is no group of this optimizer · opt:add_param_group{params = …} adds one",
      opt.kind, i)
  end
  return g
end

--- opt:add_param_group{params = m.fc:parameters(), lr = …}: from the next step on these parameters are trained too,
-- with the options that the optimizer was made with where the group names none. An error when one of them is there
-- already.
function Optimizer:add_param_group(given)
  local kind = kind_of[self]
  if not options.is_options(given) then
    fault("add_param_group: expects a group, as {params = m.fc:parameters(), lr = 0.01}, got %s", options.show(given))
  end
  local own = {}
  for k, v in pairs(given) do if k ~= "params" then own[k] = v end end
  local values = read(kind, merged(self.defaults, own))
  if kind.closure and #self.param_groups > 0 then fault("%s: takes one group of parameters, no more", kind.where) end
  local params, held = tensors(kind.where, given.params), {}
  for i = 1, #self.param_groups do
    for _, p in ipairs(inner(self, i).params) do held[p] = true end
  end
  for i, p in ipairs(params) do
    if held[p] then fault("%s: a parameter is in two groups (parameter %d of the new one)", kind.where, i) end
  end
  memory.changes(self)
  local group = setmetatable({}, Group)
  inside[group] = {optimizer = self, kind = kind, params = params, values = values, memory = raw.group(params)}
  self.param_groups[#self.param_groups + 1] = group
end

-- Which of the kind's states a group with these values has: bits, and a list by place of true or false.
local function used(kind, values)
  local bits, list = 0, {}
  for k, s in ipairs(kind.states) do
    local v = s.option == nil or values[s.option]
    list[k] = v ~= nil and v ~= false and v ~= 0
    if list[k] then bits = bits | 1 << (k - 1) end
  end
  return bits, list
end

-- The numbers that the kernel reads, in its order.
local function numbers(kind, values)
  local out = {}
  for name in kind.numbers:gmatch "%S+" do
    local v = values[name]
    if type(v) == "table" then table.move(v, 1, #v, #out + 1, out)
    else out[#out + 1] = v == true and 1 or v or 0 end
  end
  return out
end

-- A step in tensor operations: all new numbers are computed before any is put in place.
local function computed_step(kind, g)
  local bits, list = used(kind, g.values)
  local to, values, from, moved = {}, {}, {}, raw.prepare(g.memory, bits)
  local kept = {} -- {number of a parameter, of a state, tensor}
  tensor.no_grad(function()
    for _, i in ipairs(moved) do
      local p, s, had = g.params[i], {}, {}
      for k, state in ipairs(kind.states) do
        if list[k] then had[state.name] = raw.state(g.memory, i, k) end
      end
      for name, t in pairs(had) do s[name] = t end
      local new = kind.step(p:detach(), p.grad, s, g.values, raw.steps(g.memory, i) + 1)
      local function fitting(old, what, t)
        if not is(t) or t.shape ~= old.shape then
          fault("%s: its step gave %s for %s of shape %s", kind.where, is(t) and "shape " .. tostring(t.shape) or
            options.show(t), what, old.shape)
        end
        from[#from + 1] = t:detach()
        return from[#from]
      end
      to[#to + 1], values[#values + 1] = p, fitting(p, "the parameter", new)
      for k, state in ipairs(kind.states) do
        local old, t = had[state.name], s[state.name]
        if old and not rawequal(t, old) then kept[#kept + 1] = {i, k, fitting(old, state.name, t)} end
      end
    end
    core.graph.eval(from)
  end)
  core.rows.copy(to, values)
  for _, s in ipairs(kept) do raw.set_state(g.memory, s[1], s[2], s[3]) end
  for _, i in ipairs(moved) do raw.steps(g.memory, i, raw.steps(g.memory, i) + 1) end
end

-- f, which computes the loss and its gradients: with gradients on, and a check of what it gives.
local function checked_closure(kind, f)
  if type(f) ~= "function" then
    fault("%s: step: expects a function that computes the loss and its gradients and returns it, got %s", kind.where,
      options.show(f))
  end
  return function()
    local loss = tensor.enable_grad(f)
    if not is(loss) or core.tensor.numel(loss) ~= 1 then
      fault("%s: step: the function gave %s, the loss is expected (return loss)", kind.where, options.show(loss))
    end
    return loss
  end
end

--- opt:step([closure]): one step: every parameter that has a gradient and is not frozen moves. closure: a function that
-- forgets the gradients, computes the loss, calls backward and returns the loss, which step gives back; LBFGS needs it.
function Optimizer:step(closure)
  local kind = kind_of[self]
  if kind.closure then
    local g = inner(self, 1)
    read(kind, g.values)
    memory.steps(self, g.params)
    g.remembers = g.remembers or {}
    return kind.closure(g.params, g.values, g.remembers, checked_closure(kind, closure))
  end
  local loss
  if closure ~= nil then loss = checked_closure(kind, closure)() end
  for i = 1, #self.param_groups do read(kind, inner(self, i).values) end
  for i = 1, #self.param_groups do
    local g = inner(self, i)
    memory.steps(self, g.params)
    if kind.step then computed_step(kind, g)
    else raw.step(g.memory, kind.name, numbers(kind, g.values), (used(kind, g.values))) end
  end
  return loss
end

local zero_args = options.arguments("zero_grad", "set_to_none:bool=true")

--- opt:zero_grad([set_to_none (true)]): drops the gradients of all parameters: nil until the next backward. They are
-- not kept as zeros, so set_to_none = false is refused.
function Optimizer:zero_grad(...)
  if not zero_args(...) then
    fault "zero_grad: gradients are dropped (p.grad is nil), set_to_none = false would keep zeros: p.grad:zero_() does"
  end
  for i = 1, #self.param_groups do
    for _, p in ipairs(inner(self, i).params) do p.grad = nil end
  end
end

--- What the optimizer remembers, as copies, laid out as torch.optim's: {kind =, state = {[0] = {step =,
-- momentum_buffer = …} …}, param_groups = {{lr =, …, params = {0, 1, …}} …}}: the parameters of all groups are counted
-- from 0, and a parameter's tensors have PyTorch's names.
function Optimizer:state_dict()
  local kind, out, copies, count = kind_of[self], {kind = self.kind, state = {}, param_groups = {}}, {}, 0
  for i = 1, #self.param_groups do
    local g = inner(self, i)
    local group = merged(g.values, {params = {}})
    if g.remembers and next(g.remembers) then out.state[0] = memory.copied(g.remembers) end
    for j = 1, #g.params do
      local s = {step = raw.steps(g.memory, j)}
      local moved = s.step > 0
      for k, state in ipairs(kind.states) do
        local t = raw.state(g.memory, j, k)
        s[state.name] = t and t:clone()
        copies[#copies + 1] = s[state.name]
        moved = moved or t ~= nil
      end
      group.params[j] = count
      if moved then out.state[count] = s end
      count = count + 1
    end
    out.param_groups[i] = group
  end
  core.graph.eval(copies)
  return out
end

-- A group's options as a state has them. Of PyTorch's those that are off mean nothing here.
local function options_of(kind, where, given, values)
  local own = merged(values, {})
  for name, v in pairs(given) do
    if kind.known[name] then own[name] = v
    elseif name ~= "params" and name ~= "initial_lr" and v and v ~= 0 then
      fault("%s: the state has %s = %s, which %s does not know here", where, tostring(name), options.show(v),
        kind.where)
    end
  end
  return read(kind, own)
end

-- What a state has of the parameter p: its tensors by name and its steps; where: for errors.
local function state_of(kind, where, p, s, j, i)
  local known, out = {step = true}, {step = 0}
  for _, state in ipairs(kind.states) do known[state.name] = true end
  for name, t in pairs(options.check(where, s, known)) do
    if name == "step" and is(t) and core.tensor.numel(t) == 1 then t = math.tointeger(t:item()) end
    local fits
    if name == "step" then fits = math.type(t) == "integer" and t >= 0 else fits = is(t) and t.shape == p.shape end
    if not fits then
      fault("%s: %s of parameter %d in group %d is %s, its parameter has shape %s", where, name, j, i,
        is(t) and "of shape " .. tostring(t.shape) or options.show(t), p.shape)
    end
    out[name] = t
  end
  if s.step == nil and next(s) ~= nil then out.step = 1 end -- torch.optim's SGD does not count
  return out
end

-- Checks what state_dict gave against this optimizer → for each group its values and the states of its parameters.
local function check_state(self, sd)
  local kind = kind_of[self]
  local where = kind.where .. ", load_state_dict"
  if type(sd) ~= "table" or type(sd.param_groups) ~= "table" or type(sd.state) ~= "table" then
    fault("%s: expects what state_dict() of an optimizer gave, got %s", where, options.show(sd))
  end
  if sd.kind ~= nil and sd.kind ~= self.kind then fault("%s: the state is of %s", where, tostring(sd.kind)) end
  if #sd.param_groups ~= #self.param_groups then
    fault("%s: %d groups here, %d in the state", where, #self.param_groups, #sd.param_groups)
  end
  local out, used = {}, {}
  for i, given in ipairs(sd.param_groups) do
    local g = inner(self, i)
    if type(given) ~= "table" or type(given.params) ~= "table" or #given.params ~= #g.params then
      fault("%s: group %d has %d parameters here, %s in the state", where, i, #g.params,
        type(given) == "table" and type(given.params) == "table" and #given.params or options.show(given))
    end
    out[i] = {values = options_of(kind, where, given, g.values), states = {}}
    for j, number in ipairs(given.params) do
      local s = sd.state[number]
      if s ~= nil and type(s) ~= "table" then
        fault("%s: the state of parameter %d is %s", where, j, options.show(s))
      end
      used[number] = true
      out[i].states[j] = state_of(kind, where, g.params[j], s or {}, j, i)
    end
  end
  for number in pairs(sd.state) do
    if not used[number] then
      fault("%s: the state has a parameter %s that no group has", where, options.show(number))
    end
  end
  return out
end

--- Takes over what another optimizer of this kind, or torch.optim's, over parameters of the same shapes remembered.
-- After an error nothing has changed.
function Optimizer:load_state_dict(sd)
  local remembered
  if kind_of[self].closure and type(sd) == "table" and type(sd.state) == "table" then
    remembered = memory.copied(sd.state[0] or {})
    sd = merged(sd, {state = {}})
  end
  local loaded = check_state(self, sd)
  for i, to in ipairs(loaded) do -- in memory of its own, until all is there
    to.memory = raw.group(inner(self, i).params)
    for j, s in ipairs(to.states) do
      for k, state in ipairs(kind_of[self].states) do raw.set_state(to.memory, j, k, s[state.name]) end
      raw.steps(to.memory, j, s.step)
    end
  end
  memory.changes(self)
  for i, to in ipairs(loaded) do
    local g = inner(self, i)
    g.values, g.memory, g.remembers = to.values, to.memory, remembered
  end
end

function Optimizer:__tostring()
  local lines = {}
  for i, g in ipairs(self.param_groups) do lines[i] = tostring(g) end
  return table.concat(lines, "\n")
end

method(Optimizer, {is = function(o) return getmetatable(o) == Optimizer end, what = "an optimizer", name = "opt"})

-- ---- declarations ----

local function make(kind, params, opts)
  if opts == nil then opts = {} end
  options.check(kind.where, opts, kind.known)
  local self = setmetatable({kind = kind.name, closure = kind.closure ~= nil, defaults = merged(opts, {}),
    param_groups = setmetatable({}, Groups)}, Optimizer)
  kind_of[self] = kind
  local listed = type(params) == "table" and not getmetatable(params) and type(params[1]) == "table" and
    params[1].params
  for _, given in ipairs(listed and params or {{params = params}}) do self:add_param_group(given) end
  memory.made(self, inside)
  return self
end

local fields = {options = "string", state = "string", step = "function", closure = "function",
  check = "function", fit = "table",
  about = "string"}

-- declare "Name" {fields}: the declaration as the rest of this file uses it, with `make`, its constructor. What users
-- call is optim.optimizer.
local function declare(name)
  if type(name) ~= "string" or not name:find "^%a[%w_]*$" then
    fault('optim.optimizer: expects a name, as optim.optimizer "Lion" {…}, got %s', options.show(name))
  end
  return function(declared)
    local where = "optim." .. name
    if not options.is_options(declared) then fault("%s: expects a declaration {options =, state =, step =}, got %s",
      where, options.show(declared)) end
    options.check(where, declared, fields)
    for field, v in pairs(declared) do
      if type(v) ~= fields[field] then fault("%s: %s is a %s, got %s", where, field, fields[field], options.show(v)) end
    end
    local kind = merged(declared, {name = name, where = where, known = {}, states = {}})
    kind.options = declared.options or "lr:rate"
    for option in kind.options:gmatch "([%w_]+):" do kind.known[option] = true end
    for state, option in (declared.state or ""):gmatch "([%w_]+)%??([%w_]*)" do
      kind.states[#kind.states + 1] = {name = state, option = option ~= "" and option or nil}
    end
    kind.read = options.named(where, kind.options)
    kind.numbers = not kind.step and not kind.closure and (raw.kernel(name) or
      fault("%s: no step is given, and there is no kernel of this name", where))
    local function constructor(params, opts) return make(kind, params, opts) end
    docs[constructor] = ("%s(params, {%s}): %s\n" ..
      "params: m:parameters(), a list of tensors, or groups {{params = …, lr = …}, …}."):format(
      where, options.usage(kind.options), declared.about or "an optimizer of one's own.")
    kind.make = constructor
    return kind
  end
end

-- Whether v is an optimizer.
local function is_optimizer(v) return type(v) == "table" and kind_of[v] ~= nil end

return {declare = declare, is_optimizer = is_optimizer, tensors = tensors}
