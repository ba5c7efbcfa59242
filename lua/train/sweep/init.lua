--- sweep: many trainings that differ in some options.
local columns = require "suture.train.columns"
local core = require "suture.core"
local fault = require "suture.base.fault"
local folder = require "suture.train.runs.folder"
local measure = require "suture.train.evaluate"
local note = require "suture.base.note"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local ranks = require "suture.base.ranks"
local resume = require "suture.train.runs.resume"
local space = require "suture.train.sweep.space"
local trial = require "suture.train.sweep.trial"
local whole = require "suture.base.whole"
local workers = require "suture.train.sweep.workers"

local read = options.named("sweep", "method:grid|random|halving=grid trials:count=nil seed:int=0 jobs:count=1 " ..
  "run:any=nil by:val_acc|val_loss|acc|loss|score=nil factor:count=3 min_epochs:count=1 quiet:bool=false")

-- ---- what is better ----

local falling = {val_loss = true, loss = true}
local order = {"score", "val_acc", "val_loss", "acc", "loss"}

-- The figure of a row that counts: the one that was asked for, else the first there is.
local function figure(row, by)
  for _, name in ipairs(by and {by} or order) do if type(row[name]) == "number" then return row[name], name end end
end

local function better_by(by)
  return function(a, b)
    local x, name = figure(a, by)
    local y = figure(b, by)
    if not x or x ~= x then return false end
    if not y or y ~= y then return true end
    if x ~= y then return (falling[name] and x < y) or (not falling[name] and x > y) end
    local u, v = a.val_loss or a.loss, b.val_loss or b.loss -- of the same accuracy the lower loss
    return u ~= nil and v ~= nil and u < v
  end
end

-- ---- the result ----

local Sweep = {__name = "sweep"}
Sweep.__index = function(s, name)
  if name == "best" then return rawget(s, 1) end
  if name == "model" then return Sweep.model end
end

--- s:model([i (1)]): the model of the i-th best trial, with the weights of its best epoch.
function Sweep.model(s, i)
  i = i or 1
  local one = rawget(s, i)
  if not one or s.sweep.f then
    fault("sweep: there is no model of trial %s%s", options.show(i), s.sweep.f and ": the function has made it" or "")
  end
  local recipe = s.sweep.recipe
  return (resume(one.path, {train = recipe.train, val = recipe.val, teacher = recipe.options.teacher, quiet = true,
    epochs = one.epochs}))
end

function Sweep.__tostring(s)
  local figures, have = {}, {}
  for _, one in ipairs(s) do
    for _, name in ipairs(order) do have[name] = have[name] or one[name] ~= nil end
  end
  for _, name in ipairs(order) do if have[name] then figures[#figures + 1] = name end end
  local head = {"trial"}
  for _, axis in ipairs(s.axes) do head[#head + 1] = axis.name end
  for _, name in ipairs(figures) do head[#head + 1] = (name:gsub("_", " ")) end
  if not s.sweep.f then head[#head + 1] = "epochs" end
  head[#head + 1] = "time"
  local rows, failed = {head}, 0
  for i, one in ipairs(s) do
    failed = failed + (one.state == "failed" and 1 or 0)
    if i <= 40 then
      local row = {tostring(one.number) .. (one.state ~= "done" and " " .. one.state or "")}
      for _, axis in ipairs(s.axes) do row[#row + 1] = folder.shown(one.options[axis.name]) end
      for _, name in ipairs(figures) do row[#row + 1] = folder.shown(one[name]) end
      if not s.sweep.f then row[#row + 1] = tostring(one.epochs) end
      row[#row + 1] = one.seconds and progress.seconds_text(one.seconds) or "-"
      rows[#rows + 1] = row
    end
  end
  local text = columns(rows)
  if #s > 40 then text = ("%s\n… and %d more trials"):format(text, #s - 40) end
  for _, one in ipairs(s) do
    if one.error then
      text = ("%s\n%d trial%s failed, as %d: %s"):format(text, failed, failed == 1 and "" or "s", one.number, one.error)
      break
    end
  end
  return text .. (s.interrupted and "\ninterrupted: the same call with run = … goes on" or "")
end

-- The points of an axis of numbers; nil, and the best of each value's trials by its name, of one that has others.
local function along(s, axis, by)
  local points, of, numeric = {}, {}, true
  local low, high = math.huge, 0
  for _, one in ipairs(s) do
    local v = one.options[axis.name]
    if type(v) == "number" then low, high = math.min(low, v), math.max(high, v) else numeric = false end
  end
  local log = numeric and low > 0 and high / low >= 50
  for _, one in ipairs(s) do
    local v, y = one.options[axis.name], one[by]
    if y and numeric then points[#points + 1] = {log and math.log(v, 10) or v, y}
    elseif y then
      local name = folder.shown(v)
      of[name] = math[falling[by] and "min" or "max"](of[name] or y, y)
    end
  end
  return numeric and points or nil, of, log
end

-- What plot(s) draws: what trials came to over the values of each option that was tried.
function Sweep.plotted(s)
  local by
  for _, name in ipairs {"score", "val_acc", "val_loss", "acc", "loss"} do
    by = by or s.best and s.best[name] and name
  end
  if not by then fault "plot: no trial of this sweep has come to an end" end
  local words = by:gsub("_", " ")
  local out = {caption = ("%d trials, %s"):format(#s, words)}
  for i = 1, math.min(#s.axes, 6) do
    local axis = s.axes[i]
    local points, of, log = along(s, axis, by)
    local o = {title = words, x = axis.name .. (log and ", powers of 10" or ""), width = 400}
    if points then out[i] = {"scatter", {{points = points}}, o}
    else
      local names, heights = {}, {}
      for name in pairs(of) do names[#names + 1] = name end
      table.sort(names)
      for k, name in ipairs(names) do heights[k] = of[name] end
      o.labels = names
      out[i] = {"bars", heights, o}
    end
  end
  return out
end

-- ---- the folder ----

-- A recipe apart: {model, train, val, options}; or a function.
local function recipe_of(what)
  if type(what) == "function" then return nil, what end
  if type(what) ~= "table" or getmetatable(what) then
    fault("sweep: expects a recipe, as {model = m, train = train, val = val, epochs = 5}, or a function of the " ..
      "options that trains, got %s", options.show(what))
  end
  local out = {options = {}}
  for k, v in pairs(what) do
    if k == "model" or k == "train" or k == "val" then out[k] = v else out.options[k] = v end
  end
  measure.check_model("sweep: model", out.model)
  out.train = measure.check_dataset("sweep: train", out.train)
  if out.val ~= nil then out.val = measure.check_dataset("sweep: val", out.val) end
  for _, name in ipairs {"run", "quiet"} do
    if out.options[name] ~= nil then fault("sweep: %s is an option of the sweep, not of the recipe", name) end
  end
  return out
end

-- Who sweeps what, as text: the same for the same sweep.
local function identity(recipe, f, axes, o)
  local parts = {o.method}
  for i, name in ipairs {"by", "trials", "seed", "factor", "min_epochs"} do parts[i + 1] = tostring(o[name]) end
  for _, axis in ipairs(axes) do parts[#parts + 1] = axis.name .. options.show(axis.values or axis.range) end
  if f then parts[#parts + 1] = string.dump(f, true)
  else
    for name, t in pairs(recipe.model:state_dict()) do parts[#parts + 1] = name .. core.digest.tensor(t) end
    parts[#parts + 1] = recipe.train:fingerprint()
    parts[#parts + 1] = recipe.val and recipe.val:fingerprint() or "-"
    local names = {}
    for name in pairs(recipe.options) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      local v = recipe.options[name]
      parts[#parts + 1] = name .. "=" .. (type(v) == "function" and "function" or options.show(v))
    end
  end
  return core.digest.text(table.concat(parts, "\n"))
end

local function must(ok, why) if not ok then fault("sweep: %s", why) end end

-- Makes or finds the sweep's folder.
local function open_folder(sweep, name, id, axes, o)
  local told = folder.json(sweep.path .. "/sweep.json")
  if told and told.identity ~= id then
    fault("sweep: %s is another sweep: other values, data, model or options · another name for run", sweep.path)
  end
  if told and told.process and folder.lives(told.process) and told.process.pid ~= folder.self().pid then
    fault("sweep: %s is being worked at by the process %d", sweep.path, told.process.pid)
  end
  if not told and name and folder.exists(sweep.path .. "/run.json") then
    fault("sweep: %s is the folder of a run · another name for run", sweep.path)
  end
  must(core.file.make_folder(sweep.path))
  if sweep.recipe and not folder.exists(sweep.path .. "/model.safetensors") then
    sweep.recipe.model:save(sweep.path .. "/model.safetensors")
  end
  local names = {}
  for i, axis in ipairs(axes) do names[i] = axis.name end
  must(whole(sweep.path .. "/sweep.json", folder.encode {version = 1, identity = id, points = sweep.points,
    seed = o.seed, method = o.method, best = sweep.best, axes = names, process = folder.self()} .. "\n"))
end

-- ---- going through the trials ----

-- Whether a trial is as far as it is to come.
local function finished(sweep, one, epochs)
  if sweep.f then return one.state == "done" or one.state == "failed" end
  return one.state == "done" or one.state == "failed" or epochs ~= nil and one.epochs >= epochs
end

-- Makes the trials of `list` up to so many epochs. → false after Ctrl-C
local function go(sweep, list, epochs, round, said)
  local wanted = {}
  sweep.now = epochs
  for _, k in ipairs(list) do
    if not finished(sweep, trial.result(sweep, k, epochs), epochs) then wanted[#wanted + 1] = k end
  end
  if #wanted == 0 then return true end
  if sweep.ranks then
    local stopped = core.mpi.rank == 0 and not trial.prepare(sweep, wanted) -- what trials share, once
    if ranks.meet(stopped) then return false end
    local ok, why = workers.ranks(sweep, round, wanted, epochs, said)
    must(ok ~= nil, why)
    return ok
  end
  if not trial.prepare(sweep, wanted) then return false end
  if sweep.jobs > 1 then
    local ok, why = workers.run(sweep, wanted, epochs, said)
    must(ok ~= nil, why)
    return ok
  end
  for _, k in ipairs(wanted) do
    if workers.make(sweep, k, epochs) then return false end
    said(k)
  end
  return true
end

-- The stretches of epochs of successive halving.
local function rungs(sweep, o)
  local most = sweep.recipe and (sweep.recipe.options.epochs or 10) or 27
  if math.type(most) ~= "integer" then fault('sweep: method = "halving" wants a number of epochs in the recipe') end
  local list, e = {}, math.min(o.min_epochs, most)
  while e < most do
    list[#list + 1] = e
    e = e * o.factor
  end
  list[#list + 1] = most
  return list
end

local function run_all(sweep, o, said)
  local all = {}
  for k = 1, #sweep.points do all[k] = k end
  if o.method ~= "halving" then return go(sweep, all, nil, "all", said) end
  local left, list = all, rungs(sweep, o)
  for i, epochs in ipairs(list) do
    if not go(sweep, left, epochs, "rung-" .. i, said) then return false end
    local results = {}
    for _, k in ipairs(left) do
      local one = trial.result(sweep, k, epochs)
      if one.state ~= "failed" then results[#results + 1] = one end
    end
    table.sort(results, function(a, b)
      if sweep.better(a, b) ~= sweep.better(b, a) then return sweep.better(a, b) end
      return a.number < b.number
    end)
    sweep.reached = sweep.reached or {}
    for _, one in ipairs(results) do sweep.reached[one.number] = epochs end
    left = {}
    for j = 1, math.max(1, #results // o.factor) do left[j] = results[j] and results[j].number end
    if i < #list and #results == 0 then break end
    table.sort(left)
  end
  return true
end

--- sweep(recipe, space[, options]): trains with each of some options, and compares. recipe: {model = m, train =, val =}
-- and options of fit; each trial begins with a copy of m. Or a function(o) that trains with the options o and returns
-- what fit returned, a number (the higher the better) or a table of figures. space: {lr = {0.1, 0.01}, freeze =
-- {"layer[123]*", false}}: lists of values of fit's options, and freeze, patterns that m:freeze takes; or ranges to
-- draw from, {min = 1e-4, max = 0.1, log = true}. Trials that freeze the same share what the frozen trunk makes of the
-- data. Options:
--   method      "grid": all combinations; "random": `trials` (20) of them, drawn; "halving": trials of min_epochs (1),
--               the best of which, one in `factor` (3), train on for factor times as many epochs, and so on to the
--               recipe's epochs (a function is called with o.epochs, to 27)
--   jobs        so many processes side by side (1: here), as parallel() makes them; under mpirun each rank makes trials
--   run         a name: the trials lie in runs/NAME, and the same call goes on with them after a crash
--   by          what says which is best: "val_acc", "val_loss", "acc", "loss" (default: the first there is)
--   seed        of the draws and of each trial (0)      quiet   nothing is printed
-- Returns the trials, the best first: s.best.options, s[2].val_acc, s:model() (the best one's model); it prints itself
-- as a table, plot(s) draws it. A trial that fails is told of there, and the others go on.
local function sweep(what, given, opts)
  local o = read(opts)
  local recipe, f = recipe_of(what)
  local axes = space.read(given)
  for _, axis in ipairs(axes) do
    if recipe and recipe.options[axis.name] ~= nil then
      fault("sweep: %s is both in the recipe and to be tried", axis.name)
    end
    if axis.name == "epochs" and o.method == "halving" then fault("sweep: halving says itself how many epochs") end
    for _, name in ipairs {"model", "train", "val", "run", "quiet", "best"} do
      if recipe and axis.name == name then fault("sweep: %s cannot be tried: it belongs to the recipe", name) end
    end
  end
  if o.method == "grid" and o.trials then fault('sweep: trials goes with method = "random" or "halving"') end
  if o.factor < 2 then fault("sweep: factor expects 2 or more, got %d", o.factor) end
  local name = o.run
  local several = ranks.together()
  if several and name == nil then fault('sweep: %d ranks meet in a folder: run = "name"', core.mpi.size) end
  if several and o.jobs > 1 then fault("sweep: jobs = %d: under mpirun the ranks are the processes", o.jobs) end
  local alone <close> = ranks.alone()
  local path = name ~= nil and folder.path("sweep: run", name) or nil
  local temporary <close> = setmetatable({}, {__close = function(t) if t.path then folder.remove(t.path) end end})
  if not path then
    path = os.tmpname()
    os.remove(path)
  end
  local self = {path = path, points = space.points(axes, o), seed = o.seed, method = o.method, jobs = o.jobs,
    ranks = several, shared = several, recipe = recipe, f = f, better = better_by(o.by)}
  if recipe then -- a trial's best epoch is best by the same figure
    local labelled = (recipe.val or recipe.train):labels() ~= nil and recipe.options.loss == nil
    self.best = (o.by == nil and labelled or o.by == "val_acc" or o.by == "acc") and "acc" or true
  end
  if recipe then -- refused before anything is made
    local check = {}
    for k, v in pairs(recipe.options) do check[k] = v end
    for _, axis in ipairs(axes) do
      if axis.name ~= "freeze" then check[axis.name] = axis.values and axis.values[1] or axis.range.min end
    end
    check.val, check.quiet = recipe.val, true
    require "suture.train.trainer"._of("sweep", recipe.model, recipe.train, check)
  end
  if core.mpi.rank == 0 then open_folder(self, name, identity(recipe, f, axes, o), axes, o) end
  ranks.meet()
  local began, n = core.engine.clock(), 0
  local function said(k)
    n = n + 1
    if o.quiet then return end
    local one = trial.result(self, k, self.now)
    local v, which = figure(one, o.by)
    note(("trial %d of %d  %s  %s"):format(k, #self.points, space.words(axes, self.points[k]),
      one.error and "failed: " .. one.error or v and ("%s %.4g"):format(which:gsub("_", " "), v) or one.state))
  end
  local done = run_all(self, o, said)
  local out = setmetatable({sweep = self, axes = axes, path = path, interrupted = not done or nil,
    seconds = core.engine.clock() - began}, Sweep)
  for k = 1, #self.points do
    out[k] = trial.result(self, k, self.reached and self.reached[k] or nil)
  end
  table.sort(out, function(a, b)
    if self.reached and (self.reached[a.number] or 0) ~= (self.reached[b.number] or 0) then
      return (self.reached[a.number] or 0) > (self.reached[b.number] or 0)
    end
    if self.better(a, b) ~= self.better(b, a) then return self.better(a, b) end
    return a.number < b.number
  end)
  if not name then out.temporary = setmetatable({}, {__gc = function() folder.remove(path) end}) end
  if done and #out > 0 and out[1].state == "failed" then
    if not name then temporary.path = path end
    fault("sweep: every trial failed, as the first: %s", out[1].error)
  end
  return out
end

return sweep
