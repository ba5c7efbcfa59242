--- fit: train a model on a dataset.
local core = require "suture.core"
local F = require "suture.functional"
local tensor = require "suture.tensor"
local fault = require "suture.fault"
local interrupt = require "suture.interrupt"
local measure = require "suture.train.evaluate"
local mode = require "suture.train.mode"
local note = require "suture.note"
local optim = require "suture.optim"
local options = require "suture.options"
local progress = require "suture.train.progress"
local schedules = require "suture.train.schedule"
local trunk = require "suture.train.trunk"
local graph, rows = core.graph, core.rows

local known = {}
for name in ([[val epochs batch lr optimizer momentum nesterov weight_decay betas eps schedule step_size gamma
  label_smoothing clip patience min_delta max_epochs seed threads cache quiet on_epoch best]]):gmatch "%S+" do known[name] = true end

local makers = {
  sgd = function(p, o)
    return optim.SGD(p, {lr = o.lr or 0.01, momentum = o.momentum or 0.9, nesterov = o.nesterov or false, weight_decay = o.weight_decay or 0})
  end,
  adam = function(p, o)
    return optim.Adam(p, {lr = o.lr or 1e-3, betas = o.betas or {0.9, 0.999}, eps = o.eps or 1e-8, weight_decay = o.weight_decay or 0})
  end,
  adamw = function(p, o)
    return optim.AdamW(p, {lr = o.lr or 1e-3, betas = o.betas or {0.9, 0.999}, eps = o.eps or 1e-8, weight_decay = o.weight_decay or 0.01})
  end,
}

local Result = {__name = "training", __tostring = function(r)
  local last = r.history[#r.history]
  if not last then return "no epoch finished" .. (r.interrupted and " (interrupted)" or "") end
  local text = ("%d epochs, %s"):format(#r.history, progress.seconds_text(r.seconds))
  local best = r.history[r.best_epoch or #r.history]
  text = text .. (" · loss %.4g acc %.3f"):format(best.loss, best.acc)
  if best.val_loss then text = text .. (" · val %.4g %.3f (epoch %d)"):format(best.val_loss, best.val_acc, r.best_epoch or #r.history) end
  return text .. (r.interrupted and " · interrupted" or r.converged and " · converged" or "")
end}

-- The tensors that training may change: parameters that require a gradient, and all buffers (running statistics).
local function movable(m)
  local list = {}
  for p in m:parameters() do if p.requires_grad then list[#list + 1] = p end end
  local trained = #list
  for b in m:buffers() do list[#list + 1] = b end
  return list, trained
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

local function check(opts)
  local function number(name, least, what)
    local v = opts[name]
    if v ~= nil and (type(v) ~= "number" or v ~= v or v < least) then fault("fit: %s expects %s, got %s", name, what, options.show(v)) end
  end
  number("lr", 0, "a number, 0 or above")
  number("momentum", 0, "a number, 0 or above")
  number("weight_decay", 0, "a number, 0 or above")
  number("label_smoothing", 0, "a number from 0 to 1")
  number("clip", 0, "a norm above 0")
  for _, name in ipairs {"batch", "patience", "max_epochs", "step_size"} do
    number(name, 1, "a whole number above 0")
    if opts[name] then opts[name] = math.tointeger(opts[name]) or fault("fit: %s expects a whole number, got %s", name, options.show(opts[name])) end
  end
  if opts.epochs ~= nil and opts.epochs ~= "converge" and not (math.type(opts.epochs) == "integer" and opts.epochs >= 0) then
    fault('fit: epochs expects a whole number or "converge", got %s', options.show(opts.epochs))
  end
end

--- Trains m on the dataset `train` and returns how it went.
-- Only what requires a gradient is trained; frozen parts do not change. What comes before the first trained layer is
-- computed once per sample and kept (a line says so, or why not). Ctrl-C ends at a step's end with what there is.
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
--   cache            true; false: the frozen part is computed every time; a number: at most that many MB
--   seed             of order and augmentation (default: the next of the generator)
--   threads          of the loader      quiet   nothing is printed      on_epoch   called with each epoch's figures
-- Returns {history = {{epoch, loss, acc, val_loss, val_acc, lr, seconds} …}, best_epoch, seconds, interrupted, converged}.
-- A loss that is not finite is an error that says where; the model then has the last good weights.
local function fit(m, train, opts)
  measure.check_model("fit", m)
  measure.check_dataset("fit", train)
  opts = setmetatable({}, {__index = options.check("fit", opts or {}, known)})
  check(opts)
  if opts.val then measure.check_dataset("fit: val", opts.val) end
  local converge = opts.epochs == "converge"
  opts.epochs = converge and (opts.max_epochs or 200) or opts.epochs or 10
  local keep_best = converge
  if opts.best ~= nil then keep_best = opts.best end
  local moving, trained = movable(m)
  if trained == 0 then fault("fit: nothing to train: no parameter requires a gradient · m:unfreeze(\"fc\") or a new head (m:reset_head(n)) would") end

  local optimizer, given = opts.optimizer or "sgd", nil
  if type(optimizer) == "string" then
    local make = makers[optimizer]
    if not make then fault('fit: no optimizer %q (sgd, adam, adamw, or an object from optim)', optimizer) end
    optimizer = make(m:parameters(), opts)
  else
    given = {}
    for i, g in ipairs(optimizer.param_groups) do given[i] = g.lr end
  end
  local base = {}
  for i, g in ipairs(optimizer.param_groups) do base[i] = g.lr end
  local factor = schedules(opts)

  require("suture.undo").snapshot("fit", m)
  local seed = opts.seed or core.engine.draw()
  local batch = opts.batch or 32
  if not m.training then m:train() end
  local soft <close> = interrupt.soft()
  local good, best = backup(moving), keep_best and backup(moving)
  local kept, kept_val = trunk.new(train, opts), opts.val and trunk.new(opts.val, opts)
  local r = setmetatable({history = {}, seconds = 0, seed = seed}, Result)
  local least, since = math.huge, 0
  local labels = train:labels()
  local began = core.engine.clock()
  local said = false

  -- One step; returns loss and how many were right. Weights change only at its end, in one piece.
  local function step(x, y, places, from_cache, epoch, k)
    optimizer:zero_grad()
    local logits = m(x)
    if epoch == 1 and k == 1 then measure.check_classes("fit", logits, train) end
    local loss = F.cross_entropy(logits, y, {label_smoothing = opts.label_smoothing or 0})
    local right = logits:argmax(1):eq(y):sum()
    if from_cache then kept:give(loss, x, places) else kept:keep(loss, x, places) end
    if not loss.requires_grad then fault("fit: the loss does not depend on any parameter that trains") end
    loss:backward()
    local value = loss:item()
    local whole <close> = interrupt.defer()
    local bad = not finite(value)
    local norm = not bad and opts.clip and optim.clip_grad_norm_(m:parameters(), opts.clip)
    if norm and not finite(norm) then bad = true end
    if bad then
      local what = first_bad(m) or "the output"
      if k > 1 or epoch > 1 then good.restore() end
      optimizer:zero_grad()
      fault("fit: the loss is %s at epoch %d step %d: %s is not finite · the model has the last good weights · a smaller lr (now %g) or clip = 1 may help",
        tostring(value), epoch, k, what, optimizer.param_groups[1].lr)
    end
    good.save()
    optimizer:step()
    return value, right:item()
  end

  local function validate()
    local full = kept_val:full()
    local same = kept.kept and kept.names
    local loss, correct, count = 0, 0, 0
    mode.eval(m, function()
      local function one(x, y, places, give)
        local logits = m(x)
        if count == 0 then measure.check_classes("fit: val", logits, opts.val) end
        if same and kept_val.on and not give then
          kept_val:keep(logits, x, places)
          if kept_val.names ~= same then kept_val.on, kept_val.kept = false, nil end
        elseif give then
          kept_val:give(logits, x, places)
        end
        local sum = F.cross_entropy(logits, y, {reduction = "sum"})
        local right = logits:argmax(1):eq(y):sum()
        graph.eval {sum, right}
        loss, correct, count = loss + sum:item(), correct + right:item(), count + #places
      end
      if full and same then
        local truth = opts.val:labels()
        for _, places in ipairs(opts.val:order(batch)) do
          one(kept_val:stand_in(#places), trunk.labels(truth, places), places, true)
        end
      else
        for x, y, places in opts.val:batches(batch, {augment = false, threads = opts.threads}) do
          if kept_val.on then kept_val:shape(x) end
          one(x, y, places, false)
        end
      end
    end)
    return loss / count, correct / count
  end

  local function epoch_of(epoch)
    local f = factor(epoch - 1)
    for i, g in ipairs(optimizer.param_groups) do g.lr = base[i] * f end
    local order = {shuffle = true, seed = seed, epoch = epoch, threads = opts.threads}
    local from_cache = kept:full()
    local plan = train:order(batch, {shuffle = true, seed = seed, epoch = epoch})
    local line = progress.new(epoch, #plan, opts.quiet)
    local row = {epoch = epoch, lr = optimizer.param_groups[1].lr}
    local loss, correct, count, k = 0, 0, 0, 0
    local function after(value, right, n)
      loss, correct, count, k = loss + value * n, correct + right, count + n, k + 1
      row.loss, row.acc = loss / count, correct / count
      line:step(k, row)
      if interrupt.take() then r.interrupted = true end
      return r.interrupted
    end
    if from_cache then
      for _, places in ipairs(plan) do
        local value, right = step(kept:stand_in(#places), trunk.labels(labels, places), places, true, epoch, k + 1)
        if after(value, right, #places) then break end
      end
    else
      for x, y, places in train:batches(batch, order) do
        if kept.on then kept:shape(x) end
        local value, right = step(x, y, places, false, epoch, k + 1)
        if after(value, right, #places) then break end
      end
    end
    if opts.val and not r.interrupted then row.val_loss, row.val_acc = validate() end
    if from_cache then row.note = "(frozen trunk kept)" end
    row.seconds = line:seconds()
    line:finish(k, row)
    row.note = nil
    return row
  end

  for epoch = 1, opts.epochs do
    local ok, row = xpcall(epoch_of, function(e) return interrupt.is(e) and e or (type(e) == "string" and e) or e end, epoch)
    if not ok then
      if not interrupt.is(row) then error(row, 0) end
      interrupt.take()
      r.interrupted = true
      break
    end
    r.history[epoch] = row
    if epoch == 1 and not opts.quiet and not said then
      said = true
      if trained < #moving or kept.on then note(kept:text()) end
    end
    if opts.on_epoch then opts.on_epoch(row) end
    if r.interrupted then break end
    local now = row.val_loss or row.loss
    if now < least - (opts.min_delta or 0) then
      least, since, r.best_epoch = now, 0, epoch
      if best then
        local whole <close> = interrupt.defer()
        best.save()
      end
    else
      since = since + 1
      if converge and since >= (opts.patience or 5) then
        r.converged = true
        break
      end
    end
  end
  local whole <close> = interrupt.defer()
  if best and r.best_epoch then best.restore() end
  if not keep_best then r.best_epoch = nil end
  optimizer:zero_grad()
  if given then for i, g in ipairs(optimizer.param_groups) do g.lr = given[i] end end
  r.seconds = core.engine.clock() - began
  if #train.classes > 0 then m.classes = train.classes end
  return r
end

return fit
