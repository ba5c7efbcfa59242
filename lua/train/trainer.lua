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
local lines = require "suture.base.lines"
local last_of = require "suture.train.last"
local losses = require "suture.train.loss"
local marks = require "suture.train.marks"
local measure = require "suture.train.evaluate"
local mode = require "suture.train.mode"
local note = require "suture.base.note"
local options = require "suture.base.options"
local parts = require "suture.train.parts"
local progress = require "suture.train.progress"
local refill = require "suture.train.refill"
local Result = require "suture.train.result"
local Schedule = require "suture.train.schedule"
local scheduler = require "suture.optim.common.scheduler"
local states = require "suture.train.states"
local step = require "suture.train.step"
local trunk = require "suture.train.trunk"
local weights = require "suture.train.weights"
local graph = core.graph

local known = [[val:any=nil epochs:any=10 batch:any=32 memory:any=nil optimizer:any=sgd loss:any=nil reduce:fn=nil
  schedule:any=constant step_size:count=nil gamma:rate=nil label_smoothing:prob=0 class_weights:any=nil
  accumulate:count=1 clip:positive=nil
  patience:count=5 min_delta:rate=0 max_epochs:count=200 best:any=nil drop_last:bool=nil
  cache:any=true cache_mb:rate=2048 seed:int=nil threads:natural=nil quiet:bool=false on_epoch:fn=nil
  on_step:fn=nil ]] .. parts.signature()

for _, name in ipairs {"fit", "trainer"} do
  options.texts[name] = function() return known .. chosen.signature() end
end

--- trainer(m, train[, opts]): what fit does, to be driven by hand: t = trainer(m, train, {val = val}); t:run() is
-- fit(m, train, {val = val}). opts: as for fit. Its state is in sight, and may be changed between steps:
--   model, data, val      what is trained, on what, and what it is measured on
--   optimizer, schedule   the optimizer; how its rates go: an object, or a function of the epoch (from 0) that gives
--                         the factor on them
--   epoch, steps          how many epochs and optimizer steps are behind it     history   the figures of each epoch
--   seed                  of order and augmentation
--   best                  {epoch =, value =}: the best epoch so far, and the figure it was chosen by
--   options               opts with all defaults; loss, reduce, clip, accumulate, on_step, on_epoch are read from it at
--                         every step
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

-- Checks all arguments; what: the function that errors name; writer: f(trainer) → the part that writes its run.
local function begin(self, what, m, train, opts, writer)
  measure.check_model(what, m)
  train = measure.check_dataset(what, train)
  local o = options.named(what, known .. chosen.signature())(opts)
  if o.val ~= nil then o.val = measure.check_dataset(what .. ": val", o.val) end
  trunk.check(what, o.cache)
  if o.batch ~= "auto" and not (math.type(o.batch) == "integer" and o.batch > 0) then
    fault('%s: batch expects a whole number above 0 or "auto", got %s', what, options.show(o.batch))
  end
  if o.batch ~= "auto" and o.memory ~= nil then fault('%s: memory goes with batch = "auto"', what) end
  local converge = o.epochs == "converge"
  if not converge and not (math.type(o.epochs) == "integer" and o.epochs >= 0) then
    fault('%s: epochs expects a whole number or "converge", got %s', what, options.show(o.epochs))
  end
  if not converge and not o.best and opts and opts.min_delta ~= nil then
    fault('%s: min_delta goes with epochs = "converge" or best', what)
  end
  for _, name in ipairs {"patience", "max_epochs"} do
    if not converge and opts and opts[name] ~= nil then fault('%s: %s goes with epochs = "converge"', what, name) end
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
  if o.batch == "auto" then -- found out by the room above, which is loaded then
    o.batch = require "suture.train.rehearsal".largest(what, m, train, opts, o.memory)
    if not o.quiet then note(("%s: batch = %d"):format(what, o.batch)) end
  end
  self._best_by = best.new(what, o.best, val ~= nil, (val or train):labels() ~= nil)
  self.what, self._converge, self.model, self.data, self.val, self.options = what, converge, m, train, val,
    watched(what, o)
  self._weight = weights(what, o.class_weights, train)
  losses.objective(what, o.loss, o.label_smoothing, self._weight)
  self._given, self._writer = opts or {}, writer
  local stray
  self.optimizer, stray = chosen.new(what, m, o)
  if o.accumulate > 1 and self.optimizer.closure then
    fault("%s: accumulate = %d: %s asks for the loss several times a step, of one batch · accumulate = 1, and a " ..
      "larger batch", what, o.accumulate, self.optimizer.kind)
  end
  self.schedule = Schedule.new(what, o)
  self.seed = o.seed or core.engine.draw()
  self.epoch, self.steps, self.seconds, self.history = 0, 0, 0, Result.rows()
  self.best = {value = self._best_by.worst, since = 0}
  self._parts = parts.of(self)
  local absent = val and val:labels() and #train.classes > 0 and beforehand.absent(val, train.classes)
  for _, line in ipairs {stray or false, renamed or false, absent and "val has no sample of " .. absent or false} do
    if line and not o.quiet then note(what .. ": " .. line) end
  end
end

function Trainer:init(m, train, opts) begin(self, "trainer", m, train, opts) end

-- The same for another function, which errors and notes name.
function Trainer._of(what, m, train, opts, writer)
  local self = setmetatable({}, Trainer)
  begin(self, what, m, train, opts, writer)
  return self
end

-- The loss as the options have it now.
function Trainer:_objective()
  local o = self.options
  if self._made == nil or self._made_of ~= o.loss then
    self._made, self._made_of = losses.objective(self.what, o.loss, o.label_smoothing, self._weight), o.loss
  end
  return self._made
end

-- Asks all parts (train/parts).
function Trainer:_each(hook, ...) return parts.each(self._parts, hook, self, ...) end

-- f(…) while what training moves has the numbers that it is measured with.
function Trainer:_averaged(f, ...)
  local to, from = nil, nil
  for _, part in ipairs(self._parts) do if part.average then to, from = part:average(self) end end
  if not to then return f(...) end
  local raw = guard.copy(to)
  graph.eval(raw.tensors)
  local back <close> = setmetatable({}, {__close = function()
    local whole <close> = interrupt.defer()
    graph.drop_effects()
    raw.restore()
  end})
  core.rows.copy(to, from)
  return f(...)
end

-- Whether the targets of a dataset are classes.
function Trainer:_classes(ds)
  self._labelled = self._labelled or {}
  if self._labelled[ds] == nil then self._labelled[ds] = ds:labels() ~= nil end
  return self._labelled[ds]
end

-- ---- a stretch of epochs ----

-- Opens what lasts for a run, or for one epoch by hand: the state to come back to by undo, copies, the kept trunk.
-- Returns a value to be closed, which leaves the optimizer's rates as they were and no gradients, after an error too.
-- Inside another: nothing.
function Trainer:_begin()
  if self._session then return nil end
  local m, o, optimizer = self.model, self.options, self.optimizer
  local base = {}
  local function rates(f) for i, group in ipairs(optimizer.param_groups) do f(i, group) end end
  rates(function(i, group) base[i] = {lr = group.lr, moves = scheduler.momentum_of(group)} end)
  local change = not self._rehearsed and journal.begin {label = "fit", apart = true, keeps = true} -- of a copy: none
  m:_announce()
  local session = {base = base}
  self._session = session
  local ended = setmetatable({}, {__close = function(_, err)
    optimizer:zero_grad()
    rates(function(i, group)
      if base[i] then group.lr = base[i].lr end
      if base[i] and base[i].moves then scheduler.momentum(group, base[i].moves) end
    end)
    local told, why = pcall(self._each, self, "close", err)
    self._session, self._guard, self._part = nil, nil, nil
    local last = self.history[#self.history]
    if last and change then
      change.label = ("fit: %d epoch%s, loss %.4g"):format(#self.history, #self.history == 1 and "" or "s", last.loss)
    end
    if change then journal.close(change, err) end
    if not told and err == nil then error(why, 0) end
  end})
  local ok, err = pcall(function()
    if not m.training then m:train() end
    self._guard = guard.new(m)
    if o.best or o.run ~= nil then session.best = self._best_weights or guard.copy(self._guard.moving) end
    session.kept = trunk.new(self.data, o, self.data.random)
    for _, part in ipairs(self._parts) do session.kept.never = session.kept.never or part.mixes end
    local said
    session.drop_last, said = beforehand.drop_last(self.what, m, self.data, o.batch, o.drop_last,
      self:_objective().train)
    if said and not o.quiet and self.steps == 0 then note(self.what .. ": " .. said) end
    if type(self.schedule) ~= "function" then
      local batches = session.drop_last and #self.data // o.batch or math.ceil(#self.data / o.batch)
      self.schedule:begin(optimizer, o.epochs, o.epochs * math.ceil(batches / o.accumulate))
    end
    self:_each "begin"
    session.val = self.val and (self:_each("measured", self.val) or self.val)
    session.kept_val = session.val and trunk.new(session.val, o, false)
    refill.begin(self)
    self:_each "opened"
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
  self.interrupted = interrupt.answered(err)
  local whole <close> = interrupt.defer()
  graph.drop_effects()
  collectgarbage()
end

-- The validation loss and accuracy in a session. What is frozen in a training pass is kept here too: what only an
-- evaluating one finds frozen (statistics that move between epochs) is not.
function Trainer:_measure()
  local m, o, val, objective = self.model, self.options, self._session.val, self:_objective()
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
  local all = self:_each("sums", {loss, correct or 0, count})
  if all then loss, correct, count = all[1], correct and all[2], all[3] end
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

-- How an epoch goes over the training data; 0: as it lies, all of it once.
function Trainer:_pass(epoch)
  local set = {seed = self.seed, epoch = epoch, threads = self.options.threads}
  if epoch > 0 then
    set.shuffle, set.drop_last = true, self._session.drop_last
    self:_each("pass", set)
  end
  local pass = self.data:_pass(self.options.batch, set)
  if epoch > 0 then self:_each("shard", pass) end
  return pass
end

-- The name of the signal that training stops by behind this step, or nil.
function Trainer:_stop()
  local stop = interrupt.take()
  local all = self:_each("sums", {stop and 1 or 0})
  if all and all[1] == 0 then return nil end
  return stop or all and "SIGINT"
end

-- An epoch begins: its rates; what was thawed meanwhile is guarded too.
function Trainer:_starts(epoch)
  local optimizer, session, g = self.optimizer, self._session, self._guard
  if not guard.fits(g, self.model) then
    chosen.held(self.what, self.model, optimizer) -- a new head, sewn on meanwhile, would never move
    self._guard = guard.new(self.model)
    if session.best then
      session.best = guard.widened(session.best, g.moving, self._guard.moving)
      self._best_weights = self._best_weights and session.best
    end
  end
  self:_each("starts", epoch)
  session.scheduled = false
  if self:_each("rates", epoch) then return end
  if type(self.schedule) ~= "function" then
    session.scheduled = true
    if #optimizer.param_groups ~= #session.base then
      fault("%s: a group was added while a schedule runs, which has no rate for it: add it before, or " ..
        "schedule = function(epoch, epochs) … end", self.what)
    end
    return
  end
  local f = self.schedule(epoch - 1)
  for i, group in ipairs(optimizer.param_groups) do
    session.base[i] = session.base[i] or {lr = group.lr} -- a group that was added on the way
    group.lr = session.base[i].lr * f
  end
end

-- The weights that a run ends with: those of the best epoch, an average, or as they are.
function Trainer:_finish()
  local best = self.options.best and self._session.best and self.best.epoch ~= nil
  if best then
    local whole <close> = interrupt.defer()
    self._session.best.restore()
  end
  self:_each("finish", best)
end

--- t:train_epoch(): one epoch, with its validation. Returns its figures, which t.history has too: {epoch, steps, loss,
-- acc, val_loss, val_acc, lr, seconds}; steps is 0 where Ctrl-C came before the first.
function Trainer:train_epoch()
  local session <close> = self:_begin()
  local soft <close> = session and interrupt.soft()
  if session then self.interrupted = nil end
  local o, optimizer, kept = self.options, self.optimizer, self._session.kept
  local epoch = self.epoch + 1
  self:_interruptible(self._starts, self, epoch)
  local row = {epoch = epoch, steps = 0, lr = optimizer.param_groups[1].lr}
  if self.interrupted then return row end
  local pass = self:_pass(epoch)
  local view = kept:view(epoch)
  local from_cache = kept:full(view)
  local line = progress.new(epoch, #pass.batches, o.quiet, self.history)
  local loss, correct, count, k = 0, 0, 0, 0
  local function step(x, y, places, cached)
    return self:_step(x, y, {epoch = epoch, k = k + 1, view = view, places = places, from_cache = cached,
      last = k + 1 == #pass.batches})
  end
  local function after(value, right, n)
    loss, correct, count, k = loss + value * n, right and correct and correct + right, count + n, k + 1
    row.steps, row.loss, row.acc = k, loss / count, correct and correct / count or nil
    line:step(k, row)
    if not self._part then self:_told {epoch = epoch, step = k, loss = value, correct = right} end
    self.interrupted = self.interrupted or self:_stop()
    return self.interrupted
  end
  self:_interruptible(function()
    if from_cache then
      for _, places in ipairs(pass.batches) do
        local value, right, n = step(kept:stand_in(#places), kept:targets(view, places), places, true)
        from_cache = value ~= nil -- on_epoch froze or thawed something: that pass is forgotten, all is computed again
        if not value or after(value, right, n) then break end
      end
    end
    if not from_cache then
      for x, y, places in self.data:_go(pass) do
        if after(step(x, y, places, false)) then break end
      end
    end
  end)
  if self._part then -- stopped between batches of one step
    optimizer:zero_grad()
    self._guard.settled.restore()
    self._part = nil
  end
  if k > 0 then self:_finite_weights {epoch = epoch, k = k} end
  if self.val and not self.interrupted then
    self:_interruptible(function()
      row.val_loss, row.val_acc = self:_averaged(function() return self:_measure() end)
    end)
  end
  if k == 0 then return row end
  marks.put(self)
  if from_cache then row.note = "(frozen trunk kept)" end
  row.seconds = line:seconds()
  line:finish(k, row)
  row.note = nil
  self.epoch = epoch
  self.history[epoch] = row
  self:_each("ended", row)
  if self._session.scheduled and not self:_each("rates", epoch + 1) then self.schedule:ended(row) end
  if session then self:_each("judged", row) end -- else run() does when it has judged it
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
      self:_averaged(session.best.save)
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
  local soft <close> = interrupt.soft()
  lines.training = self.model
  local began = core.engine.clock()
  self.interrupted = nil
  local r = setmetatable({history = self.history, seconds = 0, seed = self.seed}, Result)
  local ok, opened = pcall(self._begin, self)
  if not ok then
    self.interrupted = interrupt.answered(opened)
    r.interrupted = self.interrupted
    return r
  end
  local session <close> = opened
  self:_interruptible(function()
    while self.epoch < math.min(o.epochs, self._until or o.epochs) and not self.converged do
      local row = self:train_epoch()
      if row.steps == 0 then break end -- Ctrl-C before the first one
      local kept = self._session.kept
      if row.epoch == 1 and not o.quiet and (self._guard.others or not kept.why) then note.remark(kept:text()) end
      if o.on_epoch then o.on_epoch(row, self) end
      if self.interrupted then break end
      if self:_judge(row) then self.converged = true end
      self:_each("judged", row)
    end
  end)
  self.interrupted = self.interrupted or self:_stop() -- one that came behind the last step
  local whole <close> = interrupt.defer()
  self:_each "trained"
  self:_finish()
  self.seconds = self.seconds + core.engine.clock() - began
  r.best_epoch = o.best and self.best.epoch or nil
  r.best_by = r.best_epoch and self._best_by.name
  r.seconds, r.interrupted, r.converged = self.seconds, self.interrupted, self.converged
  self:_each("result", r)
  last_of[m] = r
  return r
end

for _, methods in ipairs {step, states} do
  for name, f in pairs(methods) do Trainer[name] = f end
end

function Trainer:__tostring()
  local last = self.history[#self.history]
  return ("trainer: epoch %d of %d, %d steps%s · %s"):format(self.epoch, self.options.epochs, self.steps,
    last and (" · loss %.4g acc %s"):format(last.loss, progress.accuracy_text(last.acc)) or "",
      tostring(self.optimizer))
end

require "suture.base.stray".guard(Trainer, "trainer:", true)

return Trainer
