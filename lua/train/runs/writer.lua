--- What writes a run's folder while a trainer trains, as a part of it (train/parts). Where something cannot be written
-- (the disk is full, the folder is read-only) training goes on, and a line says what was not written.
local core = require "suture.core"
local docs = require "suture.train.runs.described"
local events = require "suture.train.runs.events"
local fault = require "suture.base.fault"
local folder = require "suture.train.runs.folder"
local guard = require "suture.train.guard"
local interrupt = require "suture.base.interrupt"
local lines = require "suture.base.lines"
local note = require "suture.base.note"
local tables = require "suture.model.tables"
local pcall = interrupt.attempt
local writer = {}
writer.__index = writer

local SHARE = 0.1 -- of the time that may go into files of numbers between epochs
local LONGEST = 10 -- seconds after which the state is written all the same

--- The part for the option `run` of a trainer, which has its other options already.
function writer.new(trainer)
  local what = trainer.what
  local path = folder.path(what .. ": run", trainer.options.run)
  local there = folder.read(path)
  if there then
    fault('%s: the run %s is there already (%d epoch%s, %s) · resume(%q) goes on with it, another name begins another',
      what, path, #there.history, #there.history == 1 and "" or "s", there.state, trainer.options.run)
  end
  return setmetatable({what = what, path = path, spent = 0, moved = {}, lost = {}}, writer)
end

--- The part for a run that goes on: `state` is what was read of it.
function writer.resumed(trainer, path, state)
  return setmetatable({what = trainer.what, path = path, spent = 0, moved = {}, lost = {}, base = state.base,
    random = state.random, there = true}, writer)
end

--- The part for one of many trials, in a folder that holds the model which all of them begin with, as `base` says
-- (from the trial's folder), but for `freeze`. Of a trial there are the state and the figures.
function writer.trial(trainer, path, base, freeze)
  return setmetatable({what = trainer.what, path = path, spent = 0, moved = {}, lost = {}, base = base, freeze = freeze,
    light = true, there = folder.read(path) ~= nil}, writer)
end

-- ---- what fails ----

-- f() → true, or nil and why; or an error. Told once for each file and reason.
function writer:try(name, f)
  local ok, done, why = pcall(f)
  if not ok then
    done, why = nil, tostring(done):gsub("^%S-:%d+: ", "")
  end
  if done then
    self.lost[name] = nil
    return true
  end
  self.lost[name] = why
  if not self.told then
    self.told = true
    note(("%s: run: training goes on, but %s was not written: %s"):format(self.what, name, why))
  end
  return false
end

-- A table to a file; the whole file or the one before.
function writer:table(name, v)
  return self:try(name, function()
    tables.save(v, self.path .. "/" .. name)
    return true
  end)
end

function writer:text(name, text)
  return self:try(name, function() return folder.put(self.path .. "/" .. name, text) end)
end

function writer:save(m, name)
  return self:try(name, function()
    m:save(self.path .. "/" .. name)
    return true
  end)
end

-- ---- what is written ----

function writer:status(trainer, state, why)
  local row = trainer.history[#trainer.history]
  local best = trainer.best.epoch and {epoch = trainer.best.epoch, value = trainer.best.value,
    by = trainer._best_by.name}
  self:text("status.json", folder.encode {state = state, why = why, process = folder.self(), epoch = trainer.epoch,
    steps = trainer.steps, seconds = self:elapsed(), row = row, best = best, ended = os.time()} .. "\n")
end

function writer:elapsed() return self.before + core.engine.clock() - self.started end

-- The names of tensors that this run has moved or may move: what model-N.safetensors does not tell any more.
local function movable(trainer, moved)
  local is, fresh = {}, false
  for _, t in ipairs((guard.movable(trainer.model))) do is[t] = true end
  for name, t in pairs(trainer.model:state_dict()) do
    if is[t] then
      fresh = fresh or not moved[name]
      moved[name] = true
    end
  end
  return fresh
end

-- How the model is marked: a parameter's or module's freezing changes it.
local function marks(m)
  local parts = {}
  for name, p in m:named_parameters() do parts[#parts + 1] = p.requires_grad and name or "" end
  for name, module in m:named_modules() do
    parts[#parts + 1] = module._frozen and name or module.training and "t" or "e"
  end
  return core.digest.text(table.concat(parts, "\n"))
end

-- The model with all there is to it, which later states are added to.
function writer:whole(trainer)
  local name = ("model-%d.safetensors"):format(trainer.epoch)
  self.marks = marks(trainer.model)
  if not self:save(trainer.model, name) then return end
  if self.base and self.base ~= name then self.old = self.base end
  self.base = name
end

function writer:numbers(trainer)
  if movable(trainer, self.moved) or self.marks ~= marks(trainer.model) or not self.base then
    self:whole(trainer)
    if not self.base then return end
  end
  local sd = trainer:_state(function(name) return self.moved[name] end)
  sd.seconds, sd.freeze = self:elapsed(), self.freeze
  sd.base, sd.given, sd.trunk = self.base, self.given, trainer._session and trainer._session.kept:filled()
  sd.moved = {}
  for name in pairs(self.moved) do sd.moved[#sd.moved + 1] = name end
  table.sort(sd.moved)
  if not self:table("state.safetensors", sd) then return end
  self.stated = trainer.epoch
  if self.old then os.remove(self.path .. "/" .. self.old) end
  self.old = nil
end

-- Whether there is time for a file of numbers: these wait for the disk.
function writer:has_time() return self.spent <= SHARE * (core.engine.clock() - self.started) end

-- f(…), whose time counts.
function writer:counted(f, ...)
  local now = core.engine.clock()
  local done = f(self, ...)
  self.spent = self.spent + core.engine.clock() - now
  return done
end

-- The figures: a line more, or all of them where some are missing.
function writer:metrics(trainer)
  local rows = trainer.history
  local path = self.path .. "/metrics.jsonl"
  local appended = self.lines == #rows - 1 and self:try("metrics.jsonl", function()
    local f, why = io.open(path, "a")
    if not f then return nil, why end
    local ok
    ok, why = f:write(folder.metrics_text {rows[#rows]})
    if ok then ok, why = f:close() else f:close() end
    return ok, why
  end)
  if appended or self:text("metrics.jsonl", folder.metrics_text(rows)) then self.lines = #rows end
end

-- A whole model, where there is time for it or there must be.
function writer:model(trainer, name, must)
  if self.light then return true end
  return (must or self:has_time()) and trainer:_averaged(function()
    return self:counted(self.save, trainer.model, name)
  end)
end

-- ---- hooks ----

--- A session begins: the folder, where it is not there yet.
function writer:opened(trainer)
  if self.started then return end
  self.started, self.before, self.spent, self.stated = core.engine.clock(), trainer.seconds, 0, trainer.epoch
  local whole <close> = interrupt.defer()
  self.given = self.given or docs.given(trainer)
  if self.there or self.light then
    movable(trainer, self.moved)
    self.marks = marks(trainer.model)
  end
  if self.there then
    if self.random then core.engine.seed(self.random) end
  elseif not self:try("the folder", function() return core.file.make_folder(self.path) end) then
    self.dead = true
    return
  else
    self:text("run.json", docs.info(trainer, self.given))
    local name, text = docs.script(lines.session)
    if text and not self.light then self:text(name, text) end
    if trainer.options.teacher then self:save(trainer.options.teacher, "teacher.safetensors") end
    self:numbers(trainer)
  end
  self.there, self.random, self.written = true, nil, self.started
  self:text("metrics.jsonl", folder.metrics_text(trainer.history))
  self.lines = #trainer.history
  self.events = not self.light and events.new(self.path .. "/" .. events.name)
  if self.events then self:try(events.name, function() return self.events:open(trainer.history) end) end
  self:status(trainer, "running")
end

--- An epoch is over and judged.
function writer:judged(trainer, row)
  if self.dead then return end
  local whole <close> = interrupt.defer()
  local now = core.engine.clock()
  if self:has_time() or now - self.written > LONGEST then
    self:counted(self.numbers, trainer)
    self.written = now
  end
  self:metrics(trainer)
  if self.events then self:try(events.name, function() return self.events:add(row) end) end
  self.last = self:model(trainer, "last.safetensors") and row.epoch
  if trainer.best.epoch == row.epoch then
    self.best = self:model(trainer, "best.safetensors") and row.epoch
  end
  self:status(trainer, "running")
end

--- Before the best weights come back: the last ones, and the best where they are not there yet.
function writer:trained(trainer)
  if self.dead then return end
  local whole <close> = interrupt.defer()
  local stopped = trainer.interrupted ~= nil
  if not stopped and self.stated ~= trainer.epoch then self:numbers(trainer) end
  if stopped or self.last ~= trainer.epoch then self:model(trainer, "last.safetensors", true) end
  self.last = trainer.epoch
  local top = trainer._session.best
  if self.light or not top or not trainer.best.epoch or self.best == trainer.best.epoch then return end
  local now = guard.copy(trainer._guard.moving)
  top.restore()
  self:save(trainer.model, "best.safetensors")
  now.restore()
  self.best = trainer.best.epoch
end

--- The session is over.
function writer:close(trainer, err)
  if self.dead or not self.started then return end
  local whole <close> = interrupt.defer()
  if err == nil and not trainer.interrupted and self.stated ~= trainer.epoch then self:numbers(trainer) end
  if self.last ~= trainer.epoch and err == nil then self:model(trainer, "last.safetensors", true) end
  if trainer.interrupted then self:metrics(trainer) end
  local state = err ~= nil and not interrupt.is(err) and "failed" or (err ~= nil or trainer.interrupted) and
    "interrupted" or (trainer.converged or trainer.epoch >= trainer.options.epochs) and "done" or "stopped"
  self:status(trainer, state, err ~= nil and tostring(err) or nil)
  local names = {}
  for name in pairs(self.lost) do names[#names + 1] = name end
  table.sort(names)
  if #names > 0 then
    note(("%s: run: not written, or not their newest: %s in %s"):format(self.what, table.concat(names, ", "),
      self.path))
  end
  self.started = nil
end

function writer:result(_, r) r.run = self.path end

return writer
