--- undo(), redo(), history(): what was done to models can be taken back: surgery, marks (freeze, train, eval,
-- requires_grad), fields of layers, hooks, fit, load_state_dict, in-place changes of parameters. The journal
-- (base/journal.lua) keeps what changes; here are the words for it.
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local journal = require "suture.base.journal"
local Module = require "suture.nn.module"
local note = require "suture.base.note"
local options = require "suture.base.options"
local past = require "suture.base.past"
local suggest = require "suture.base.suggest"
local text = require "suture.base.text"
local trace = require "suture.nn.trace"

local undo = {}

-- ---- where models are ----

local is_module = Module.is_module

-- Calls f(name, module) for modules in a table of the user's and in plain tables inside it. depth: how deep to look.
local function visit(t, name_of, f, depth, seen)
  if seen[t] then return end
  seen[t] = true
  local n = 0
  for key, v in next, t do
    n = n + 1
    if n > 1000 then return end
    if is_module(v) then f(name_of(key), v)
    elseif depth > 0 and type(v) == "table" and not getmetatable(v) then
      local name = name_of(key)
      local function inner(k)
        return type(k) == "string" and k:find "^[%a_][%w_]*$" and name .. "." .. k
          or ("%s[%s]"):format(name, options.show(k))
      end
      visit(v, inner, f, depth - 1, seen)
    end
  end
end

--- undo.roots(): the models that globals name, also those in tables: {name =, module =}, by name; each module once.
function undo.roots()
  local out, named = {}, {}
  local library = package.loaded
  visit(_G, tostring, function(name, m)
    if name == "_" then return end
    local have = named[m]
    if not have then
      have = {name = name, module = m}
      named[m], out[#out + 1] = have, have
    elseif #name < #have.name or (#name == #have.name and name < have.name) then have.name = name end
  end, 2, {[library] = true, [_G] = false, [library.suture or library] = true})
  table.sort(out, function(a, b) return a.name < b.name end)
  return out
end

--- undo.path_of(m, roots): how m is called in its model: "layer1.0"; with the model's name in front where there are
-- several.
function undo.path_of(m, roots)
  for _, root in ipairs(roots) do
    local p = trace.paths(root.module)[m]
    if p then
      if p == "" then return root.name or getmetatable(m).__name, p end
      return #roots > 1 and root.name and root.name .. "." .. p or p, p
    end
  end
end

-- ---- words for a change ----

--- undo.words(module): "Linear(512 → 1000)", as changes name it.
undo.words = require("suture.model.words").module

local function join(path, name) return (path == nil or path == "") and name or path .. "." .. name end

-- Children whose names are their places, in order; nil for others.
local function listed(children)
  local list = {}
  while children[tostring(#list)] do list[#list + 1] = children[tostring(#list)] end
  local n = 0
  for _ in next, children do n = n + 1 end
  return n == #list and list or nil
end

-- Tells of modules that went into a list or out of it while others only moved; false where it is not that.
local function moved(told, path, before, after)
  local old, new = listed(before), listed(after)
  if not old or not new or #old == #new then return false end
  local fewer, first, behind = math.min(#old, #new), 0, 0
  while first < fewer and old[first + 1] == new[first + 1] do first = first + 1 end
  while first + behind < fewer and old[#old - behind] == new[#new - behind] do behind = behind + 1 end
  if first + behind < fewer then return false end
  local what = #old > #new and "removed" or behind > 0 and "inserted" or "added"
  local others = behind > 0 and (" (%d behind it moved %s)"):format(behind, #old > #new and "down" or "up") or ""
  local list = #old > #new and old or new
  for i = first + 1, #list - behind do
    told[#told + 1] = ("%s: %s %s%s"):format(join(path, tostring(i - 1)), undo.words(list[i]), what,
      i == #list - behind and others or "")
  end
  return true
end

local function children(told, path, before, after)
  if moved(told, path, before, after) then return end
  for name, old in next, before do
    local new = after[name]
    if new == nil then told[#told + 1] = ("%s: %s removed"):format(join(path, name), undo.words(old))
    elseif new ~= old then
      told[#told + 1] = ("%s: %s replaced by %s"):format(join(path, name), undo.words(old), undo.words(new))
    end
  end
  for name, new in next, after do
    if before[name] == nil then told[#told + 1] = ("%s: %s added"):format(join(path, name), undo.words(new)) end
  end
end

local function tensors(told, path, before, after)
  for name, t in next, before do
    if not rawequal(after[name], t) then
      told[#told + 1] = ("%s %s"):format(join(path, name), after[name] and "replaced" or "removed")
    end
  end
  for name in next, after do if before[name] == nil then told[#told + 1] = join(path, name) .. " added" end end
end

local function brief(v)
  local text = options.show(v)
  return #text > 40 and text:sub(1, 37) .. "…" or text
end

-- structural: what is told after the line as well: fields of declared layers, which act.
local function fields(told, path, before, after, m)
  if not getmetatable(m)._declared then told = told.quiet end
  for name, v in next, after do
    if before[name] == nil then told[#told + 1] = ("%s = %s"):format(join(path, name), brief(v))
    elseif not rawequal(before[name], v) then
      told[#told + 1] = ("%s = %s (was %s)"):format(join(path, name), brief(v), brief(before[name]))
    end
  end
  for name in next, before do if after[name] == nil then told[#told + 1] = join(path, name) .. " taken away" end end
end

local function hooks_told(told, path, before, after)
  local n, m = before and #before or 0, after and #after or 0
  if n ~= m then
    told[#told + 1] = ("%s: a hook %s"):format(path ~= "" and path or "the model", m > n and "added" or "removed")
  end
end

-- How many modules got a mark, in words with one of them.
local function tally()
  local counts, any = {}, {}
  local self = {}
  function self.count(what, m)
    counts[what] = (counts[what] or 0) + 1
    if not any[what] then
      any[what] = m
      any[#any + 1] = what
    end
  end
  function self.tell(told, roots)
    table.sort(any)
    for _, what in ipairs(any) do
      local n = counts[what]
      local one = n == 1 and undo.path_of(any[what], roots)
      told[#told + 1] = one and ("%s %s"):format(one, what) or ("%d module%s %s"):format(n, n == 1 and "" or "s", what)
    end
  end
  return self
end

-- "fc.weight" of a parameter or buffer, or nil.
local function name_of(t, roots)
  for _, m in ipairs(journal.owners(t)) do
    local path = undo.path_of(m, roots)
    for _, values in ipairs {"_params", "_buffers"} do
      for name, x in next, rawget(m, values) do
        if rawequal(x, t) then return path and join(path, name) or name, m end
      end
    end
  end
end

local function marks(counts, r, now)
  local owner = journal.owners(r.thing)[1]
  if now[1] ~= r.before[1] and now[2] == r.before[2] then
    counts.count(now[1] and "requires_grad on" or "requires_grad off", owner)
  end
end

--- The label of a change, and lines that tell what was put in, out or replaced.
function journal.describe(changes)
  local roots = undo.roots()
  if #roots == 0 then -- a script's own
    for _, r in ipairs(changes) do if is_module(r.thing) then roots[#roots + 1] = {module = r.thing} end end
  end
  local told, counts, written = {}, tally(), {}
  told.quiet = {}
  local frozen = {} -- modules whose parameters' marks are told by their own
  for _, r in ipairs(changes) do
    if r.kind == Module._state and rawget(r.thing, "_frozen") ~= r.before._frozen then frozen[r.thing] = true end
  end
  for _, r in ipairs(changes) do
    if r.kind == Module._state then
      local m, b = r.thing, r.before
      local name, path = undo.path_of(m, roots)
      path = #roots > 1 and name or path or ""
      children(told, path, b._children, rawget(m, "_children"))
      tensors(told, path, b._params, rawget(m, "_params"))
      tensors(told, path, b._buffers, rawget(m, "_buffers"))
      fields(told, path, b._fields, rawget(m, "_fields"), m)
      hooks_told(told, path, b._hooks, rawget(m, "_hooks"))
      local cut = rawget(m, "_cut")
      if b._cut ~= cut then told[#told + 1] = cut and "cut at " .. cut or "the cut taken back" end
      if frozen[m] then counts.count(rawget(m, "_frozen") and "frozen" or "thawed", m) end
      local training = rawget(m, "_training")
      if training ~= b._training then counts.count(training and "in train mode" or "in eval mode", m) end
      if rawget(m, "_bn_eval") ~= b._bn_eval then
        counts.count(rawget(m, "_bn_eval") and "BatchNorm in eval" or "BatchNorm as the mode says", m)
      end
    elseif r.kind == journal.marked then
      if not frozen[journal.owners(r.thing)[1] or false] then marks(counts, r, r.kind.take(r.thing)) end
    elseif r.kind == journal.numbers and not r.weak then written[#written + 1] = r.thing
    elseif r.kind.tell then r.kind.tell(told.quiet, r.thing, r.before, r.weak) end
  end
  table.sort(told)
  local structural = table.move(told, 1, #told, 1, {})
  table.sort(told.quiet)
  table.move(told.quiet, 1, #told.quiet, #told + 1, told)
  counts.tell(told, roots)
  if #written == 1 then told[#told + 1] = (name_of(written[1], roots) or "1 tensor") .. " written"
  elseif #written > 0 then told[#told + 1] = ("%d tensors written"):format(#written) end
  local shown = table.move(told, 1, math.min(3, #told), 1, {})
  if #told > 3 then shown[#shown + 1] = ("and %d more"):format(#told - 3) end
  return table.concat(shown, "; "), structural
end

-- ---- what users call ----

-- The step after which the checkpoint of this name was made.
local function place_of(what, name)
  journal.settle()
  local names = past.names()
  if not names[name] then
    local list = {}
    for each in next, names do list[#list + 1] = each end
    fault("%s: no checkpoint '%s'%s · :checkpoint lists them, :checkpoint NAME makes one", what, name,
      suggest.hint(name, list))
  end
  return names[name]
end

local function steps_of(what, n)
  if n == nil then return 1 end
  if type(n) == "string" then
    local place, at = place_of(what, n), past.at()
    local behind, ahead = past.within(place, at), past.within(at, place)
    if not behind and not ahead then
      fault("%s: checkpoint %s lies on another way: back_to %q", what, n, n)
    end
    local steps = past.depth(at) - past.depth(place)
    if what == "redo" then steps = -steps end
    if steps < 0 then
      local other = what == "undo" and "redo" or "undo"
      fault('%s: checkpoint %s lies the other way: %s "%s"', what, n, other, n)
    end
    return steps
  end
  local k = math.tointeger(n)
  if not k or k < 1 then fault("%s: expects a number of steps above 0, got %s", what, tostring(n)) end
  return k
end

local function kept(what)
  if not journal.keeping() then
    fault("%s: no history is kept (scripts keep none unless they ask) · " ..
      "history(true) before the changes that are to be taken back", what)
  end
end

-- step() n times, at most; what it did in words.
local function repeated(what, n, step, done, none)
  kept(what)
  journal.settle()
  local said, more = {}, 0
  for _ = 1, n do
    local made = step()
    if not made then break end
    if #said < 20 then said[#said + 1] = done .. made.label else more = more + 1 end
  end
  if more > 0 then said[#said + 1] = ("%s%s %d more"):format(done, text.sign "dots", more) end
  return note.words(#said > 0 and table.concat(said, "\n") or none)
end

--- undo([n]): takes back the last change of a model (surgery, freezing, modes, fields, fit, loading), or the last n, or
-- all since a checkpoint: undo "name" (see suture.checkpoint). Numbers come back to the bit, and so do an optimizer's
-- options and what it remembers. Returns a line that says what was taken back. See redo, back_to, history; m:before(n)
-- gives m as it was, and leaves it as it is.
function undo.undo(n) return repeated("undo", steps_of("undo", n), past.back, "undone: ", "nothing to undo") end

--- redo([n]): makes again what undo() took back last, or the last n, or all up to a checkpoint: redo "name". Returns a
-- line that says what. After a new change there is nothing to redo: what was undone is another way, which history()
-- shows and back_to goes to.
function undo.redo(n) return repeated("redo", steps_of("redo", n), past.forth, "redone: ", "nothing to redo") end

--- back_to(step): models are as they were after that step, on whatever way it lies: its number in history(), 0 for the
-- beginning, or the name of a checkpoint. Nothing is lost: back_to goes from one way to the other and back again.
-- Returns a line that says where models are now.
function undo.back_to(step, ...)
  if select("#", ...) > 0 then fault "back_to: expects one step, got more" end
  kept "back_to"
  local to
  if type(step) == "string" then to = place_of("back_to", step)
  else
    local n = math.tointeger(step)
    if not n or n < 0 then
      fault("back_to: expects the number of a step or the name of a checkpoint, got %s", options.show(step))
    end
    journal.settle()
    to = past.numbered(n)
    if not to then fault("back_to: there is no step %d · history() lists them", n) end
  end
  local whole <close> = interrupt.defer() -- nothing stops half way
  past.go(to)
  return note.words(to.label and ("after step %d: %s"):format(to.number, to.label) or "at the beginning")
end

local History = {__name = "history"}

-- "  [name, other]": the checkpoints at a step.
local function marks_at(step)
  local here = {}
  for name, at in next, past.names() do if at == step then here[#here + 1] = name end end
  table.sort(here)
  return here[1] and ("  [%s]"):format(table.concat(here, ", ")) or ""
end

function History.__tostring(h)
  if #h.steps == 0 then
    return journal.keeping() and "nothing was changed yet" or "no history is kept (history(true) keeps it from here on)"
  end
  local rows, widest = {}, 0
  if h.beginning ~= "" then rows[1] = {"  0  the beginning" .. h.beginning, 0} end
  for _, e in ipairs(h.steps) do
    local lane = ("│ "):rep(e.aside)
    local undone = e.undone and e.aside == 0 and "  (undone)" or ""
    local row = ("%s%3d  %s%s%s"):format(lane, e.step, e.label, undone, e.mark)
    rows[#rows + 1] = {row, e.bytes}
    if e.bytes > 0 then widest = math.max(widest, math.min(text.columns(row), 70)) end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local gap = (" "):rep(math.max(widest - text.columns(row[1]), 0))
    lines[i] = row[2] > 0 and ("%s%s  %s"):format(row[1], gap, text.bytes(row[2])) or row[1]
  end
  if h.bytes > 0 then lines[#lines + 1] = ("to go back takes %s"):format(text.bytes(h.bytes)) end
  local other = h.steps[1]
  for _, e in ipairs(h.steps) do if e.aside > 0 then other = e end end
  if other.aside > 0 then
    lines[#lines + 1] = ("│ is another way that was taken: back_to(%d) goes there"):format(other.step)
  end
  return text.safe(table.concat(lines, "\n"))
end

--- history([on]): the changes that undo() and redo() walk through, oldest first: a list of {label =, undone =, step =
-- its number, bytes = what it takes in memory to go back}; prints itself, with the other ways that were taken and left
-- (`.steps`: all, each with aside = 0 for this way). Memory that two steps share counts for the first. history(true)
-- keeps history from here on, history(false) keeps none and forgets what there is. At the prompt it is kept; a script
-- keeps none unless it asks. History holds what it takes to go back, 1 GB and 200 steps at most
-- (require("suture.base.past").limit, .most), but no model that nobody else holds.
function undo.history(on)
  if on ~= nil and type(on) ~= "boolean" then fault("history: expects true or false, got %s", options.show(on)) end
  if on ~= nil then journal.keep(on) end
  journal.settle()
  local list, steps, bytes, total = {}, {}, past.bytes()
  past.each(function(step, aside)
    local e = {label = step.label, step = step.number, undone = not past.within(step, past.at()), bytes = bytes[step],
      aside = aside, mark = marks_at(step)}
    steps[#steps + 1] = e
    if aside == 0 then list[#list + 1] = e end
  end)
  list.steps, list.bytes, list.beginning = steps, total, marks_at(past.numbered(0))
  return setmetatable(list, History)
end

--- suture.checkpoint(name): names the present place in history: undo(name) goes back there, redo(name) forward,
-- back_to(name) from another way too, m:before(name) gives m as it was there, and history() shows it. A name is moved
-- when it is given again; it is gone when what came before it is forgotten. Without a name: the checkpoints, as a list
-- of {name =, changes = how many were made before}. At the prompt: :checkpoint NAME.
function undo.checkpoint(name, ...)
  if select("#", ...) > 0 then fault "checkpoint: expects one name, got more" end
  journal.settle()
  local names, at = past.names(), past.at()
  if name == nil then
    local list = {}
    for each, step in next, names do list[#list + 1] = {name = each, changes = past.depth(step)} end
    table.sort(list, function(a, b) return a.changes < b.changes or a.changes == b.changes and a.name < b.name end)
    return list
  end
  if type(name) ~= "string" or not name:find "^[%a_][%w_%-]*$" then
    fault("checkpoint: expects a name of letters, digits, - and _, got %s", options.show(name))
  end
  if not journal.keeping() then fault "checkpoint: no history is kept · history(true) before it" end
  local before = names[name]
  names[name] = at
  return note.words(("checkpoint %s: after %s%s"):format(name, text.plural(past.depth(at), "change"),
    before and before ~= at and (" (it was after %d)"):format(past.depth(before)) or ""))
end

--- m:before([n]): a copy of m as it was before the last change that undo() would take back, or the last n, or at a
-- checkpoint, on whatever way: m:before "name". m itself stays as it is. diff(m, m:before(3)) tells what three changes
-- did, with the norm of the change of each tensor.
function Module.before(m, ...)
  local n = ...
  if select("#", ...) > 1 then fault "before: expects a number of changes or the name of a checkpoint, got more" end
  if not journal.keeping() then
    fault "before: no history is kept (scripts keep none unless they ask) · history(true) before the changes"
  end
  journal.settle()
  local step
  if type(n) == "string" then step = place_of("before", n) else step = past.above(past.at(), steps_of("before", n)) end
  if not step then
    fault("before: there are only %s to go back · history() lists them", text.plural(past.depth(past.at()), "change"))
  end
  local whole <close> = interrupt.defer() -- nothing stops half way
  return past.visit(step, m.clone, m)
end

--- undo.clear(): forgets all changes.
undo.clear = journal.clear

return undo
