--- One trial of a sweep. A sweep's folder holds sweep.json, model.safetensors, trials as runs of their own
-- (trial-001 …), trunks that they share, claims of who is at which.
local again = require "suture.train.runs.again"
local checkpoint = require "suture.model.checkpoint"
local core = require "suture.core"
local fault = require "suture.base.fault"
local folder = require "suture.train.runs.folder"
local journal = require "suture.base.journal"
local tables = require "suture.model.tables"
local tensor = require "suture.tensor"
local Trainer = require "suture.train.trainer"
local whole = require "suture.base.whole"
local writer = require "suture.train.runs.writer"
local trial = {}

--- Why a trial failed, in words: the error without the place in the library or the worker that raised it. A trial is
-- also one that goes on, by resume, which nobody has typed.
function trial.why(err)
  local text = tostring(err):gsub("^%S-:%d+: ", "")
  return (text:gsub("^%a+: the loss", "the loss"))
end

--- The folder of trial k in a sweep's.
function trial.path(sweep, k) return ("%s/trial-%03d"):format(sweep.path, k) end

-- The patterns of the option freeze as a list; nil: none.
local function patterns(freeze)
  if not freeze then return nil end
  return type(freeze) == "table" and freeze or {freeze}
end

--- One number for what is frozen, the same in every process.
function trial.key(point) return core.digest.text(table.concat(patterns(point.freeze) or {}, "\n")):sub(1, 16) end

-- Where trials that freeze the same find the trunk's values: in memory, else in a file.
local function store(sweep, point)
  local key = trial.key(point)
  local path = ("%s/trunk-%s.safetensors"):format(sweep.path, key)
  sweep.trunks = sweep.trunks or {}
  return {
    get = function()
      if sweep.trunks[key] == nil and folder.exists(path) then
        local held = checkpoint.open(path, {state = "all"})
        sweep.trunks[key] = held.train and held or false
      end
      return sweep.trunks[key]
    end,
    put = function(got)
      sweep.trunks[key] = got
      if sweep.shared then tables.save(got or {train = false}, path) end
    end,
  }
end

-- The trainer of trial k, new or as far as it came.
local function trainer(sweep, k)
  local point, path, recipe = sweep.points[k], trial.path(sweep, k), sweep.recipe
  local there = folder.read(path)
  tensor.seed(sweep.seed)
  local function writes(t, state)
    local w = writer.trial(t, path, "../model.safetensors", patterns(point.freeze))
    if state then w.random, w.base = state.random, state.base end
    return w
  end
  if there and folder.exists(path .. "/state.safetensors") then
    return again.trainer(there, {train = recipe.train, val = recipe.val, teacher = recipe.options.teacher,
      quiet = true}, writes)
  end
  if there then folder.remove(path) end
  local m = journal.aside(function()
    local copy = recipe.model:clone()
    if point.freeze then copy:freeze(table.unpack(patterns(point.freeze))) end
    return copy
  end)
  local o = {}
  for name, v in pairs(recipe.options) do o[name] = v end
  for name, v in pairs(point) do if name ~= "freeze" then o[name] = v end end
  o.val, o.quiet, o.run, o.seed = recipe.val, true, path, o.seed or sweep.seed
  if o.best == nil then o.best = sweep.best end
  return Trainer._of("sweep", m, recipe.train, o, writes)
end

-- What a function of the user's gave, as a row of figures.
local function figures(given)
  if type(given) == "number" then return {score = given} end
  if type(given) == "table" and type(given.history) == "table" and #given.history > 0 then
    local row = given.history[given.best_epoch or #given.history]
    local out = {epochs = #given.history}
    for k, v in pairs(row) do if type(v) == "number" then out[k] = v end end
    return out
  end
  local out = {}
  for k, v in pairs(type(given) == "table" and given or {}) do
    if type(k) == "string" and type(v) == "number" then out[k] = v end
  end
  if next(out) == nil then
    fault("sweep: the function returns what fit returns, a number (the higher the better), or a table of figures")
  end
  return out
end

-- A trial of a function: its figures in a file.
local function called(sweep, k, epochs)
  local o = {}
  for name, v in pairs(sweep.points[k]) do o[name] = v end
  if sweep.method == "halving" then o.epochs = epochs end
  tensor.seed(sweep.seed)
  local began = core.engine.clock()
  local row = figures(sweep.f(o))
  row.seconds = core.engine.clock() - began
  local ok, why = whole(trial.path(sweep, k) .. (".%d.json"):format(epochs or 0), folder.encode(row) .. "\n")
  if not ok then fault("sweep: %s", why) end
  return true
end

--- Makes trial k, up to so many epochs (nil: all). → true; "stopped" after Ctrl-C
function trial.run(sweep, k, epochs)
  if sweep.f then return called(sweep, k, epochs) end
  local t = trainer(sweep, k)
  t._until, t._shared = epochs, store(sweep, sweep.points[k])
  local r = t:run()
  return r.interrupted and "stopped" or true
end

--- Computes what trials share, once for each prefix that some freeze.
function trial.prepare(sweep, wanted)
  local seen = {}
  for _, k in ipairs(sweep.f and {} or wanted) do
    local key = trial.key(sweep.points[k])
    local shared = store(sweep, sweep.points[k])
    if not seen[key] and shared.get() == nil then
      local recipe, point, o = sweep.recipe, sweep.points[k], {}
      for name, v in pairs(recipe.options) do o[name] = v end
      for name, v in pairs(point) do if name ~= "freeze" then o[name] = v end end
      o.val, o.quiet, o.seed = recipe.val, true, o.seed or sweep.seed
      tensor.seed(sweep.seed)
      local m = journal.aside(function()
        local copy = recipe.model:clone()
        if point.freeze then copy:freeze(table.unpack(patterns(point.freeze))) end
        return copy
      end)
      local t = Trainer._of("sweep", m, recipe.train, o)
      t._shared, t._until = shared, 0
      local r = t:run()
      if r.interrupted then return false end
    end
    seen[key] = true
  end
  return true
end

-- Whether an epoch is better than another, as the trainer of a trial judges (sweep.best).
local function above(sweep, a, b)
  if sweep.best == "acc" then return (a.val_acc or a.acc or 0) > (b.val_acc or b.acc or 0) end
  return (a.val_loss or a.loss) < (b.val_loss or b.loss)
end

--- What trial k has come to: {state, epochs, seconds, error, and the figures of its best epoch}. epochs: how many
-- of them count (nil: all); of a function's, which file.
function trial.result(sweep, k, epochs)
  local point = sweep.points[k]
  local out = {number = k, options = point, path = trial.path(sweep, k), state = "waits", epochs = 0}
  local failed = folder.json(out.path .. ".error.json")
  if failed then out.state, out.error = "failed", failed.error end
  if sweep.f then
    local row = folder.json(out.path .. (".%d.json"):format(epochs or 0))
    if row then
      for name, v in pairs(row) do out[name] = v end
      out.state = "done"
    end
    return out
  end
  local run = folder.read(out.path)
  if not run then return out end
  if not failed then out.state = run.state end
  out.seconds, out.epochs = run.status.seconds, #run.history
  local last = math.min(epochs or #run.history, #run.history) -- of a trial that a later stretch has been at, too
  local told = run.status.best and run.status.best.epoch
  local best = told and told <= last and sweep.recipe.options.best ~= nil and run.history[told] or nil
  for i = 1, best and 0 or last do
    local row = run.history[i]
    if not best or above(sweep, row, best) then best = row end
  end
  for name, v in pairs(best or {}) do
    if name ~= "seconds" and name ~= "epoch" and name ~= "steps" then out[name] = v end
  end
  out.best_epoch = best and best.epoch
  return out
end

return trial
