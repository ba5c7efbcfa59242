--- What all learning-rate schedulers share, and how one is declared.
-- A declaration is one file, lua/optim/lr_scheduler/<name>.lua, that returns declare "Name" {…}:
--   options   a signature of suture.base.options, read behind the optimizer: "step_size:count gamma:rate=0.1"
--   lr        lr(s, lr, i) → the new rate of group i from the one it has; s holds the options, last_epoch and base_lrs
--   closed    optional: closed(s, i) → the same from the base rate alone, for step(epoch); without it lr serves
--   start     optional: start(s): what is worked out when it is made, before the first rates are set
--   also      optional: also(s, i): what else moves with the rate, as momentum
--   step      optional: step(s, …) in the place of all this
--   fit       optional: what fit's schedule = "name" is: {name =, by = "step" (else "epoch"), measured = true where
--             step takes a figure of the epoch, given = function(total, lrs) → the options it has where not given};
--             total: how many epochs (or steps) there will be, lrs: the rates of the groups
--   about     for help
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local method = require "suture.base.method"
local options = require "suture.base.options"
local is_optimizer = require("suture.optim.common.optimizer").is_optimizer

local Scheduler = {__name = "scheduler"}
Scheduler.__index = Scheduler

local kind_of = setmetatable({}, {__mode = "k"})
-- The rate that each group had before its first scheduler (PyTorch's initial_lr).
local initial = setmetatable({}, {__mode = "k"})

local scheduler = {}

--- scheduler.rates(s): the rates in force, one for each group.
function scheduler.rates(s)
  local out = {}
  for i, group in ipairs(s.optimizer.param_groups) do out[i] = group.lr end
  return out
end

--- scheduler.reset(s): every group has the rate of before its first scheduler.
function scheduler.reset(s)
  for _, group in ipairs(s.optimizer.param_groups) do group.lr = initial[group] end
end

--- scheduler.forget(optimizer): schedulers made from now on begin with the rates that its groups have now.
function scheduler.forget(optimizer)
  for _, group in ipairs(optimizer.param_groups) do initial[group] = nil end
end

--- scheduler.resume(s): its groups have the rates (and what moves with them) that s gave last.
function scheduler.resume(s)
  local also = kind_of[s].also
  for i, group in ipairs(s.optimizer.param_groups) do
    group.lr = s._last_lr[i] or group.lr
    if also then also(s, i, group) end
  end
end

--- scheduler.apply(s, f): f(s, lr, i) is the new rate of each group i.
function scheduler.apply(s, f)
  local kind, new = kind_of[s], {}
  for i, group in ipairs(s.optimizer.param_groups) do
    new[i] = f(s, group.lr, i)
    if type(new[i]) ~= "number" or not (new[i] >= 0) then
      fault("%s: gave %s as the rate of group %d, a number of 0 or above is expected", kind.name,
        options.show(new[i]), i)
    end
  end
  for i, group in ipairs(s.optimizer.param_groups) do
    group.lr = new[i]
    if kind.also then kind.also(s, i, group) end
  end
  s._last_lr = scheduler.rates(s)
end

--- scheduler.each(s, name): the option of this name, one number for all groups or a list of one for each, as a list.
function scheduler.each(s, name)
  local given, groups, out = s[name], s.optimizer.param_groups, {}
  if type(given) == "table" and #given ~= #groups then
    fault("%s: %s has %d values for %d groups", kind_of[s].name, name, #given, #groups)
  end
  for i = 1, #groups do
    out[i] = given
    if type(given) == "table" then out[i] = given[i] end
    if type(out[i]) ~= "number" then
      fault("%s: %s expects a number or a list of them, one for each group, got %s", kind_of[s].name, name,
        options.show(given))
    end
  end
  return out
end

--- scheduler.momentum(group, v): sets momentum, or the first of betas, of a group.
function scheduler.momentum(group, v)
  local betas = scheduler.betas(group)
  if betas then group.betas = {v, betas[2]} else group.momentum = v end
end

--- scheduler.momentum_of(group): its momentum, or the first of its betas; nil where it has neither.
function scheduler.momentum_of(group)
  for k, v in pairs(group) do
    if k == "momentum" then return v elseif k == "betas" then return v[1] end
  end
end

--- scheduler.betas(group): its betas, or nil where it has none.
function scheduler.betas(group)
  for k, v in pairs(group) do if k == "betas" then return v end end
end

--- scheduler.has_momentum(s): whether the optimizer has momentum or betas.
function scheduler.has_momentum(s)
  for k in pairs(s.optimizer.param_groups[1]) do if k == "momentum" or k == "betas" then return true end end
  return false
end

local made = setmetatable({}, {__mode = "k"}) -- scheduler → when

-- What the journal (base/journal.lua) keeps of one; the rates are the optimizer's.
local position = {
  born = function(s) return made[s] end,
  take = function(s)
    local out = {}
    for k, v in next, s do
      out[k] = type(v) == "table" and getmetatable(v) == nil and table.move(v, 1, #v, 1, {}) or v
    end
    return out
  end,
  same = function(s, was)
    for k, v in next, s do
      if type(v) ~= "table" and v ~= was[k] then return false end
    end
    return true
  end,
  put = function(s, was)
    for k in next, s do if was[k] == nil then rawset(s, k, nil) end end
    for k, v in next, was do
      rawset(s, k, type(v) == "table" and getmetatable(v) == nil and table.move(v, 1, #v, 1, {}) or v)
    end
  end,
  tell = function(told, s, was)
    told[#told + 1] = ("%s at %s (was %s)"):format(s.kind, s.last_epoch, was.last_epoch)
  end,
}

local function moves(s) if made[s] and journal.recording() then journal.touch(position, s) end end

--- s:step([epoch]): the rates of the next epoch (or step), or of the one given. For ReduceLROnPlateau: s:step(metric).
function Scheduler:step(epoch, ...)
  local kind = kind_of[self]
  moves(self)
  if kind.step then return kind.step(self, epoch, ...) end
  if epoch == nil then
    self.last_epoch = self.last_epoch + 1
    return scheduler.apply(self, kind.lr)
  end
  if type(epoch) ~= "number" or epoch < 0 then
    fault("%s: step expects the number of an epoch, 0 or above, got %s", kind.name, options.show(epoch))
  end
  self.last_epoch = epoch
  scheduler.apply(self, kind.closed and function(s, _, i) return kind.closed(s, i) end or kind.lr)
end

--- s:get_last_lr(): the rates in force, a list with one for each group.
function Scheduler:get_last_lr() return {table.unpack(self._last_lr)} end

--- s:state_dict(): where the schedule stands, for s:load_state_dict and for files.
function Scheduler:state_dict()
  local out = {}
  for k, v in next, self do
    if k ~= "optimizer" and k ~= "schedulers" and type(v) ~= "function" then out[k] = v end
  end
  if self.schedulers then
    out.schedulers = {}
    for i, s in ipairs(self.schedulers) do out.schedulers[i] = s:state_dict() end
  end
  return out
end

--- s:load_state_dict(sd): goes on where another scheduler of this kind stood.
function Scheduler:load_state_dict(sd)
  local name = kind_of[self].name
  if type(sd) ~= "table" or sd.last_epoch == nil and not sd.schedulers then
    fault("%s, load_state_dict: expects what state_dict() of a scheduler gave, got %s", name, options.show(sd))
  end
  if sd.kind ~= self.kind then fault("%s, load_state_dict: the state is of %s", name, tostring(sd.kind)) end
  if self.schedulers and #(sd.schedulers or {}) ~= #self.schedulers then
    fault("%s, load_state_dict: %d schedulers here, %d in the state", name, #self.schedulers, #(sd.schedulers or {}))
  end
  moves(self)
  for i, s in ipairs(self.schedulers or {}) do s:load_state_dict(sd.schedulers[i]) end
  for k, v in pairs(sd) do if k ~= "schedulers" then rawset(self, k, v) end end
end

function Scheduler:__tostring()
  local rates = {}
  for i, lr in ipairs(self._last_lr) do rates[i] = ("%g"):format(lr) end
  return ("%s(epoch %s, lr %s)"):format(self.kind, self.last_epoch, table.concat(rates, ", "))
end

method(Scheduler, {is = function(s) return getmetatable(s) == Scheduler end, what = "a scheduler", name = "scheduler"})

--- scheduler.is(v): whether v is a scheduler.
function scheduler.is(v) return getmetatable(v) == Scheduler end

local function make(kind, optimizer, ...)
  if not is_optimizer(optimizer) then
    fault("%s: expects an optimizer first, as %s(opt, …), got %s", kind.name, kind.name, options.show(optimizer))
  end
  local s = setmetatable({}, Scheduler)
  kind_of[s] = kind
  for k, v in pairs(kind.read(...)) do s[k] = v end
  s.optimizer, s.kind, s.last_epoch, s.base_lrs = optimizer, kind.name, 0, {}
  for i, group in ipairs(optimizer.param_groups) do
    initial[group] = initial[group] or group.lr
    s.base_lrs[i] = initial[group]
  end
  if kind.start then kind.start(s) end
  if kind.step then s._last_lr = scheduler.rates(s) else scheduler.apply(s, kind.lr) end
  made[s] = journal.now()
  return s
end

--- scheduler.declare "Name" {options =, lr =, …}: the declaration's record, with `make`, its constructor.
function scheduler.declare(name)
  return function(kind)
    kind.name, kind.read = name, options.signature(name, kind.options or "")
    kind.make = function(...) return make(kind, ...) end
    local list = options.usage(kind.options or "")
    docs[kind.make] = ("%s(opt%s%s): %s"):format(name, list == "" and "" or ", ", list, kind.about)
    return kind
  end
end

return scheduler
