--- plan: what training would take, before it is spent: some steps of it are taken on a copy of the model.
local core = require "suture.core"
local beforehand = require "suture.train.beforehand"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local measure = require "suture.train.evaluate"
local mode = require "suture.train.mode"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local text = require "suture.base.text"
local rehearsal = require "suture.train.rehearsal"
local graph = core.graph

local Plan = {__name = "training plan", __tostring = function(r)
  local lines = {}
  local function line(label, ...) lines[#lines + 1] = ("%-10s"):format(label) .. string.format(...) end
  line("trains", "%d of %d parameters, in %d of %d tensors", r.trainable, r.parameters, r.trainable_tensors, r.tensors)
  line("backward", "%s", r.first and "stops at " .. r.first .. (r.frozen_modules > 0 and
    (": nothing before it is differentiated") or "") or "nothing to do")
  line("cache", "%s", r.cache)
  if r.drop_last then line("batches", "%s", r.drop_last) end
  line("memory", "%.0f MB at most, model and optimizer included; a step of %d takes %.0f MB (%.0f MB of it kept for " ..
    "backward)", r.peak / 1e6, r.batch, r.memory / 1e6, r.saved / 1e6)
  line("time", "%s an epoch of %s%s", progress.seconds_text(r.seconds), text.plural(r.steps, "step"),
    r.cached_seconds and ("; %s from epoch %d on"):format(progress.seconds_text(r.cached_seconds), r.cached_from) or "")
  if r.loading > 0.2 * r.seconds and not (r.cached_seconds and r.cached_from == 2) then
    line("", "%s of it reads pictures%s", progress.seconds_text(r.loading), r.keepable and
      " · data.folder(…, {keep = true}) reads them once" or "")
  end
  return text.safe(table.concat(lines, "\n"))
end}

local function planned(m, ds, given)
  measure.check_model("plan", m)
  ds = measure.check_dataset("plan", ds)
  given = given or {}
  if not options.is_options(given) and next(given) ~= nil then
    fault("plan: expects options in a table, as {name = value}, got %s", options.show(given))
  end
  local r = setmetatable({parameters = 0, trainable = 0, tensors = 0, trainable_tensors = 0, frozen_modules = 0}, Plan)
  for _, p in m:named_parameters() do
    r.parameters, r.tensors = r.parameters + p:numel(), r.tensors + 1
    if p.requires_grad then r.trainable, r.trainable_tensors = r.trainable + p:numel(), r.trainable_tensors + 1 end
  end
  for module in m:modules() do if module._frozen then r.frozen_modules = r.frozen_modules + 1 end end
  if r.trainable == 0 then
    r.cache, r.memory, r.saved, r.seconds = "nothing trains: m:unfreeze(path) or a new head", 0, 0, 0
    r.peak, r.loading, r.batch, r.steps = 0, 0, 0, 0
    return r
  end
  local back <close> = mode.kept(m)
  local auto = given.batch == "auto"
  local batch = auto and rehearsal.largest("plan", m, ds, given, given.memory) or nil
  if not auto and given.memory ~= nil then fault 'plan: memory goes with batch = "auto"' end
  local t = rehearsal.trainer(m, ds, given, batch or given.batch, given.val) -- refuses what fit would refuse
  local o = t.options
  batch = math.min(o.batch, #ds)
  r.batch, r.steps = batch, math.ceil(#ds / batch)
  local objective = t:_objective()
  local drop, said = beforehand.drop_last("plan", m, t.data, batch, o.drop_last, objective.train)
  if drop then r.steps, r.drop_last = #ds // batch, said end
  local places = {}
  for i = 1, batch do places[i] = i - 1 end
  do
    local x, y = t.data:batch(places)
    local loss = objective.train(m, x, y, t.data)
    local cost = graph.cost({loss}, true)
    r.memory, r.saved = cost.arena + cost.outputs, cost.saved
    for _, node in ipairs(graph.walk({loss})) do
      if node.requires_grad and node.op then
        r.first = node.path ~= "" and node.path or node.op
        break
      end
    end
  end
  t = nil
  graph.drop_effects()
  local rest = not drop and #ds > batch and #ds % batch > 0 and #ds % batch or nil
  local took = rehearsal.measured(m, ds, given, batch, rest)
  r.cache, r.peak, r.loading = took.text, took.peak, took.loading * (drop and r.steps or #ds / batch)
  r.keepable = ds.view ~= nil and ds.preprocess ~= nil and not ds.view.core.keep and not ds.source.pictures and
    not ds.source.in_memory
  local whole = rest and r.steps - 1 or r.steps
  r.seconds = took.seconds * whole + (took.rest_seconds or 0) + r.loading -- what loads has no cores of its own
    + (took.val or 0)
  if took.cached then -- the first epoch is the one that begins, the others are short
    r.seconds = r.seconds + took.more + (took.rest_more or 0)
    r.cached_seconds = took.cached * whole + (took.rest_cached or 0) + (took.cached_val or 0)
    r.cached_from = took.views + 1
  end
  return r
end

--- plan(m, ds[, options]): what fit(m, ds, options) would take, found out by some steps of it on a copy of m, which
-- stays as it is: where backward stops, what is kept between epochs, the most memory, seconds per epoch. Options: those
-- of fit, and batch = "auto": the largest batch that takes no more than memory = MB (default: four fifths of what is
-- free; fit has it too). Returns a table that prints itself: `first`, `cache`, `batch`, `steps`, `seconds` (an epoch,
-- with its validation), `loading` (of these, for reading pictures), `peak` (bytes of tensors at most, the model's
-- included), `memory` and `saved` (bytes a step takes, and keeps for backward), and where something is kept
-- `cached_seconds`, `cached_from` (epoch).
local function plan(m, ds, opts)
  return journal.rehearse(planned, m, ds, opts) -- what a forward keeps in its modules is put back too
end

return plan
