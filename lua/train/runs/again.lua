--- A run made again from what lies in its folder: its options, data, model and optimizer, as far as it came.
local checkpoint = require "suture.model.checkpoint"
local fault = require "suture.base.fault"
local folder = require "suture.train.runs.folder"
local journal = require "suture.base.journal"
local measure = require "suture.train.evaluate"
local Module = require "suture.nn.module"
local optim = require "suture.optim"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local reopen = require "suture.data.reopen"
local Trainer = require "suture.train.trainer"
local writer = require "suture.train.runs.writer"

local again = {}

local known = options.known("resume", {
  train = true, val = true, model = true, epochs = true, max_epochs = true, quiet = true, threads = true,
  teacher = true, loss = true, schedule = true, best = true, optimizer = true, on_epoch = true, on_step = true,
  reduce = true})

-- What a file holds, or an error that says which.
local function opened(run, name)
  local path = run.path .. "/" .. name
  local ok, v = pcall(checkpoint.open, path)
  if ok then return v end
  local why = tostring(v):gsub("^suture:%S-:%d+: ", "")
  return nil, why
end

-- The data set `which` of the run: what was given, or what the run can open again, and it is the same as it was.
local function data_of(run, which, given)
  local told = run.info[which]
  if not told then
    if given ~= nil then fault("resume: the run %s had no %s: it goes on without one", run.path, which) end
    return nil
  end
  local ds = given
  if given ~= nil then ds = measure.check_dataset("resume: " .. which, given)
  elseif not told.recipe then
    fault("resume: the run's %s (%s) cannot be opened again by itself: resume(%q, {%s = …}) gives it", which, told.text,
      run.name, which)
  else
    local ok, got = pcall(reopen.open, told.recipe)
    if not ok then
      fault("resume: the run's %s cannot be opened again: %s · resume(%q, {%s = …}) gives it", which,
        tostring(got):gsub("^suture:%S-:%d+: ", ""), run.name, which)
    end
    ds = got
  end
  return ds, told.fingerprint
end

local function same_data(run, which, ds, fingerprint)
  if not ds or ds:fingerprint() == fingerprint then return end
  fault("resume: %s is not what the run was trained with: it is %s, it was %s%s", which, tostring(ds),
    run.info[which].text, #ds == run.info[which].samples and " (its samples, their order or their transforms differ)"
      or "")
end

-- An optimizer of the user's own, made again.
local function optimizer_of(run, m, told, state)
  local kind = optim._kinds[told.kind:lower()]
  if not kind then
    fault("resume: the run's optimizer, %s, is not declared: declare it, or resume(%q, {optimizer = …})", told.kind,
      run.name)
  end
  local named, groups = {}, {}
  for name, p in m:named_parameters() do named[name] = p end
  for i, names in ipairs(told.groups) do
    groups[i] = {params = {}}
    for k, v in pairs(state.param_groups[i]) do if kind.known[k] then groups[i][k] = v end end
    for k, name in ipairs(names) do
      groups[i].params[k] = named[name] or
        fault("resume: the optimizer holds %s, which the model has not: resume(%q, {optimizer = …})", name, run.name)
    end
  end
  return kind.make(groups)
end

-- The options that the run goes on with.
local function options_of(run, state, given)
  local o = {}
  for name, v in pairs(state.given.options) do o[name] = v end
  for _, name in ipairs {"epochs", "max_epochs", "quiet", "threads", "loss", "schedule", "best", "on_epoch", "on_step",
    "reduce"} do
    if given[name] ~= nil then o[name] = given[name] end
  end
  if type(given.epochs) == "number" then o.patience, o.max_epochs = nil, given.max_epochs end -- "converge" no more
  for name in pairs(state.given.lost) do
    if given[name] == nil then
      fault("resume: the run was trained with %s = %s, which no file holds · resume(%q, {%s = …})%s", name,
        state.given.lost[name], run.name, name, name:find "^on_" and " (false: without)" or "")
    end
    if given[name] == false then o[name] = nil end
  end
  o.run, o.seed = run.path, state.given.seed
  return o
end

-- The model as the state has it.
local function model_of(run, state, given)
  local m, why = given, nil
  if m == nil then
    m, why = opened(run, state.base)
    if not m then
      fault("resume: %s · resume(%q, {model = m}) goes on with a model that you made as before", why, run.name)
    end
    if state.freeze then m:freeze(table.unpack(state.freeze)) end
  elseif not Module.is_module(m) then fault("resume: model expects a model, got %s", options.show(m)) end
  for name, t in pairs(m:state_dict()) do
    if state.model[name] == nil then state.model[name] = t end
  end
  return m
end

--- again.trainer(run, opts): the trainer of a run, as far as its state is. writes: f(trainer, state) → the part
-- that writes it.
function again.trainer(run, opts, writes)
  run = folder.find("resume", run)
  opts = options.check("resume", opts == nil and {} or opts, known)
  if run.state == "running" and folder.lives(run.status.process) and
    run.status.process.pid ~= folder.self().pid then
    fault("resume: the run %s is being trained by the process %d", run.path, run.status.process.pid)
  end
  local state, why = opened(run, "state.safetensors")
  if not state then
    fault("resume: the run %s has no state to go on from%s", run.path, why and ": " .. why or "")
  end
  local o = options_of(run, state, opts)
  local train, print_train = data_of(run, "train", opts.train)
  local val, print_val = data_of(run, "val", opts.val)
  local m = model_of(run, state, opts.model)
  o.val = val
  o.teacher = opts.teacher
  if o.teacher == nil and folder.exists(run.path .. "/teacher.safetensors") then
    o.teacher = opened(run, "teacher.safetensors")
  end
  o.optimizer = opts.optimizer or state.given.optimizer and
    optimizer_of(run, m, state.given.optimizer, state.optimizer) or o.optimizer
  local t = Trainer._of("resume", m, train, o, function(trainer)
    same_data(run, "train", trainer.data, print_train)
    same_data(run, "val", trainer.val, print_val)
    local w = writes and writes(trainer, state) or writer.resumed(trainer, run.path, state)
    w.given = state.given
    for _, name in ipairs {"epochs", "max_epochs"} do
      if opts[name] ~= nil then w.given.options[name] = opts[name] end
    end
    return w
  end)
  if type(opts.epochs) == "number" and opts.epochs < state.epoch then
    fault("resume: epochs = %d, but the run %s has %d behind it", opts.epochs, run.path, state.epoch)
  end
  journal.aside(t.load_state_dict, t, state)
  t._refill = state.trunk
  return t
end

return again
