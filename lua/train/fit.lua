--- fit: train a model on a dataset.
local chosen = require "suture.train.chosen"
local core = require "suture.core"
local F = require "suture.nn.functional"
local tensor = require "suture.tensor"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local losses = require "suture.train.loss"
local measure = require "suture.train.evaluate"
local mode = require "suture.train.mode"
local note = require "suture.base.note"
local optim = require "suture.optim"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local schedules = require "suture.train.schedule"
local trunk = require "suture.train.trunk"
local graph, rows = core.graph, core.rows

local own = [[val:any=nil epochs:any=10 batch:count=32 optimizer:any=sgd
  schedule:any=constant step_size:count=nil gamma:rate=0.1 label_smoothing:prob=0 clip:positive=nil
  patience:count=5 min_delta:rate=0 max_epochs:count=200 best:bool=nil
  cache:any=true cache_mb:rate=2048 seed:int=nil threads:natural=nil quiet:bool=false on_epoch:fn=nil ]]

local Result = {__name = "training", __tostring = function(r)
  local last = r.history[#r.history]
  if not last then return "no epoch finished" .. (r.interrupted and " (interrupted)" or "") end
  local text = ("%d epoch%s, %s"):format(#r.history, #r.history == 1 and "" or "s", progress.seconds_text(r.seconds))
  local best = r.history[r.best_epoch or #r.history]
  text = text .. (" · loss %.4g acc %.3f"):format(best.loss, best.acc)
  if best.val_loss then text = text .. (" · val %.4g %.3f (epoch %d)"):format(best.val_loss, best.val_acc, r.best_epoch or #r.history) end
  return text .. (r.interrupted and " · interrupted" or r.converged and " · converged" or "")
end}

-- The tensors that training may change: parameters that require a gradient, and all buffers (running statistics). Then
-- how many of them are parameters, and whether the model has others.
local function movable(m)
  local list, others = {}, false
  for p in m:parameters() do
    if p.requires_grad then list[#list + 1] = p else others = true end
  end
  local trained = #list
  for b in m:buffers() do list[#list + 1] = b end
  return list, trained, others
end

-- A copy of tensors to go back to; save() refreshes it, restore() goes back.
local function backup(list)
  local copy = {}
  for i, t in ipairs(list) do copy[i] = t:clone():detach() end
  graph.eval(copy)
  return {
    save = function() rows.copy(copy, list) end,
    restore = function() rows.copy(list, copy) end,
  }
end

local function first_bad(m)
  for name, p in m:named_parameters() do
    if not rows.finite(p) then return "parameter " .. name end
    if p.grad and not rows.finite(p.grad) then return "the gradient of " .. name end
  end
end

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

--- Trains m on the dataset `train` and returns how it went.
-- Only what requires a gradient is trained; frozen parts do not change. What comes before the first trained layer is
-- computed once per sample and kept; a line says so, or why not (where augmentation is random: ask for `cache = K`).
-- The loss is the cross entropy; auxiliary heads (GoogLeNet, Inception v3) train too, each one's counts m.aux_weight (0: not).
-- Ctrl-C ends at a step's end with what there is.
-- Options:
--   val              a dataset to measure on after each epoch
--   epochs           a number (10), or "converge": until the validation loss (without val: the training loss) has not
--                    fallen by min_delta (0) for `patience` (5) epochs, at most max_epochs (200); best weights are kept
--   batch            samples in a step (32)
--   optimizer        "sgd" (default; momentum 0.9, nesterov), "adam", "adamw", or one of your own
--   lr               sgd 0.01, adam and adamw 0.001
--   weight_decay     0 (adamw 0.01)
--   schedule         "cosine", "step" (step_size, gamma 0.1) or function(epoch, epochs) → factor, per epoch
--   label_smoothing  0        clip   largest norm of all gradients together
--   best             keep the weights of the best epoch on val (default: with "converge" only)
--   cache            true; false: the frozen part is computed every time; K: where augmentation is random, K views of each
--                    sample are kept: epochs 1 to K draw them, and those after take them again in turn
--   cache_mb         the most that is kept (2048)
--   seed             of order and augmentation (default: the next of the generator)
--   threads          of the loader      quiet   nothing is printed      on_epoch   called with each epoch's figures
-- Returns {history = {{epoch, steps, loss, acc, val_loss, val_acc, lr, seconds} …}, best_epoch, seconds, interrupted, converged}.
-- A loss that is not finite is an error that says where; the model then has the last good weights.
local function fit(m, train, opts)
  measure.check_model("fit", m)
  measure.check_dataset("fit", train)
  opts = options.named("fit", own .. chosen.signature())(opts)
  if opts.val ~= nil then measure.check_dataset("fit: val", opts.val) end
  trunk.check("fit", opts.cache)
  local converge = opts.epochs == "converge"
  if not converge and not (math.type(opts.epochs) == "integer" and opts.epochs >= 0) then
    fault('fit: epochs expects a whole number or "converge", got %s', options.show(opts.epochs))
  end
  if converge then opts.epochs = opts.max_epochs end
  local keep_best = converge
  if opts.best ~= nil then keep_best = opts.best end
  local moving, trained, others = movable(m)
  if trained == 0 then fault("fit: nothing to train: no parameter requires a gradient · m:unfreeze(\"fc\") or a new head (m:reset_head(n)) would") end

  local optimizer = chosen.new("fit", m, opts)
  local base = {}
  for i, g in ipairs(optimizer.param_groups) do base[i] = g.lr end
  local factor = schedules(opts)

  local seed, batch = opts.seed or core.engine.draw(), opts.batch
  local forget, steps = require("suture.model.undo").snapshot("fit", m), 0
  local ended <close> = setmetatable({}, {__close = function() -- after an error too
    optimizer:zero_grad()
    for i, g in ipairs(optimizer.param_groups) do g.lr = base[i] end
    if steps == 0 then forget() end -- nothing to take back
  end})
  if not m.training then m:train() end
  local soft <close> = interrupt.soft()
  local good, best = backup(moving), keep_best and backup(moving)
  local statistics = {table.unpack(moving, trained + 1)}
  local settled = backup(statistics) -- as the last whole step left them
  local kept, kept_val = trunk.new(train, opts, train.random), opts.val and trunk.new(opts.val, opts, false)
  local r = setmetatable({history = {}, seconds = 0, seed = seed}, Result)
  local least, since = math.huge, 0
  local labels = train:labels()
  local began = core.engine.clock()

  -- One step; returns loss and how many were right, or nothing where the kept values do not fit any more. Weights change
  -- only at its end, in one piece.
  local function step(x, y, places, from_cache, epoch, k)
    optimizer:zero_grad()
    local heads = losses.heads(m, x)
    if epoch == 1 and k == 1 then measure.check_classes("fit", heads, train) end
    local loss = losses.of(m, heads, y, {label_smoothing = opts.label_smoothing})
    local right = heads[1]:argmax(1):eq(y):sum()
    local view = kept:view(epoch)
    if from_cache then
      if not kept:give(view, loss, x, places) then return end
    else
      if k == 1 then kept:look(loss, x) end
      kept:keep(view, loss, x, places)
    end
    if not loss.requires_grad then fault("fit: the loss does not depend on any parameter that trains") end
    loss:backward()
    local value = loss:item()
    local whole <close> = interrupt.defer()
    local bad = not finite(value)
    local norm = not bad and opts.clip and optim.clip_grad_norm_(m:parameters(), opts.clip)
    if norm and not finite(norm) then bad = true end
    if bad then
      local what = first_bad(m) or "the output"
      good.restore()
      optimizer:zero_grad()
      fault("fit: the loss is %s at epoch %d step %d: %s is not finite · the model has the last good weights · a smaller lr (now %g) or clip = 1 may help",
        options.show(value), epoch, k, what, optimizer.param_groups[1].lr)
    end
    good.save()
    optimizer:step()
    settled.save()
    steps = steps + 1
    return value, right:item()
  end

  -- Calls f(…) until Ctrl-C. A step that was not finished leaves nothing: what its forward pass would have done to the
  -- statistics is taken back, and its graph is let go.
  local function interruptible(f, ...)
    local ok, err = pcall(f, ...)
    if ok then return end
    if not interrupt.is(err) then error(err, 0) end
    interrupt.take()
    r.interrupted = true
    local whole <close> = interrupt.defer()
    graph.drop_effects()
    collectgarbage()
    settled.restore()
  end

  -- The validation loss and accuracy. What is frozen in a training pass is kept here too: what only an evaluating one
  -- finds frozen (statistics that move between epochs) is not.
  local function validate()
    local loss, correct, count, fits = 0, 0, 0, nil
    local function one(x, y, places, from_cache)
      local logits = m(x)
      if count == 0 then measure.check_classes("fit: val", {logits}, opts.val) end
      if from_cache then
        if not kept_val:give(0, logits, x, places) then return false end
      else
        if count == 0 then
          kept_val:look(logits, x)
          fits = kept_val.names == kept.names
        end
        if fits then kept_val:keep(0, logits, x, places) end
      end
      local sum = F.cross_entropy(logits, y, {reduction = "sum"})
      local right = logits:argmax(1):eq(y):sum()
      graph.eval {sum, right}
      loss, correct, count = loss + sum:item(), correct + right:item(), count + #places
      return true
    end
    mode.eval(m, function()
      local from_cache = kept_val:full(0) and kept_val.names == kept.names
      if from_cache then
        local truth = opts.val:labels()
        for _, places in ipairs(opts.val:order(batch)) do
          from_cache = one(kept_val:stand_in(#places), trunk.labels(truth, places), places, true)
          if not from_cache then break end
        end
      end
      if not from_cache then
        loss, correct, count = 0, 0, 0
        for x, y, places in opts.val:batches(batch, {augment = false, threads = opts.threads}) do one(x, y, places, false) end
      end
    end)
    return loss / count, correct / count
  end

  local function epoch_of(epoch)
    local f = factor(epoch - 1)
    for i, g in ipairs(optimizer.param_groups) do g.lr = base[i] * f end
    local order = {shuffle = true, seed = seed, epoch = epoch, threads = opts.threads}
    local from_cache = kept:full(kept:view(epoch))
    local plan = train:order(batch, {shuffle = true, seed = seed, epoch = epoch})
    local line = progress.new(epoch, #plan, opts.quiet)
    local row = {epoch = epoch, steps = 0, lr = optimizer.param_groups[1].lr}
    local loss, correct, count, k = 0, 0, 0, 0
    local function after(value, right, n)
      loss, correct, count, k = loss + value * n, correct + right, count + n, k + 1
      row.steps, row.loss, row.acc = k, loss / count, correct / count
      line:step(k, row)
      if interrupt.take() then r.interrupted = true end
      return r.interrupted
    end
    interruptible(function()
      if from_cache then
        for _, places in ipairs(plan) do
          local value, right = step(kept:stand_in(#places), trunk.labels(labels, places), places, true, epoch, k + 1)
          if not value then -- on_epoch froze or thawed something: that pass is forgotten, and this epoch computes all again
            from_cache = false
            graph.drop_effects()
            collectgarbage()
            break
          end
          if after(value, right, #places) then break end
        end
      end
      if not from_cache then
        for x, y, places in train:batches(batch, order) do
          local value, right = step(x, y, places, false, epoch, k + 1)
          if after(value, right, #places) then break end
        end
      end
    end)
    if opts.val and not r.interrupted then
      interruptible(function() row.val_loss, row.val_acc = validate() end)
    end
    if k == 0 then return row end
    if from_cache then row.note = "(frozen trunk kept)" end
    row.seconds = line:seconds()
    line:finish(k, row)
    row.note = nil
    return row
  end

  for epoch = 1, opts.epochs do
    local row = epoch_of(epoch)
    if row.steps == 0 then break end -- Ctrl-C before the first one
    r.history[epoch] = row
    if epoch == 1 and not opts.quiet and (others or not kept.why) then note(kept:text()) end
    if opts.on_epoch then opts.on_epoch(row) end
    if r.interrupted then break end
    local now = row.val_loss or row.loss
    if now < least - opts.min_delta then
      least, since, r.best_epoch = now, 0, epoch
      if best then
        local whole <close> = interrupt.defer()
        best.save()
      end
    else
      since = since + 1
      if converge and since >= opts.patience then
        r.converged = true
        break
      end
    end
  end
  local whole <close> = interrupt.defer()
  if best and r.best_epoch then best.restore() end
  if not keep_best then r.best_epoch = nil end
  r.seconds = core.engine.clock() - began
  if #train.classes > 0 then m.classes = train.classes end
  return r
end

return fit
