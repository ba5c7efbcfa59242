--- A trainer: a model, its data and its optimizer, and how far training is. fit is a trainer that runs.
local beforehand = require "suture.train.beforehand"
local best = require "suture.train.best"
local chosen = require "suture.train.chosen"
local class = require "suture.base.class"
local core = require "suture.core"
local fault = require "suture.base.fault"
local guard = require "suture.train.guard"
local interrupt = require "suture.base.interrupt"
local journal = require "suture.base.journal"
local losses = require "suture.train.loss"
local marks = require "suture.train.marks"
local measure = require "suture.train.evaluate"
local mode = require "suture.train.mode"
local note = require "suture.base.note"
local optim = require "suture.optim"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local refill = require "suture.train.refill"
local Result = require "suture.train.result"
local sampler = require "suture.data.sampler"
local schedules = require "suture.train.schedule"
local states = require "suture.train.states"
local teaching = require "suture.train.teaching"
local trunk = require "suture.train.trunk"
local writer = require "suture.train.runs.writer"
local graph = core.graph

local known = [[val:any=nil epochs:any=10 batch:count=32 optimizer:any=sgd loss:any=nil reduce:fn=nil
  schedule:any=constant step_size:count=nil gamma:rate=0.1 label_smoothing:prob=0 clip:positive=nil
  patience:count=5 min_delta:rate=0 max_epochs:count=200 best:any=nil drop_last:bool=nil
  cache:any=true cache_mb:rate=2048 seed:int=nil threads:natural=nil quiet:bool=false on_epoch:fn=nil on_step:fn=nil
  run:any=nil sampler:any=nil teacher:module=nil temperature:positive=4 teacher_weight:prob=0.9 ]]

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

--- trainer(m, train[, opts]): what fit does, to be driven by hand: t = trainer(m, train, {val = val}); t:run() is
-- fit(m, train, {val = val}). opts: as for fit. Its state is in sight, and may be changed between steps:
--   model, data, val      what is trained, on what, and what it is measured on
--   optimizer, schedule   the optimizer; the factor on its rates for an epoch: a function of the epoch, from 0
--   epoch, steps          how many epochs and steps are behind it        history   the figures of each epoch
--   seed                  of order and augmentation
--   best                  {epoch =, value =}: the best epoch so far, and the figure it was chosen by
--   options               opts with all defaults; loss, reduce, clip, on_step, on_epoch are read from it at every step
-- Methods: t:step(x, y), t:train_epoch(), t:validate(), t:run(), t:state_dict(), t:load_state_dict(sd).
local Trainer = class "Trainer"

local public = {model = true, data = true, val = true, optimizer = true, schedule = true, epoch = true, steps = true,
  seconds = true,
  seed = true, history = true, best = true, options = true, interrupted = true, converged = true, what = true}

function Trainer:__newindex(name, value)
  if not public[name] and tostring(name):sub(1, 1) ~= "_" then options.check("trainer", {[name] = value}, public) end
  rawset(self, name, value)
end

-- Options that refuse a name that would not be looked at.
local function watched(what, o)
  local names = {}
  for name in (known .. chosen.signature()):gmatch "([%w_]+):" do names[name] = true end
  return setmetatable(o, {__name = "options", __newindex = function(_, name, value)
    options.check(what, {[name] = value}, names)
    rawset(o, name, value)
  end})
end

-- Checks all arguments; what: the function that errors name; listener: f(trainer) → what writes its run.
local function begin(self, what, m, train, opts, listener)
  measure.check_model(what, m)
  train = measure.check_dataset(what, train)
  local o = options.named(what, known .. chosen.signature())(opts)
  if o.val ~= nil then o.val = measure.check_dataset(what .. ": val", o.val) end
  trunk.check(what, o.cache)
  local converge = o.epochs == "converge"
  if not converge and not (math.type(o.epochs) == "integer" and o.epochs >= 0) then
    fault('%s: epochs expects a whole number or "converge", got %s', what, options.show(o.epochs))
  end
  if converge then o.epochs = o.max_epochs end
  if o.best == nil then o.best = converge end
  local val = o.val
  local _, trained = guard.movable(m)
  if trained == 0 then
    fault("%s: nothing to train: no parameter requires a gradient · m:unfreeze(\"fc\") or a new head " ..
      "(m:reset_head(n)) would", what)
  end
  local renamed
  train, renamed = beforehand.trained(m, train)
  if val and train:labels() and val:labels() then
    val = beforehand.aligned(what .. ": val", val, train.classes, "those it trains on",
      "val:filter(f) leaves samples out, data.folder(path, {classes = …}) reads some classes")
  end
  self._best_by = best.new(what, o.best, val ~= nil, (val or train):labels() ~= nil)
  self.what, self._converge, self.model, self.data, self.val, self.options = what, converge, m, train, val,
    watched(what, o)
  losses.objective(what, o.loss, o.label_smoothing)
  self._given, self._listeners = opts or {}, {}
  self._teaching = teaching.new(what, o, self._given, m, train)
  sampler.weights(what, train, o.sampler)
  local stray
  self.optimizer, stray = chosen.new(what, m, o)
  self.schedule = schedules(o)
  self.seed = o.seed or core.engine.draw()
  self.epoch, self.steps, self.seconds, self.history = 0, 0, 0, {}
  self.best = {value = self._best_by.worst, since = 0}
  if o.run ~= nil then self._listeners[1] = (listener or writer.new)(self) end
  local absent = val and val:labels() and #train.classes > 0 and beforehand.absent(val, train.classes)
  for _, line in ipairs {stray or false, renamed or false, absent and "val has no sample of " .. absent or false} do
    if line and not o.quiet then note(what .. ": " .. line) end
  end
end

-- Tells those who listen: "begin" of a session, "epoch" (row) when one is over and judged, "trained" before the best
-- weights are put back, "closed" (err or nil) at a session's end. A listener is an object with methods of these names.
function Trainer:_tell(event, ...)
  for _, listener in ipairs(self._listeners) do if listener[event] then listener[event](listener, self, ...) end end
end

function Trainer:init(m, train, opts) begin(self, "trainer", m, train, opts) end

-- The same for another function, which errors and notes name.
function Trainer._of(what, m, train, opts, listener)
  local self = setmetatable({}, Trainer)
  begin(self, what, m, train, opts, listener)
  return self
end

-- The loss as the options have it now.
function Trainer:_objective()
  local o = self.options
  if self._made == nil or self._made_of ~= o.loss then
    self._made, self._made_of = losses.objective(self.what, o.loss, o.label_smoothing), o.loss
  end
  return self._made
end

-- Whether the targets of a dataset are classes.
function Trainer:_classes(ds)
  self._labelled = self._labelled or {}
  if self._labelled[ds] == nil then self._labelled[ds] = ds:labels() ~= nil end
  return self._labelled[ds]
end

-- ---- one step ----

-- Names the parameters that are to train and that no gradient has reached: parts that the forward never calls, mostly.
function Trainer:_unreached()
  local names = {}
  for name, p in self.model:named_parameters() do
    if p.requires_grad and not p.grad then names[#names + 1] = name end
  end
  if #names == 0 then return end
  local more = #names > 3 and (" and %d more"):format(#names - 3) or ""
  note(("%s: no gradient reaches %s%s, so nothing of it learns · m:audit() tells what never runs"):format(self.what,
    table.concat(names, ", ", 1, math.min(3, #names)), more))
end

-- One step; returns the loss and how many were right (nil: that makes no sense), or nothing where kept values do not
-- fit any more. Weights change only at its end, in one piece; a step that does not come to its end leaves nothing, the
-- statistics that its forward pass would have moved included. at: where an epoch is: {epoch, k, view, places,
-- from_cache}.
function Trainer:_step(x, y, at)
  local m, o, optimizer, g = self.model, self.options, self.optimizer, self._guard
  if not (at and at.from_cache) and not self.data.view then
    beforehand.check_numbers(self.what, self.data, x, y, at and at.places,
      at and (" at epoch %d step %d"):format(at.epoch, at.k))
  end
  local done = false
  local undone <close> = setmetatable({}, {__close = function()
    if done then return end
    local whole <close> = interrupt.defer()
    graph.drop_effects()
    collectgarbage()
    g.settled.restore()
  end})
  optimizer:zero_grad()
  local loss, logits
  local kept = at and self._session.kept
  do
    local watch <close> = kept and kept:watch(x)
    loss, logits = self:_objective().train(m, x, y, not self._checked and self.data)
  end
  self._checked = true
  if self._teaching then
    loss = self._teaching:add(loss, logits, x, at, kept)
    if not loss then return end
  end
  local right = losses.right(logits, self:_classes(self.data), y)
  if kept then
    if at.from_cache then
      if kept.stray or not kept:give(at.view, loss, x, at.places) then return end
    else
      if at.k == 1 or kept.stray then kept:look(loss, x) end
      kept:keep(at.view, loss, x, at.places, y)
    end
  end
  if not loss.requires_grad then fault("%s: the loss does not depend on any parameter that trains", self.what) end
  loss:backward()
  if self.steps == 0 and not o.quiet then self:_unreached() end
  local value = loss:item()
  if o.reduce then o.reduce(self) end
  local whole <close> = interrupt.defer()
  local bad = not finite(value)
  local norm = not bad and o.clip and optim.clip_grad_norm_(m:parameters(), o.clip)
  if norm and not finite(norm) then bad = true end
  if bad then
    local where = guard.first_bad(m) or "the output"
    g.good.restore()
    g.settled.save()
    optimizer:zero_grad()
    fault("%s: the loss is %s at epoch %d step %d: %s is not finite · the model has the last good weights · " ..
      "a smaller lr (now %g) or clip = 1 may help",
      self.what, options.show(value), at and at.epoch or self.epoch + 1, at and at.k or self.steps + 1, where,
        optimizer.param_groups[1].lr)
  end
  g.good.save()
  optimizer:step()
  g.settled.save()
  self.steps, done = self.steps + 1, true
  return value, right and right:item()
end

--- t:step(x, y): one training step on a batch: forward, loss, backward, options.reduce, clip, the optimizer's step.
-- Returns the loss and how many were right (nil where the targets are no classes). After an error, a loss that is not
-- finite or Ctrl-C the model is as after the last whole step. Like optimizer:step(), it leaves nothing in history().
function Trainer:step(x, y)
  if not core.tensor.is(x) or not core.tensor.is(y) then
    fault("t:step: expects a batch, t:step(x, y), got %s and %s", options.show(x), options.show(y))
  end
  local m = self.model
  if not m.training then m:train() end
  if not self._session and not (self._guard and guard.fits(self._guard, m)) then self._guard = guard.new(m) end
  local value, right = self:_step(x, y)
  self:_told {epoch = self.epoch + 1, step = self.steps, loss = value, correct = right}
  return value, right
end

function Trainer:_told(row)
  if self.options.on_step then
    row.steps, row.lr = self.steps, self.optimizer.param_groups[1].lr
    self.options.on_step(row, self)
  end
end

-- ---- a stretch of epochs ----

-- Opens what lasts for a run, or for one epoch by hand: the state to come back to by undo, copies, the kept trunk.
-- Returns a value to be closed, which leaves the optimizer's rates as they were and no gradients, after an error too.
-- Inside another: nothing.
function Trainer:_begin()
  if self._session then return nil end
  local m, o, optimizer = self.model, self.options, self.optimizer
  local base = {}
  for i, group in ipairs(optimizer.param_groups) do base[i] = group.lr end
  local change = journal.begin {label = "fit", apart = true, keeps = true}
  m:_announce()
  local session = {base = base}
  self._session = session
  local ended = setmetatable({}, {__close = function(_, err)
    optimizer:zero_grad()
    for i, group in ipairs(optimizer.param_groups) do if base[i] then group.lr = base[i] end end
    local told, why = pcall(self._tell, self, "closed", err)
    self._session, self._guard = nil, nil
    local last = self.history[#self.history]
    if last then
      change.label = ("fit: %d epoch%s, loss %.4g"):format(#self.history, #self.history == 1 and "" or "s", last.loss)
    end
    journal.close(change, err)
    if not told and err == nil then error(why, 0) end
  end})
  local ok, err = pcall(function()
    if not m.training then m:train() end
    self._guard = guard.new(m)
    if o.best or o.run ~= nil then session.best = self._best_weights or guard.copy(self._guard.moving) end
    session.kept = trunk.new(self.data, o, self.data.random)
    local said
    session.drop_last, said = beforehand.drop_last(self.what, m, self.data, o.batch, o.drop_last,
      self:_objective().train)
    if said and not o.quiet and self.steps == 0 then note(self.what .. ": " .. said) end
    session.kept_val = self.val and trunk.new(self.val, o, false)
    refill.begin(self)
    self:_tell "begin"
  end)
  if not ok then
    getmetatable(ended).__close(ended, err)
    error(err, 0)
  end
  return ended
end

-- Calls f(…) until Ctrl-C.
function Trainer:_interruptible(f, ...)
  local ok, err = pcall(f, ...)
  if ok then return end
  if not interrupt.is(err) then error(err, 0) end
  self.interrupted = interrupt.take() or interrupt.last() or "SIGINT"
  local whole <close> = interrupt.defer()
  graph.drop_effects()
  collectgarbage()
end

-- The validation loss and accuracy in a session. What is frozen in a training pass is kept here too: what only an
-- evaluating one finds frozen (statistics that move between epochs) is not.
function Trainer:_measure()
  local m, o, val, objective = self.model, self.options, self.val, self:_objective()
  local kept, kept_val, classes = self._session.kept, self._session.kept_val, self:_classes(self.val)
  local loss, correct, count, fits = 0, 0, 0, nil
  local function one(x, y, places, from_cache)
    local sum, logits
    do
      local watch <close> = kept_val:watch(x)
      sum, logits = objective.total(m, x, y, count == 0 and val)
    end
    if from_cache then
      if kept_val.stray or not kept_val:give(0, sum, x, places) then return false end
    else
      if count == 0 or kept_val.stray then
        kept_val:look(sum, x)
        fits = kept_val.names == kept.names
      end
      if fits then kept_val:keep(0, sum, x, places, y) end
    end
    local right = losses.right(logits, classes, y)
    graph.eval {sum, right}
    loss, correct, count = loss + sum:item(), right and correct + right:item(), count + #places
    return true
  end
  mode.eval(m, function()
    local from_cache = kept_val:full(0) and kept_val.names == kept.names
    if from_cache then
      for _, places in ipairs(val:order(o.batch)) do
        from_cache = one(kept_val:stand_in(#places), kept_val:targets(0, places), places, true)
        if not from_cache then break end
      end
    end
    if not from_cache then
      loss, correct, count = 0, 0, 0
      for x, y, places in val:batches(o.batch, {augment = false, threads = o.threads}) do
        if not val.view then beforehand.check_numbers(self.what .. ": val", val, x, y, places) end
        one(x, y, places, false)
      end
    end
  end)
  return loss / count, correct and correct / count
end

--- t:validate(): the loss and the accuracy (nil where the targets are no classes) on val, in eval mode.
function Trainer:validate()
  if not self.val then fault("t:validate: there is nothing to measure on · trainer(m, train, {val = ds})") end
  if self._session then return self:_measure() end
  local r = measure.numbered(self.model, self.val, {batch = self.options.batch, threads = self.options.threads,
    loss = self.options.loss})
  return r.loss, r.acc
end

--- t:train_epoch(): one epoch, with its validation. Returns its figures, which t.history has too: {epoch, steps, loss,
-- acc, val_loss, val_acc, lr, seconds}; steps is 0 where Ctrl-C came before the first.
function Trainer:train_epoch()
  local session <close> = self:_begin()
  local soft <close> = session and interrupt.soft()
  if session then self.interrupted = nil end
  local o, optimizer, kept, train = self.options, self.optimizer, self._session.kept, self.data
  local epoch, base = self.epoch + 1, self._session.base
  local f = self.schedule(epoch - 1)
  for i, group in ipairs(optimizer.param_groups) do
    base[i] = base[i] or group.lr -- a group that was added on the way
    group.lr = base[i] * f
  end
  local pass = train:_pass(o.batch, {shuffle = true, seed = self.seed, epoch = epoch, threads = o.threads,
    drop_last = self._session.drop_last, sampler = o.sampler})
  local view = kept:view(epoch)
  local from_cache = kept:full(view)
  local line = progress.new(epoch, #pass.batches, o.quiet)
  local row = {epoch = epoch, steps = 0, lr = optimizer.param_groups[1].lr}
  local loss, correct, count, k = 0, 0, 0, 0
  local function step(x, y, places, cached)
    return self:_step(x, y, {epoch = epoch, k = k + 1, view = view, places = places, from_cache = cached})
  end
  local function after(value, right, n)
    loss, correct, count, k = loss + value * n, right and correct and correct + right, count + n, k + 1
    row.steps, row.loss, row.acc = k, loss / count, correct and correct / count or nil
    line:step(k, row)
    self:_told {epoch = epoch, step = k, loss = value, correct = right}
    self.interrupted = self.interrupted or interrupt.take()
    return self.interrupted
  end
  self:_interruptible(function()
    if from_cache then
      for _, places in ipairs(pass.batches) do
        local value, right = step(kept:stand_in(#places), kept:targets(view, places), places, true)
        if not value then -- on_epoch froze or thawed something: that pass is forgotten, this epoch computes all again
          from_cache = false
          break
        end
        if after(value, right, #places) then break end
      end
    end
    if not from_cache then
      for x, y, places in train:_go(pass) do
        local value, right = step(x, y, places, false)
        if after(value, right, #places) then break end
      end
    end
  end)
  if self.val and not self.interrupted then
    self:_interruptible(function() row.val_loss, row.val_acc = self:_measure() end)
  end
  if k == 0 then return row end
  marks.put(self)
  if from_cache then row.note = "(frozen trunk kept)" end
  row.seconds = line:seconds()
  line:finish(k, row)
  row.note = nil
  self.epoch = epoch
  self.history[epoch] = row
  if session then self:_tell("epoch", row) end -- else run() does when it has judged it
  return row
end

-- Takes note of an epoch's figures; true when the loss has not fallen for long enough.
function Trainer:_judge(row)
  local o, by, top, session = self.options, self._best_by, self.best, self._session
  local now = by.of(row, self)
  if by:better(now, top.value, o.min_delta) then
    top.value, top.since, top.epoch = now, 0, row.epoch
    if session.best then
      local whole <close> = interrupt.defer()
      session.best.save()
      self._best_weights = session.best
    end
  else
    top.since = top.since + 1
    return self._converge and top.since >= o.patience
  end
end

--- t:run(): trains up to options.epochs epochs, those behind it included, and returns what fit returns. After Ctrl-C it
-- may be called again, and goes on with the next epoch.
function Trainer:run()
  local o, m = self.options, self.model
  local session <close> = self:_begin()
  local soft <close> = interrupt.soft()
  local began = core.engine.clock()
  self.interrupted = nil
  local r = setmetatable({history = self.history, seconds = 0, seed = self.seed}, Result)
  while self.epoch < o.epochs and not self.converged do
    local row = self:train_epoch()
    if row.steps == 0 then break end -- Ctrl-C before the first one
    local kept = self._session.kept
    if row.epoch == 1 and not o.quiet and (self._guard.others or not kept.why) then note.remark(kept:text()) end
    if o.on_epoch then o.on_epoch(row, self) end
    if self.interrupted then break end
    if self:_judge(row) then self.converged = true end
    self:_tell("epoch", row)
  end
  self.interrupted = self.interrupted or interrupt.take() -- one that came behind the last step
  local whole <close> = interrupt.defer()
  self:_tell "trained"
  if o.best and self._session.best and self.best.epoch then self._session.best.restore() end
  self.seconds = self.seconds + core.engine.clock() - began
  r.best_epoch = o.best and self.best.epoch or nil
  r.best_by = r.best_epoch and self._best_by.name
  r.run = self._listeners[1] and self._listeners[1].path
  r.seconds, r.interrupted, r.converged = self.seconds, self.interrupted, self.converged
  return r
end

for name, f in pairs(states) do Trainer[name] = f end

function Trainer:__tostring()
  local last = self.history[#self.history]
  return ("trainer: epoch %d of %d, %d steps%s · %s"):format(self.epoch, self.options.epochs, self.steps,
    last and (" · loss %.4g acc %s"):format(last.loss, progress.accuracy_text(last.acc)) or "",
      tostring(self.optimizer))
end

require "suture.base.stray".guard(Trainer, "trainer:", true)

return Trainer
