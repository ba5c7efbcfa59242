--- One step of a trainer: its batches, its gradients, its optimizer.
local beforehand = require "suture.train.beforehand"
local core = require "suture.core"
local fault = require "suture.base.fault"
local guard = require "suture.train.guard"
local interrupt = require "suture.base.interrupt"
local losses = require "suture.train.loss"
local note = require "suture.base.note"
local optim = require "suture.optim"
local options = require "suture.base.options"
local graph = core.graph

local step = {}

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

-- Names the parameters that are to train and that no gradient has reached: parts that the forward never calls, mostly.
function step:_unreached()
  local names = {}
  for name, p in self.model:named_parameters() do
    if p.requires_grad and not p.grad then names[#names + 1] = name end
  end
  if #names == 0 then return end
  local more = #names > 3 and (" and %d more"):format(#names - 3) or ""
  note(("%s: no gradient reaches %s%s, so nothing of it learns · m:audit() tells what never runs"):format(self.what,
    table.concat(names, ", ", 1, math.min(3, #names)), more))
end

-- The loss of a batch, and its logits; nothing where kept values do not fit any more.
function step:_loss(x, y, at)
  local kept = at and self._session.kept
  local loss, logits
  do
    local watch <close> = kept and kept:watch(x)
    loss, logits = self:_objective().train(self.model, x, y, not self._checked and self.data)
  end
  self._checked = true
  for _, part in ipairs(self._parts) do
    if part.loss then
      loss = part:loss(self, loss, logits, x, at)
      if not loss then return end
    end
  end
  if kept then
    if at.from_cache then
      if kept.stray or not kept:give(at.view, loss, x, at.places) then return end
    else
      if at.k == 1 or kept.stray then kept:look(loss, x) end
      kept:keep(at.view, loss, x, at.places, y)
    end
  end
  if not loss.requires_grad then fault("%s: the loss does not depend on any parameter that trains", self.what) end
  return loss, logits
end

-- What is between backward and the step → false where gradients are not finite.
function step:_gradients()
  local o = self.options
  if o.reduce then o.reduce(self) end
  self:_each "gradients"
  return not o.clip or finite(optim.clip_grad_norm_(self.model:parameters(), o.clip))
end

-- An error about a loss or gradients that are not finite; the weights are as before.
function step:_not_finite(value, at)
  local g = self._guard
  local where = guard.first_bad(self.model, g) or "the output"
  g.good.restore()
  g.settled.save()
  self.optimizer:zero_grad()
  fault("%s: the loss is %s at epoch %d step %d: %s is not finite · the model has the last good weights · " ..
    "a smaller lr (now %g) or clip = 1 may help", self.what, options.show(value), at and at.epoch or self.epoch + 1,
    at and at.k or self.steps + 1, where, self.optimizer.param_groups[1].lr)
end

-- Looks at what the last step of an epoch made of the weights: no loss has told yet.
function step:_finite_weights(at)
  if not guard.parameters(self._guard) then self:_not_finite(self._value, at) end
end

-- The step of an optimizer that asks for the loss itself, several times; the first is there already.
function step:_closure(x, y, at, loss, value)
  local optimizer = self.optimizer
  local again = false
  optimizer:step(function()
    if again then
      optimizer:zero_grad()
      loss = self:_loss(x, y, at)
      loss:backward()
      if not self:_gradients() or not finite(loss:item()) then self:_not_finite(loss:item(), at) end
    end
    again = true
    return loss
  end)
  return value
end

-- One batch; returns the loss, how many were right (nil: that makes no sense) and of how many, or nothing where kept
-- values do not fit any more. Weights change only at the end of the batch that completes a step (accumulate), in one
-- piece; a step that does not come to its end leaves nothing, the statistics that its forward passes would have moved
-- included. at: where an epoch is: {epoch, k, view, places, from_cache, last}.
function step:_step(x, y, at)
  local o, optimizer, g = self.options, self.optimizer, self._guard
  if not (at and at.from_cache) then
    if not self.data.view then
      beforehand.check_numbers(self.what, self.data, x, y, at and at.places,
        at and (" at epoch %d step %d"):format(at.epoch, at.k))
    end
    for _, part in ipairs(self._parts) do if part.batch then x, y = part:batch(self, x, y, at) end end
  end
  local done, halfway = false, false
  local undone <close> = setmetatable({}, {__close = function()
    if done then return end
    local whole <close> = interrupt.defer()
    graph.drop_effects()
    collectgarbage()
    if halfway then g.good.restore() end
    g.settled.restore()
    self._part = nil
  end})
  local sum = self._part or {batches = 0, counts = 0} -- of the batches that make one step
  if sum.batches == 0 then optimizer:zero_grad() end
  local loss, logits = self:_loss(x, y, at)
  if not loss then return end
  local hard = self:_classes(self.data) and #y.shape == 2 and y:argmax(1) or y
  local right = losses.right(logits, self:_classes(self.data), hard)
  local counts = self:_each("share", at)
  local share = (counts or o.accumulate > 1) and (counts or 1) * self:_objective().counts(y) or nil
  local n = (counts or 1) * y.shape[1]
  if share then (loss * share):backward() else loss:backward() end
  if self.steps == 0 and sum.batches == 0 and not o.quiet then self:_unreached() end
  local value = loss:item()
  right = right and (counts or 1) * right:item()
  local all = self:_each("sums", {value * (share or 1), right or 0, n, share or 1})
  if all then value, right, n, share = all[1] / all[4], right and all[2], all[3], all[4] end
  sum.batches, sum.counts = sum.batches + 1, sum.counts + (share or 1)
  if finite(value) and sum.batches < o.accumulate and not (at and at.last) then
    self._part, done = sum, true
    return value, right, n
  end
  if finite(value) then self:_each "reduce" end
  if share then
    for p in self.model:parameters() do if p.grad then p.grad:div_(sum.counts) end end
  end
  local fine = finite(value) and self:_gradients() and guard.statistics(g)
  self._rate = optimizer.param_groups[1].lr -- of this step, whatever a schedule makes of it behind it
  if optimizer.closure and fine then
    g.good.save()
    halfway = true
    self:_closure(x, y, at, loss)
    halfway = false
  end
  local whole <close> = interrupt.defer()
  if not fine then self:_not_finite(value, at) end
  if not optimizer.closure then
    g.good.save()
    optimizer:step()
  end
  g.settled.save()
  self._part, self.steps, self._value, done = nil, self.steps + 1, value, true
  self:_each "stepped"
  if self._session and self._session.scheduled then self.schedule:stepped() end
  return value, right, n
end

--- t:step(x, y): one training step on a batch: forward, loss, backward, options.reduce, clip, the optimizer's step
-- (with accumulate = k: at the end of every k batches). Returns the loss and how many were right (nil where the
-- targets are no classes). After an error, a loss that is not finite or Ctrl-C the model is as after the last whole
-- step. Like optimizer:step(), it leaves nothing in history().
function step:step(x, y)
  if not core.tensor.is(x) or not core.tensor.is(y) then
    fault("t:step: expects a batch, t:step(x, y), got %s and %s", options.show(x), options.show(y))
  end
  local m = self.model
  if not m.training then m:train() end
  if not self._session and not (self._guard and guard.fits(self._guard, m)) then self._guard = guard.new(m) end
  local value, right = self:_step(x, y)
  if not self._part then self:_told {epoch = self.epoch + 1, step = self.steps, loss = value, correct = right} end
  return value, right
end

function step:_told(row)
  if self.options.on_step then
    row.steps, row.lr = self.steps, self._rate
    self.options.on_step(row, self)
  end
end

return step
