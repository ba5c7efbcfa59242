--- The option `schedule`: how the rates of an optimizer go while it trains. All of optim.lr_scheduler by name, one of
-- the user's own, or a function.
local fault = require "suture.base.fault"
local lr_scheduler = require "suture.optim.lr_scheduler"
local options = require "suture.base.options"
local scheduler = require "suture.optim.common.scheduler"
local suggest = require "suture.base.suggest"

local Schedule = {__name = "schedule"}
Schedule.__index = Schedule

-- What fit adds to the options of a scheduler.
local own = {by = true, warmup = true, warmup_factor = true, monitor = true}

local function names()
  local list = {"constant"}
  for _, kind in pairs(lr_scheduler._kinds) do list[#list + 1] = kind.fit.name end
  table.sort(list)
  local out = {}
  for i, name in ipairs(list) do if name ~= list[i - 1] then out[#out + 1] = ('"%s"'):format(name) end end
  return table.concat(out, ", ")
end

local function kind_of(what, name)
  local kind = type(name) == "string" and lr_scheduler._kinds[name:lower()]
  if kind or name == "constant" then return kind or nil end
  fault("%s: no schedule %s%s (%s, a list {name, option = …}, a scheduler of optim.lr_scheduler, or a function of " ..
    "epoch and epochs)", what, options.show(name),
    type(name) == "string" and suggest.hint(name, lr_scheduler._kinds) or "", names())
end

-- The kind's options among the settings, with what fit says of it where they are not given.
local function settings(what, kind, given, flat)
  local known, set = {}, {}
  for name in pairs(own) do known[name] = true end
  for name in kind.options:gmatch "([%w_]+):" do known[name] = true end
  for k, v in pairs(given) do if k ~= 1 then set[k] = v end end
  options.check(("%s: schedule = %q"):format(what, kind.fit.name), set, known)
  for k, v in pairs(flat) do set[k] = v end
  return set
end

-- Whether the schedule of this name has that option.
local function takes(what, name, option)
  local kind = kind_of(what, name)
  return kind and (" " .. kind.options):find("%s" .. option .. ":") ~= nil
end

-- What a row of fit's history has to be watched, with val and without.
local figures = {loss = "", acc = "", lr = "", val_loss = "val", val_acc = "val"}

-- Errors about what the settings lack, and about those that this kind does not look at.
local function sensible(what, kind, set, val)
  local name, given = kind.fit.name, kind.fit.given and kind.fit.given(1, {}) or {}
  for option, text in kind.options:gmatch "([%w_]+):(%S+)" do
    if not text:find "=" and set[option] == nil and given[option] == nil then
      fault('%s: schedule = "%s" wants %s: schedule = {"%s", %s = …}', what, name, option, name, option)
    end
  end
  if set.warmup_factor ~= nil and set.warmup == nil then fault("%s: schedule: warmup_factor goes with warmup", what) end
  local monitor = set.monitor
  if monitor == nil then return end
  if not kind.fit.measured then fault('%s: schedule = "%s" watches no figure: monitor is of "plateau"', what, name) end
  local wants = figures[monitor]
  if not wants then
    fault("%s: schedule: there is no figure %s to be watched%s (loss, acc, lr, val_loss, val_acc)", what,
      options.show(monitor), type(monitor) == "string" and suggest.hint(monitor, figures) or "")
  end
  if wants == "val" and not val then
    fault("%s: schedule: monitor = %q, but there is no val to measure it on: val = a dataset", what, monitor)
  end
end

--- schedule.new(what, o): the option as an object, or a function(epoch) → the factor on the base rates. what: who asks;
-- o: the options of fit (schedule, epochs, val, step_size, gamma).
function Schedule.new(what, o)
  local given = o.schedule
  if type(given) == "function" then
    return function(epoch)
      local factor = given(epoch, o.epochs)
      if type(factor) ~= "number" or not (factor >= 0) then
        fault("%s: schedule gave %s for epoch %d, a number of 0 or above is expected", what, options.show(factor),
          epoch)
      end
      return factor
    end
  end
  for _, name in ipairs {"step_size", "gamma"} do
    if o[name] ~= nil and (type(given) == "table" or not takes(what, given, name)) then
      fault("%s: %s is no option of %s", what, name, type(given) == "string" and ("schedule = %q"):format(given) or
        "a schedule in a table: {name, option = …}")
    end
  end
  local self = setmetatable({what = what}, Schedule)
  if scheduler.is(given) then
    self.made, self.by = given, "epoch"
    return self
  end
  local list = type(given) == "table" and not getmetatable(given) and given or {given}
  local kind = kind_of(what, list[1])
  if not kind then return function() return 1 end end
  local set = settings(what, kind, list, {step_size = o.step_size, gamma = o.gamma})
  sensible(what, kind, set, o.val)
  self.kind, self.by, self.warmup = kind, set.by or kind.fit.by or "epoch", set.warmup
  self.factor, self.monitor = set.warmup_factor or 0.01, set.monitor
  if self.by ~= "epoch" and self.by ~= "step" then
    fault('%s: schedule: by is "epoch" or "step", got %s', what, options.show(self.by))
  end
  if self.warmup ~= nil and not (math.type(self.warmup) == "integer" and self.warmup > 0) then
    fault("%s: schedule: warmup is a number of %ss above 0, got %s", what, self.by, options.show(self.warmup))
  end
  if kind.fit.measured and self.by == "step" then
    fault('%s: schedule = "%s" looks at the figures of an epoch: by = "step" makes no sense', what, kind.fit.name)
  end
  if self.warmup and (kind.fit.measured or kind.fit.by == "step") then
    fault('%s: schedule = "%s" takes no warmup%s', what, kind.fit.name,
      kind.fit.by and ": it begins low by itself" or "")
  end
  for name in pairs(own) do set[name] = nil end
  self.set = set
  return self
end

-- The scheduler over this optimizer; total: how many epochs (or steps) there will be.
local function make(self, optimizer, total)
  local kind, rates, set = self.kind, {}, {}
  scheduler.forget(optimizer)
  for i, group in ipairs(optimizer.param_groups) do rates[i] = group.lr end
  if self.warmup and self.warmup >= total then
    fault("%s: schedule: a warmup of %d %ss leaves nothing of %d", self.what, self.warmup, self.by, total)
  end
  total = total - (self.warmup or 0)
  for k, v in pairs(kind.fit.given and kind.fit.given(total, rates) or {}) do set[k] = v end
  for k, v in pairs(self.set) do set[k] = v end
  if not self.warmup then return kind.make(optimizer, set) end
  local up = lr_scheduler.LinearLR(optimizer, {start_factor = self.factor, total_iters = self.warmup})
  local main = kind.make(optimizer, set)
  return lr_scheduler.SequentialLR(optimizer, {schedulers = {up, main}, milestones = {self.warmup}})
end

--- s:begin(optimizer, epochs, steps): the rates are the schedule's from now on: of the first epoch, or as s:pause left
-- them. epochs, steps: how many there will be, those behind it included.
function Schedule:begin(optimizer, epochs, steps)
  self.total = steps
  if self.made then
    if self.made.optimizer ~= optimizer then
      fault("%s: the schedule is of another optimizer: optimizer = opt, schedule = optim.lr_scheduler.%s(opt, …)",
        self.what, self.made.kind)
    end
  else
    self.made = make(self, optimizer, self.by == "step" and steps or epochs)
    if self.state then self.made:load_state_dict(self.state) end
  end
  scheduler.resume(self.made)
end

--- s:stepped(): an optimizer has made a step. Behind the last one the rates stay.
function Schedule:stepped()
  if self.by == "step" and self.made.last_epoch < self.total - 1 then self.made:step() end
end

--- s:ended(row): an epoch has ended, with these figures.
function Schedule:ended(row)
  if self.by == "step" then return end
  local measured = self.kind and self.kind.fit.measured or self.made.kind == "ReduceLROnPlateau"
  if not measured then return self.made:step() end
  local name = self.monitor or row.val_loss and "val_loss" or "loss"
  if type(row[name]) ~= "number" then
    fault("%s: schedule: epoch %d has no figure %s to be watched", self.what, row.epoch, options.show(name))
  end
  self.made:step(row[name])
end

--- s:state_dict(), s:load_state_dict(sd): where it stands.
function Schedule:state_dict() return self.made and self.made:state_dict() or self.state end
function Schedule:load_state_dict(sd)
  self.state = sd
  if self.made and sd then self.made:load_state_dict(sd) end
end

return Schedule
