--- Optimizers, with torch.optim's names, arguments and formulas.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local method = require "suture.base.method"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local raw = core.optim
local is = core.tensor.is

local optim = {}

local Optimizer = {__name = "optimizer"}
Optimizer.__index = Optimizer

local kinds = {
  SGD = {kind = 0, defaults = {momentum = 0, dampening = 0, nesterov = false, weight_decay = 0, maximize = false}, required = "lr"},
  Adam = {kind = 1, defaults = {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0, amsgrad = false, maximize = false}},
  AdamW = {kind = 2, defaults = {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0.01, amsgrad = false, maximize = false}},
  RMSprop = {kind = 3, defaults = {lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false, maximize = false}},
}

local function check(name, group)
  local function number(key)
    local v = group[key]
    if v == nil then return end
    if type(v) ~= "number" or not (v >= 0 and v < math.huge) then
      fault("optim.%s: %s expects a number of 0 or above, got %s", name, key, options.show(v))
    end
  end
  for _, key in ipairs {"lr", "momentum", "weight_decay", "dampening", "eps", "alpha"} do number(key) end
  for _, key in ipairs {"nesterov", "maximize", "amsgrad", "centered"} do
    local v = group[key]
    if v ~= nil and type(v) ~= "boolean" then fault("optim.%s: %s expects true or false, got %s", name, key, options.show(v)) end
  end
  if group.betas ~= nil then
    if type(group.betas) ~= "table" or #group.betas ~= 2 then
      fault("optim.%s: betas expects two numbers, as {0.9, 0.999}, got %s", name, options.show(group.betas))
    end
    for i = 1, 2 do
      local b = group.betas[i]
      if type(b) ~= "number" or not (b >= 0 and b < 1) then fault("optim.%s: betas are from 0 to below 1, got %s", name, options.show(b)) end
    end
  end
  if group.nesterov and (group.momentum == 0 or group.dampening ~= 0) then
    fault("optim.%s: nesterov needs a momentum above 0 and no dampening", name)
  end
end

-- A list of tensors from what m:parameters() gives, an array, or one tensor.
local function tensors(name, given)
  local list = {}
  if is(given) then given = {given} end
  if Module.is_module(given) then fault("optim.%s: expects the parameters of the model: m:parameters()", name) end
  if type(given) == "function" then fault("optim.%s: expects parameters, got a function (m:parameters() with a colon and ())", name) end
  if type(given) == "table" and (getmetatable(given) == nil or not getmetatable(given).__call) then
    for i, p in ipairs(given) do list[i] = p end
  elseif type(given) == "table" then
    for p in given do list[#list + 1] = p end
  end
  if #list == 0 then fault("optim.%s: no parameters: expects m:parameters(), a list of tensors, or a list of groups", name) end
  local seen = {}
  for i, p in ipairs(list) do
    if type(p) == "string" then fault("optim.%s: expects tensors, got names (m:parameters(), not m:named_parameters())", name) end
    if not is(p) then fault("optim.%s: parameter %d is %s, not a tensor", name, i, options.show(p)) end
    if not core.tensor.is_leaf(p) then fault("optim.%s: parameter %d was computed; only leaves can be optimized", name, i) end
    if seen[p] then fault("optim.%s: parameter %d is there twice", name, i) end
    seen[p] = true
  end
  return list
end

local function new(name, params, opts)
  local kind = kinds[name]
  local known = {lr = true}
  for k in pairs(kind.defaults) do known[k] = true end
  opts = options.check("optim." .. name, opts or {}, known)
  local self = setmetatable({kind = name, param_groups = {}}, Optimizer)
  local groups = type(params) == "table" and getmetatable(params) == nil and type(params[1]) == "table" and params[1].params and params or {{params = params}}
  local all = {}
  for i, given in ipairs(groups) do
    local group = {}
    for k, v in pairs(kind.defaults) do group[k] = v end
    for k, v in pairs(opts) do group[k] = v end
    for k, v in pairs(given) do
      if k ~= "params" then
        if not known[k] then options.check("optim." .. name, {[k] = v}, known) end
        group[k] = v
      end
    end
    if group.lr == nil then fault("optim.%s: lr is missing, as in optim.%s(m:parameters(), {lr = 0.01})", name, name) end
    check(name, group)
    group.params = tensors(name, given.params)
    for _, p in ipairs(group.params) do
      if all[p] then fault("optim.%s: a parameter is in two groups", name) end
      all[p] = true
    end
    group._state = raw.group(group.params)
    self.param_groups[i] = group
  end
  return self
end

--- optim.SGD(params, {lr =, momentum = 0, dampening = 0, nesterov = false, weight_decay = 0, maximize = false}).
-- params: m:parameters(), a list of tensors, or groups {{params = …, lr = …}, …}. Sutskever et al. 2013, PyTorch's form.
function optim.SGD(params, opts) return new("SGD", params, opts) end

--- optim.Adam(params, {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0, amsgrad = false, maximize = false}):
-- Kingma & Ba 2015, arXiv:1412.6980.
function optim.Adam(params, opts) return new("Adam", params, opts) end

--- optim.AdamW(params, {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0.01, amsgrad = false, maximize = false}):
-- decay apart from the gradient; Loshchilov & Hutter 2019, arXiv:1711.05101.
function optim.AdamW(params, opts) return new("AdamW", params, opts) end

--- optim.RMSprop(params, {lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false, maximize = false}).
-- Hinton's lecture 6e; centered: Graves 2013, arXiv:1308.0850.
function optim.RMSprop(params, opts) return new("RMSprop", params, opts) end

--- One step: every parameter that has a gradient and is not frozen moves.
function Optimizer:step()
  for _, g in ipairs(self.param_groups) do
    check(self.kind, g)
    journal.steps(g.params)
    raw.step(g._state, {kind = kinds[self.kind].kind, lr = g.lr, weight_decay = g.weight_decay, momentum = g.momentum,
      dampening = g.dampening, nesterov = g.nesterov, beta1 = g.betas and g.betas[1], beta2 = g.betas and g.betas[2], eps = g.eps, alpha = g.alpha,
      amsgrad = g.amsgrad, centered = g.centered, maximize = g.maximize})
  end
end

--- Drops the gradients of all parameters.
function Optimizer:zero_grad()
  for _, g in ipairs(self.param_groups) do
    for _, p in ipairs(g.params) do p.grad = nil end
  end
end

--- What the optimizer remembers, as copies: {kind =, groups = {{lr =, …, state = {{first =, second =, third =, step =} …}} …}}.
function Optimizer:state_dict()
  local out = {kind = self.kind, groups = {}}
  for i, g in ipairs(self.param_groups) do
    local group = {state = {}}
    for k, v in pairs(g) do if k ~= "params" and k ~= "_state" then group[k] = v end end
    for j = 1, #g.params do
      local first, second, third, step = raw.state(g._state, j)
      local s = {first = first and first:clone(), second = second and second:clone(), third = third and third:clone(), step = step}
      for _, k in ipairs {"first", "second", "third"} do
        if s[k] then core.graph.eval {s[k]} end
      end
      group.state[j] = s
    end
    out.groups[i] = group
  end
  return out
end

--- Takes over what another optimizer of this kind over parameters of the same shapes remembered.
function Optimizer:load_state_dict(sd)
  if type(sd) ~= "table" or type(sd.groups) ~= "table" then fault("load_state_dict: expects what state_dict() of an optimizer gave, got %s", options.show(sd)) end
  if sd.kind ~= self.kind then fault("optimizer: this is %s, the state is of %s", self.kind, tostring(sd.kind)) end
  if #sd.groups ~= #self.param_groups then fault("optimizer: %d groups here, %d in the state", #self.param_groups, #sd.groups) end
  for i, g in ipairs(self.param_groups) do
    if #g.params ~= #sd.groups[i].state then fault("optimizer: group %d has %d parameters here, %d in the state", i, #g.params, #sd.groups[i].state) end
  end
  for i, g in ipairs(self.param_groups) do
    for j, s in ipairs(sd.groups[i].state) do raw.set_state(g._state, j, s.first, s.second, s.third, s.step) end
    for k, v in pairs(sd.groups[i]) do if k ~= "state" then g[k] = v end end
  end
end

function Optimizer:__tostring()
  local lines = {}
  for i, g in ipairs(self.param_groups) do
    local parts = {}
    for k, v in pairs(g) do
      if k ~= "params" and k ~= "_state" then parts[#parts + 1] = ("%s = %s"):format(k, options.show(v)) end
    end
    table.sort(parts)
    lines[i] = ("%s(%d parameters, %s)"):format(self.kind, #g.params, table.concat(parts, ", "))
  end
  return table.concat(lines, "\n")
end

method(Optimizer, {is = function(o) return getmetatable(o) == Optimizer end, what = "an optimizer", name = "opt"})

--- optim.clip_grad_norm_(params, max_norm): scales gradients so that their norm together is at most max_norm; returns the
-- norm before. Pascanu et al. 2013, arXiv:1211.5063.
function optim.clip_grad_norm_(params, max_norm)
  if type(max_norm) ~= "number" or not (max_norm > 0) then fault("clip_grad_norm_: max_norm expects a number above 0, got %s", options.show(max_norm)) end
  return raw.clip(raw.group(tensors("clip_grad_norm_", params)), max_norm)
end

return optim
