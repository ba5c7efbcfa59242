--- undo(), redo(), history(): what was done to models can be taken back: surgery, marks (freeze, train, eval, requires_grad),
-- fit, load_state_dict, and at the prompt any assignment and in-place change of parameters.
--
-- A change is kept as two states of the modules it touched. A state holds names, parts and marks (cheap); a snapshot holds
-- copies of the numbers too. At the prompt each line is compared with what was before it, so whatever changed the models
-- is seen; in scripts the methods that change a model record themselves.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local note = require "suture.base.note"
local raw = core.tensor
local rawget, rawset = rawget, rawset

local undo = {}

-- Entries in order: {label =, back = f, forth = f, bytes =}; those above `at` are undone.
local entries, at = {}, 0
local line -- while a prompt line runs: {roots =, states =, tensors =, saved =, label =}

--- How many bytes of copies history may hold; beyond, the oldest entries are forgotten with a note. undo.most: entries.
undo.limit = 1 << 30
undo.most = 200

-- ---- states of modules ----

local stores = {{"_names", "_children"}, {"_pnames", "_params"}, {"_bnames", "_buffers"}}
local marks = {"training", "_frozen", "_bn_eval", "_before", "_after", "_cut"}

local function copied(t)
  if type(t) ~= "table" then return t end
  local out = {}
  for k, v in next, t do out[k] = v end
  return out
end

local function state_of(m)
  local s = {flags = {}}
  for _, store in ipairs(stores) do
    for _, field in ipairs(store) do s[field] = copied(rawget(m, field)) end
  end
  for _, field in ipairs(marks) do
    local v = rawget(m, field)
    s[field] = type(v) == "table" and copied(v) or v
  end
  s.classes = rawget(m, "_fields").classes
  for _, p in next, s._params do
    s.flags[p] = (raw.requires_grad(p) and 1 or 0) + (raw.frozen(p) and 2 or 0)
  end
  return s
end

-- States of m and all modules beneath: map module → state.
local function states_of(m, out)
  out = out or {}
  if out[m] then return out end
  out[m] = state_of(m)
  for _, name in ipairs(rawget(m, "_names")) do states_of(rawget(m, "_children")[name], out) end
  return out
end
undo.states_of = states_of

local function same_table(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for k, v in next, a do if b[k] ~= v then return false end end
  for k in next, b do if a[k] == nil then return false end end
  return true
end

local function same_state(a, b)
  for k, v in next, a do
    local w = b[k]
    if v ~= w and not ((type(v) == "table" or type(w) == "table") and same_table(v, w)) then return false end
  end
  for k in next, b do if a[k] == nil then return false end end
  return true
end

local function put_state(m, s)
  for _, store in ipairs(stores) do
    for _, field in ipairs(store) do rawset(m, field, copied(s[field])) end
  end
  for _, field in ipairs(marks) do
    local v = s[field]
    rawset(m, field, type(v) == "table" and copied(v) or v)
  end
  rawget(m, "_fields").classes = s.classes
  for p, f in next, s.flags do
    raw.requires_grad(p, f & 1 ~= 0)
    raw.frozen(p, f & 2 ~= 0)
    if f & 2 ~= 0 then raw.grad(p, nil) end
  end
end

local function structure_changed()
  local trace = require "suture.nn.trace"
  trace.structure = trace.structure + 1
end

--- undo.restore(states): puts modules back into the states that undo.states_of gave.
function undo.restore(states)
  for m, s in next, states do put_state(m, s) end
  structure_changed()
end

-- Modules whose state differs: two maps of states, or nil.
local function difference(before, after)
  local b, a = {}, {}
  for m, s in next, before do
    local t = after[m] or state_of(m) -- a part taken out of its model may have changed too
    if not same_state(s, t) then b[m], a[m] = s, t end
  end
  if next(b) then return b, a end
end

-- ---- entries ----

local function held()
  local n = 0
  for _, e in ipairs(entries) do n = n + (e.bytes or 0) end
  return n
end

local function push(entry)
  for i = #entries, at + 1, -1 do entries[i] = nil end
  entries[#entries + 1] = entry
  local forgot = 0
  while #entries > 1 and (#entries > undo.most or held() > undo.limit) do
    if (table.remove(entries, 1).bytes or 0) > 0 then forgot = forgot + 1 end
  end
  if forgot > 0 then
    note.once("undo", ("undo: the oldest changes are forgotten to hold no more than %d MB (suture.core is told by require('suture.model.undo').limit)")
      :format(undo.limit // 1000000))
  end
  at = #entries
end

--- undo.record(label, back, forth): a change that was just made; back() takes it back, forth() makes it again.
-- Each may return more words for what undo() says. bytes: what the two hold in memory.
function undo.record(label, back, forth, bytes)
  push {label = label, back = back, forth = forth, bytes = bytes}
end

-- ---- words for a change ----

local function path_of(m, roots)
  for _, root in ipairs(roots) do
    local p = require("suture.nn.trace").paths(root.module)[m]
    if p then
      if p == "" then return root.name or getmetatable(m).__name end
      return #roots > 1 and root.name and root.name .. "." .. p or p
    end
  end
end

--- undo.words(module): "Linear(512 → 1000)", as changes name it.
function undo.words(m) return require("suture.view.words").module(m) end

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
    told[#told + 1] = ("%s: %s %s%s"):format(join(path, tostring(i - 1)), undo.words(list[i]), what, i == #list - behind and others or "")
  end
  return true
end

-- One line about what is different between two maps of states.
local function describe(before, after, roots)
  local told, tally, any = {}, {}, {}
  local function count(what, m)
    tally[what] = (tally[what] or 0) + 1
    if not any[what] then any[what] = m any[#any + 1] = what end
  end
  for m, b in next, before do
    local a = after[m]
    local path
    for _, root in ipairs(roots) do
      local p = require("suture.nn.trace").paths(root.module)[m]
      if p then path = p break end
    end
    if not moved(told, path, b._children, a._children) then
      for name, old in next, b._children do
        local new = a._children[name]
        if new == nil then told[#told + 1] = ("%s: %s removed"):format(join(path, name), undo.words(old))
        elseif new ~= old then told[#told + 1] = ("%s: %s replaced by %s"):format(join(path, name), undo.words(old), undo.words(new)) end
      end
      for name, new in next, a._children do
        if b._children[name] == nil then told[#told + 1] = ("%s: %s added"):format(join(path, name), undo.words(new)) end
      end
    end
    for _, store in ipairs {"_params", "_buffers"} do
      for name, t in next, b[store] do
        if a[store][name] ~= t then told[#told + 1] = ("%s %s"):format(join(path, name), a[store][name] and "replaced" or "removed") end
      end
      for name in next, a[store] do
        if b[store][name] == nil then told[#told + 1] = join(path, name) .. " added" end
      end
    end
    if b._cut ~= a._cut then told[#told + 1] = a._cut and "cut at " .. a._cut or "the cut taken back" end
    if a._frozen ~= b._frozen then count(a._frozen and "frozen" or "thawed", m)
    elseif not same_table(a.flags, b.flags) then
      local on
      for p, f in next, a.flags do if b.flags[p] ~= f then on = f & 1 ~= 0 end end
      count(on and "requires_grad on" or "requires_grad off", m)
    end
    if a.training ~= b.training then count(a.training and "in train mode" or "in eval mode", m) end
    if a._bn_eval ~= b._bn_eval then count(a._bn_eval and "BatchNorm in eval" or "BatchNorm as the mode says", m) end
  end
  table.sort(told)
  local structural = {table.unpack(told)}
  table.sort(any)
  for _, what in ipairs(any) do
    local n = tally[what]
    local one = n == 1 and path_of(any[what], roots)
    told[#told + 1] = one and ("%s %s"):format(one, what) or ("%d modules %s"):format(n, what)
  end
  local shown = {table.unpack(told, 1, 3)}
  if #told > 3 then shown[#shown + 1] = ("and %d more"):format(#told - 3) end
  return table.concat(shown, "; "), structural
end

local function push_states(label, before, after)
  push {
    label = label,
    back = function() undo.restore(before) end,
    forth = function() undo.restore(after) end,
  }
end

-- ---- snapshots: numbers too ----

local function numel_bytes(t) return raw.numel(t) * 4 end

-- What changes with every write to t.
local function mark_of(t) return ("%d.%d"):format(raw.id(t), raw.version(t)) end

-- Copies of tensors that are the same bits as last time are shared between snapshots.
local copies = setmetatable({}, {__mode = "kv"})
local function kept(t)
  local version = mark_of(t)
  local c = copies[t]
  if c and c.version == version then return c, 0 end
  c = {version = version, copy = raw.clone(t)}
  copies[t] = c
  return c, numel_bytes(t)
end

local function numbers_of(modules)
  core.graph.settle()
  local out, bytes = {}, 0
  for _, s in next, modules do
    for _, store in ipairs {"_params", "_buffers"} do
      for _, t in next, s[store] do
        if not out[t] then
          local c, new = kept(t)
          out[t], bytes = c, bytes + new
        end
      end
    end
  end
  return out, bytes
end

local function put_numbers(numbers)
  for t, c in next, numbers do
    if mark_of(t) ~= c.version then
      raw.copy(t, c.copy)
      c.version = mark_of(t)
      copies[t] = c
    end
  end
end

--- undo.snapshot(label, module): to be called before something changes module's numbers (fit, loading). Copies its parameters,
-- buffers and marks; undo() brings them back to the bit, redo() brings back what was there when undo() was called.
-- Returns a function that takes the snapshot out of history again (when nothing was changed after all).
function undo.snapshot(label, m)
  undo.flush()
  local states = states_of(m)
  local numbers, bytes = numbers_of(states)
  local entry = {label = label, bytes = bytes, snapshot = true}
  local later_states, later_numbers
  function entry.back()
    later_states = {}
    for module in next, states do later_states[module] = state_of(module) end
    later_numbers = numbers_of(states)
    undo.restore(states)
    put_numbers(numbers)
  end
  function entry.forth()
    undo.restore(later_states)
    put_numbers(later_numbers)
  end
  push(entry)
  if line then line.taken = true end
  return function()
    for i, e in ipairs(entries) do
      if e == entry then
        table.remove(entries, i)
        if i <= at then at = at - 1 end
      end
    end
  end
end

undo.checkpoint = undo.snapshot

-- ---- lines of the prompt ----

local function is_module(v) return type(v) == "table" and rawget(v, "_children") ~= nil and rawget(v, "_names") ~= nil end

-- The modules in globals: {name =, module =}, by name.
function undo.roots()
  local out = {}
  for name, v in next, _G do
    if type(name) == "string" and name ~= "_" and is_module(v) then out[#out + 1] = {name = name, module = v} end
  end
  table.sort(out, function(a, b) return a.name < b.name end)
  return out
end

local function look()
  local states = {}
  for _, root in ipairs(line.roots) do states_of(root.module, states) end
  line.states = states
end

-- Writes to tensors of the models during a line: the numbers before are kept, once a tensor.
local function before_write(t)
  if not line or line.saved[t] or not raw.is_leaf(t) then return end
  if not line.tensors then
    line.tensors = {}
    for _, s in next, line.states do
      for _, store in ipairs {"_params", "_buffers"} do
        for _, x in next, s[store] do line.tensors[x] = true end
      end
    end
  end
  if line.tensors[t] then line.saved[t] = {version = mark_of(t), copy = raw.clone(t)} end
end

-- Pushes what the line has changed so far as one entry.
function undo.flush()
  if not line then return end
  local now = {}
  for _, root in ipairs(line.roots) do states_of(root.module, now) end
  local before, after = difference(line.states, now)
  local saved = line.saved
  line.states, line.saved, line.tensors = now, {}, nil
  if before and line.taken then -- fit's own marks belong to fit
    local more
    for m, s in next, before do
      if not same_table(s._children, after[m]._children) or s._frozen ~= after[m]._frozen then more = true end
    end
    if not more then before = nil end
  end
  local wrote = next(saved) ~= nil
  if not before and not wrote then return end
  local label, structural = "", {}
  if before then label, structural = describe(before, after, line.roots) end
  table.move(structural, 1, #structural, #line.told + 1, line.told)
  for m, b in next, before or {} do
    if not same_table(b._children, after[m]._children) or b._cut ~= after[m]._cut then line.changed[m] = true end
  end
  if wrote then
    local n = 0
    for _ in next, saved do n = n + 1 end
    label = label .. (label ~= "" and "; " or "") .. ("%d tensor%s written"):format(n, n == 1 and "" or "s")
  end
  if label == "" then label = line.text end
  local bytes, later = 0, nil
  for t in next, saved do bytes = bytes + numel_bytes(t) end
  push {
    label = label, bytes = bytes,
    back = function()
      later = {}
      for t in next, saved do later[t] = {version = mark_of(t), copy = raw.clone(t)} end
      if before then undo.restore(before) end
      put_numbers(saved)
    end,
    forth = function()
      if after then undo.restore(after) end
      put_numbers(later)
    end,
  }
end

--- undo.begin_line(text), undo.end_line(): around each line of the prompt; called by the shell's hooks.
function undo.begin_line(text)
  line = {text = (text or ""):gsub("%s+", " "):sub(1, 60), saved = {}, told = {}, changed = {}, roots = undo.roots()}
  look()
  journal.on_write = before_write
end

--- undo.end_line() → lines that tell what was put in, out or replaced; the set of modules whose parts changed.
function undo.end_line()
  if not line then return end
  undo.flush()
  local told, changed = line.told, line.changed
  line = nil
  journal.on_write = nil
  return told, next(changed) and changed
end

-- ---- methods that record themselves in scripts ----

-- Is the function that called our caller part of the library?
local function from_library(level)
  local info = debug.getinfo(level + 1, "S")
  return info and require("suture.embedded").path(info.source) ~= nil
end

local inside = 0 -- recorded changes that run: what they change within is theirs

--- undo.recorded(label, m, f, …): calls f(…), which changes m, and records the change; on an error m is put back as it was.
-- label: words, or nil for a description of what is different.
function undo.recorded(label, m, f, ...)
  if inside > 0 then return f(...) end
  local before = states_of(m)
  inside = inside + 1
  local results = table.pack(pcall(f, ...))
  inside = inside - 1
  local b, a = difference(before, states_of(m))
  if not results[1] then
    if b then undo.restore(b) end
    error(results[2], 0)
  end
  if b and not line then push_states(label or (describe(b, a, {{module = m}})), b, a) end
  return table.unpack(results, 2, results.n)
end

local docs = require("suture")._docs

-- Wraps a method: calls from the library itself, and lines of the prompt (compared as a whole), pass through.
local function wrap(class, name)
  local f = class[name]
  local function recording(m, ...)
    if line or inside > 0 or not is_module(m) or from_library(2) then return f(m, ...) end
    return undo.recorded(nil, m, f, m, ...)
  end
  class[name] = recording
  docs[recording] = f -- help(m.freeze) tells about the method itself
end

--- undo.attach(Module): makes Module's methods that mark or load record what they change. Called once by suture.surgery.
function undo.attach(Module)
  for _, name in ipairs {"freeze", "unfreeze", "freeze_to", "train", "eval", "bn_eval", "requires_grad_", "add_module"} do wrap(Module, name) end
  local containers = require "suture.nn.containers"
  for _, class in ipairs {containers.Sequential, containers.ModuleList} do
    for _, name in ipairs {"append", "extend", "insert", "remove"} do wrap(class, name) end
  end
  function Module._on_change(_, m, change, ...)
    if line or inside > 0 or from_library(2) then return change(...) end
    return undo.recorded(nil, m, change, ...)
  end
  local load = Module.load_state_dict
  local function load_state_dict(m, ...)
    if not is_module(m) or from_library(2) then return load(m, ...) end
    local forget = undo.snapshot("load_state_dict", m)
    local results = table.pack(pcall(load, m, ...))
    if not results[1] then
      forget()
      error(results[2], 0)
    end
    return table.unpack(results, 1 + 1, results.n)
  end
  docs[load_state_dict] = load
  Module.load_state_dict = load_state_dict
end

-- ---- what users call ----

local function after_change()
  if line then
    line.roots = undo.roots()
    line.saved, line.tensors, line.taken = {}, nil, nil
    look()
  end
end

local function steps_of(what, n)
  if n == nil then return 1 end
  local k = math.tointeger(n)
  if not k or k < 1 then fault("%s: expects a number of steps above 0, got %s", what, tostring(n)) end
  return k
end

--- undo([n]): takes back the last change of a model (surgery, freezing, modes, fit, loading), or the last n.
-- Numbers come back to the bit. Returns a line that says what was taken back. See redo, history.
function undo.undo(n)
  n = steps_of("undo", n)
  undo.flush()
  if at == 0 then return "nothing to undo" end
  local said = {}
  for _ = 1, math.min(n, at) do
    local e = entries[at]
    e.back()
    at = at - 1
    said[#said + 1] = "undone: " .. e.label
  end
  after_change()
  return table.concat(said, "\n")
end

--- redo([n]): makes again what undo() took back last, or the last n. Returns a line that says what. A new change forgets
-- what was undone.
function undo.redo(n)
  n = steps_of("redo", n)
  undo.flush()
  if at == #entries then return "nothing to redo" end
  local said = {}
  for _ = 1, math.min(n, #entries - at) do
    local e = entries[at + 1]
    e.forth()
    at = at + 1
    said[#said + 1] = "redone: " .. e.label
  end
  after_change()
  return table.concat(said, "\n")
end

local History = {__name = "history"}
function History.__tostring(h)
  if #h == 0 then return "nothing was changed yet" end
  local lines = {}
  for i, e in ipairs(h) do lines[i] = ("%3d  %s%s"):format(i, e.label, e.undone and "  (undone)" or "") end
  return table.concat(lines, "\n")
end

--- history(): the changes that undo() and redo() walk through, oldest first: a list of {label =, undone =}; prints itself.
function undo.history()
  undo.flush()
  local out = setmetatable({}, History)
  for i, e in ipairs(entries) do out[i] = {label = e.label, undone = i > at} end
  return out
end

--- undo.clear(): forgets all changes.
function undo.clear() entries, at = {}, 0 end

return undo
