--- The journal: every change of any model is announced here before it is made, whoever makes it. Undo, redo, the look
-- at a model after each line and :save read it; nobody else keeps book of changes.
--
-- A thing is what can change: a module, a tensor's numbers, a tensor's marks. A kind says how its state is taken and
-- put back: {take = f(thing) → state, put = f(thing, state), same = f(thing, state) → nothing has changed since,
-- bytes = f(state) → memory, keeps = f(thing, state, f) calls f(t) for each tensor that only the state holds, tell =
-- f(words, thing, state, weak) adds words for what is different, born = f(thing) → when its making ended
-- (journal.now()), or nil: it is part of no finished model, reshapes = f(thing, state) → the graph that runs may be
-- another since}. journal.touch(kind, thing)
-- is called before each change; the first one takes the state.
--
-- Changes nest. The outermost is a line of the prompt, or in scripts what lies between two labelled changes. A labelled
-- change inside a line is part of the line's entry, unless it stands apart (fit, loading); in scripts it is an entry.
-- What was made within a line is not recorded: without the line it would not be there. A change that has ended is a
-- step of the past (base/past.lua).
local core = require "suture.core"
local note = require "suture.base.note"
local owners = require "suture.base.owners"
local past = require "suture.base.past"
local words = require "suture.base.text"
local raw = core.tensor

local journal = {}


local prompt = false -- lines of a prompt are told
local asked          -- whether history is to be kept; nil: at the prompt, and by no script

--- journal.keeping(): whether changes become history. journal.keep(on): from now on they do, or do not, whoever makes
-- them.
function journal.keeping()
  if asked ~= nil then return asked end
  return prompt
end
local keeping = journal.keeping
function journal.keep(on)
  asked = on
  if not on then journal.clear() end
end

local clock = 0    -- moments: the beginnings of changes
-- The innermost change that is open: {label, up, [kind] = {thing → record}, order = records, started}
local current
local pushed       -- whether the line that ran last became an entry, or more
local running = false -- a model runs: what is written then is as a rule its own bookkeeping
local silent = 0   -- above 0: what happens is no change of a model (something is being made, or put back)

--- Called as f(changes) for a change that was made → its label, and lines that tell what was put in, out or
-- replaced.
function journal.describe() return "change", {} end

--- journal.now(): the present moment; later ones are greater.
function journal.now() return clock end

-- ---- recording ----

local function open(fields)
  clock = clock + 1
  fields.order, fields.up = {}, current
  fields.started = fields.started or clock
  current = fields
  return fields
end

local function loose() open {started = math.huge, script = true} end -- a script's changes that nobody labelled

--- journal.touch(kind, thing[, weak]): thing is about to change. weak: the change alone is not worth an entry
-- (statistics that a forward pass moves), but is taken back with what else changes.
function journal.touch(kind, thing, weak)
  if silent > 0 or not current or current.script and not keeping() then return end
  if current.keeps and current.apart and kind.bytes and not weak and not keeping() then
    current.kept = true -- it stays, whatever comes, and nobody will take it back
    return
  end
  local records = current[kind]
  if not records then
    records = {}
    current[kind] = records
  end
  local record = records[thing]
  if record then
    record.weak = record.weak and weak
    return
  end
  local born = kind.born(thing)
  if not born or born >= current.started then return end
  record = {kind = kind, thing = thing, before = kind.take(thing), weak = weak, born = born}
  records[thing] = record
  current.order[#current.order + 1] = record
end

-- What is different from what a change's records say: a list of records, and whether it is worth an entry.
local function differences(change)
  local list, strong = {}, false
  for _, r in ipairs(change.order) do
    if not r.kind.same(r.thing, r.before) then
      list[#list + 1] = r
      strong = strong or not r.weak
    end
  end
  return list, strong
end

--- journal.aside(f, …): calls f(…), whose changes are nobody's: a model is being made.
function journal.aside(f, ...)
  silent = silent + 1
  local back <close> = setmetatable({}, {__close = function() silent = silent - 1 end})
  return f(...)
end

local function swap(changes, from, to)
  journal.aside(function()
    for _, r in ipairs(changes) do
      r[from] = r.kind.take(r.thing)
      r.kind.put(r.thing, r[to])
      r[to] = nil
    end
  end)
end

past.swap = swap

local function push(label, changes)
  local why = past.add(label, changes)
  if why == "most" then
    note.once("undo most", ("undo: the oldest changes are forgotten to keep no more than %d "
      .. "(require('suture.base.past').most)"):format(past.most))
  elseif why then
    note.once("undo", ("undo: the oldest changes are forgotten to hold no more than %s "
      .. "(require('suture.base.past').limit, in bytes)"):format(words.bytes(past.limit)))
  end
end

-- Makes an entry of a change that has ended. → what was put in, out or replaced; the things that changed
local function keep(change)
  if not prompt and not keeping() then return {}, {} end
  local changes, strong = differences(change)
  if not strong then return {}, changes end
  local label, structural = journal.describe(changes)
  if keeping() then push(change.label or (label ~= "" and label) or change.text, changes) end
  pushed = true
  return structural, changes
end

-- The records of a change become part of the one around it.
local function merge(change, into)
  for _, r in ipairs(change.order) do
    local records = into[r.kind]
    if not records then
      records = {}
      into[r.kind] = records
    end
    if records[r.thing] then records[r.thing].weak = records[r.thing].weak and r.weak
    elseif r.born < into.started then
      records[r.thing] = r
      into.order[#into.order + 1] = r
    end
  end
end

-- What is told after the line, of a change that became an entry by itself.
local function tell(line, structural, changes)
  if not line or not line.told then return end
  table.move(structural, 1, #structural, #line.told + 1, line.told)
  for _, r in ipairs(changes) do
    if r.kind.reshapes and r.kind.reshapes(r.thing, r.before) then
      line.changed[r.thing] = line.changed[r.thing] or r.before
    end
  end
end

-- What has changed so far becomes an entry; the line (or script) goes on with nothing changed.
local function flush(line)
  tell(line, keep(line))
  for i, r in ipairs(line.order) do line[r.kind], line.order[i] = nil, nil end
  clock = clock + 1
  if not line.script then line.started = clock end
end

local Change = {}
function Change.__close(change, err)
  if current ~= change then return end -- Ctrl-C, and the prompt has begun anew
  local around = change.up
  current = around
  local list = err ~= nil and differences(change)
  local kept = change.kept or false
  for _, r in ipairs(change.keeps and list or {}) do kept = kept or r.kind.bytes ~= nil and not r.weak end
  if list and not kept then swap(list, "after", "before")
  elseif around and (around.up or around.told) and not change.apart then merge(change, around)
  else
    if change.maker and around and not around.up and #change.order > 0 then flush(around) end
    tell(around, keep(change))
  end
end

-- A change that a coroutine left open when it stopped there is part of the one around it.
local function close_abandoned()
  while current and current.up and current.thread ~= coroutine.running() do
    local status = coroutine.status(current.thread)
    if status == "running" or status == "normal" then return end
    merge(current, current.up)
    current = current.up
  end
end

--- journal.begin{label =, apart =, keeps =}: a change begins; it ends when the value is closed (`local change <close>
-- = …`). label: words, or nil for a description of what is different. apart: within a line, an entry of its own.
-- After an error everything is put back as it was; with keeps what happened stays, if numbers have changed. maker: a
-- module is made, which as a rule changes nothing.
function journal.begin(what)
  close_abandoned()
  local outermost = current and not current.up
  if outermost and not what.maker and (current.script or what.apart) then flush(current) end
  return setmetatable(open {label = what.label, thread = coroutine.running(), apart = outermost and what.apart,
    keeps = what.keeps, maker = what.maker}, Change)
end

--- journal.close(change, err): what closing a change does, for those that last longer than a block.
journal.close = Change.__close

--- journal.change(label, f, …): f(…) as one change; what it returns.
function journal.change(label, f, ...)
  local change <close> = journal.begin {label = label}
  return f(...)
end

--- journal.rehearse(f, …): calls f(…), and takes back whatever it changed in any model: it only wanted to see what
-- would run.
function journal.rehearse(f, ...)
  if silent > 0 then return f(...) end
  core.graph.settle() -- what is due already; of what f would write later nothing is
  local change = open {started = math.huge, thread = coroutine.running()}
  local back <close> = setmetatable({}, {__close = function()
    if current ~= change then return end
    core.graph.drop_effects()
    current = change.up
    swap((differences(change)), "after", "before")
  end})
  return f(...)
end

--- journal.running(on): a model begins to run, or ends. What is written while it does is weak: statistics of a
-- hand-written layer, a count of calls.
function journal.running(on) running = on end

-- ---- tensors ----

journal.own, journal.disown, journal.owners = owners.own, owners.disown, owners.all

local function born(t)
  local m = owners.of(t)
  return m and rawget(m, "_born")
end

-- What changes with every write to t.
local function mark_of(t) return ("%d.%d"):format(raw.id(t), raw.version(t)) end

-- Copies of tensors that are the same bits as last time are shared between changes.
local copies = setmetatable({}, {__mode = "kv"})

local numbers = {
  born = born,
  take = function(t)
    local version = mark_of(t)
    local c = copies[t]
    if c and c.version == version then return c end
    c = {version = version, copy = raw.clone(t)}
    copies[t] = c
    return c
  end,
  same = function(t, c) return mark_of(t) == c.version end,
  put = function(t, c)
    if mark_of(t) == c.version then return end
    raw.copy(t, c.copy)
    c.version = mark_of(t)
    copies[t] = c
  end,
  bytes = function(c) return raw.numel(c.copy) * 4 end,
}
journal.numbers = numbers

journal.marked = {
  born = born,
  take = function(t) return {raw.requires_grad(t), raw.frozen(t)} end,
  same = function(t, s) return raw.requires_grad(t) == s[1] and raw.frozen(t) == s[2] end,
  put = function(t, s)
    raw.requires_grad(t, s[1])
    raw.frozen(t, s[2])
    if s[2] then raw.grad(t, nil) end
  end,
}

-- The tensor whose numbers t has: itself, or what it is a view of (tensor/views.lua).
local function whole_of(t)
  local of = raw.part_of(t)
  while of do
    t, of = of, raw.part_of(of)
  end
  return t
end

--- journal.held(t): whether t stands still now: a model runs, and t belongs to frozen modules alone. What a forward
-- writes into it is lost.
function journal.held(t)
  local first = running and owners.of(t)
  if not first or not rawget(first, "_frozen") then return false end
  for _, m in ipairs(owners.all(t)) do if not rawget(m, "_frozen") then return false end end
  return true
end

--- journal.writes(t[, weak]): the numbers of t are about to be changed in place. Returns t.
function journal.writes(t, weak)
  if not current then return t end
  local whole = whole_of(t)
  if owners.of(whole) then journal.touch(numbers, whole, weak or running) end
  return t
end

--- journal.marks(t): requires_grad or frozen of t is about to change. Returns t.
function journal.marks(t)
  if current and owners.of(t) then journal.touch(journal.marked, t) end
  return t
end

--- journal.steps(list): an optimizer is about to move these parameters. A training loop of a script's own is no
-- change to be taken back step by step: only within a line or a labelled change are the numbers before kept.
function journal.steps(list)
  if not current or current.script then return end
  for _, t in ipairs(list) do journal.writes(t) end
end

--- journal.recording(): whether a line of the prompt or a labelled change is open.
function journal.recording() return silent == 0 and current ~= nil and not current.script end

-- ---- lines of the prompt ----

--- journal.begin_line(text), journal.end_line(): around each line of the prompt. What an interrupted line left open is
-- closed. end_line → lines that tell what was put in, out or replaced; the modules whose graph may be another now, with
-- their states before, nil for none.
function journal.begin_line(text)
  if current and current.script then flush(current) end
  silent, current, pushed, running, prompt = 0, nil, false, false, true
  open {text = text, told = {}, changed = {}}
end
function journal.end_line()
  while current and current.up do -- what a coroutine left open
    merge(current, current.up)
    current = current.up
  end
  local line = current
  if not line or not line.told then return end
  flush(line)
  current = nil
  return line.told, next(line.changed) and line.changed
end

--- journal.line_changed(): whether the line that ran last changed a model, for what the shell keeps of it.
function journal.line_changed() return pushed end

--- journal.line(): what changed since the last call is an entry, as a line of the prompt is: for saved sessions, in
-- which undo() means lines.
function journal.line()
  local line = current
  while line and line.up do line = line.up end
  current = line
  if line and line.told then flush(line) end
  journal.begin_line ""
end

--- journal.prompt(yes): from now on lines of a prompt come; false: changes are a script's.
function journal.prompt(yes)
  prompt = yes
  if yes then return end
  silent, current = 0, nil
  loose()
end

-- ---- history ----

--- journal.settle(): what has changed so far is a step of the past.
function journal.settle()
  close_abandoned()
  local line = current
  if line and line.up == nil then flush(line) end
  past.prune()
end

--- journal.clear(): forgets all changes.
function journal.clear()
  past.clear()
  local line = current
  if line and line.up == nil then for i, r in ipairs(line.order) do line[r.kind], line.order[i] = nil, nil end end
end

loose()

return journal
