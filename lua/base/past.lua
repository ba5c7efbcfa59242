--- The past: the steps that changed models, as a tree. Who takes steps back and then goes another way keeps the first
-- one, and can go there again. The journal (base/journal.lua) makes steps; here is where they stand, who goes from one
-- to the other, and what they cost.
--
-- A step: {label =, number = it counts those made, from 1, up = the step it was made after, ways = those made after it,
-- in order, next = the one that redo() makes again, states = {thing → {{kind =, thing =, before =, after =, place =}
-- …}}, holds = {what it alone may keep alive → bytes}}. The root is no step: what lies before all. A record has
-- `before` where its step is done, `after` where it is undone. A thing that nobody else holds is let go, and its
-- states.
local core = require "suture.core"
local raw = core.tensor

local past = {}

--- How many bytes the past may keep alive, and how many steps it may have; beyond, the oldest are forgotten.
past.limit = 1 << 30
past.most = 200

local weak_keys = {__mode = "k"}

local root, at, made, names

--- past.clear(): forgets all steps.
function past.clear()
  root = {ways = {}, number = 0}
  at, made, names = root, 0, {}
end
past.clear()

--- past.at(): the step after which models are as they are now. past.names(): name → step, to be written too.
function past.at() return at end
function past.names() return names end

-- ---- looking ----

--- past.depth(step): how many steps lie before what it made, its own among them.
function past.depth(step)
  local n = 0
  while step ~= root do n, step = n + 1, step.up end
  return n
end

--- past.above(step, n): the step n before it; nil where there are not so many.
function past.above(step, n)
  while n > 0 and step do n, step = n - 1, step.up end
  return step
end

--- past.within(step, other): whether step lies on the way to other, or is it.
function past.within(step, other)
  while other and other ~= step do other = other.up end
  return other ~= nil
end

-- Calls f(step, depth of ways off the main one) for all steps; what lies on the way where models are, and further on
-- where redo goes, stands behind the other ways of each fork.
local function each(f)
  local main, s = {}, at
  while s do main[s], s = true, s.up end
  s = at.next
  while s do main[s], s = true, s.next end
  local function go(step, depth)
    local last = step.next or step.ways[#step.ways]
    for _, way in ipairs(step.ways) do if main[way] then last = way end end
    for _, way in ipairs(step.ways) do
      if way ~= last then
        f(way, depth + 1)
        go(way, depth + 1)
      end
    end
    if not last then return end
    local aside = depth == 0 and not main[last]
    f(last, aside and 1 or depth)
    return go(last, aside and 1 or depth)
  end
  go(root, 0)
end
past.each = each

--- past.numbered(n): the step of this number, 0: what lies before all; nil.
function past.numbered(n)
  if n == 0 then return root end
  local found
  each(function(step) if step.number == n then found = step end end)
  return found
end

--- past.bytes() → step → how many bytes it alone keeps alive, or is the first to; of all together.
function past.bytes()
  local seen, of, total, steps = {}, {}, 0, {}
  each(function(step) steps[#steps + 1] = step end)
  table.sort(steps, function(a, b) return a.number < b.number end)
  for _, step in ipairs(steps) do
    local n = 0
    for what, bytes in next, step.holds do
      if not seen[what] then seen[what], n = true, n + bytes end
    end
    of[step], total = n, total + n
  end
  return of, total
end

-- ---- going ----

-- The records of a step whose things are still there, in order.
local function records_of(step)
  local list = {}
  for _, records in next, step.states do table.move(records, 1, #records, #list + 1, list) end
  table.sort(list, function(a, b) return a.place < b.place end)
  return list
end

local function weigh(step)
  local holds = setmetatable({}, weak_keys)
  for _, r in ipairs(records_of(step)) do
    local state = r.before or r.after
    if r.kind.bytes then holds[state] = r.kind.bytes(state)
    elseif r.kind.keeps then r.kind.keeps(r.thing, state, function(t) holds[t] = raw.numel(t) * 4 end) end
  end
  step.holds = holds
end

--- past.swap(records, from, to): takes what things are now as record[from] and makes them what record[to] says; the
-- journal's.
function past.swap() end

local function turned(step, from, to)
  past.swap(records_of(step), from, to)
  weigh(step)
  return step
end

--- past.back(): takes the last step back → it, or nil when there is none.
function past.back()
  local step = at
  if step == root then return nil end
  at = step.up
  at.next = step
  return turned(step, "after", "before")
end

--- past.forth(): makes the step again that was taken back last → it, or nil.
function past.forth()
  local step = at.next
  if not step then return nil end
  at = step
  return turned(step, "before", "after")
end

--- past.go(step): goes there: back to where the ways part, then forth.
function past.go(step)
  local way = {}
  local s = step
  while not past.within(s, at) do way[#way + 1], s = s, s.up end
  while at ~= s do past.back() end
  for i = #way, 1, -1 do
    at.next = way[i]
    past.forth()
  end
end

--- past.visit(step, f, …): f(…) with models as they were after that step; then they, and the ways, are as before,
-- whatever happens → what f returned.
function past.visit(step, f, ...)
  local here, nexts = at, {}
  each(function(s) nexts[s] = s.next or false end)
  nexts[root] = root.next or false
  past.go(step)
  local results = table.pack(pcall(f, ...))
  past.go(here)
  for s, next_step in next, nexts do s.next = next_step or nil end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- ---- making and forgetting ----

local function place_of(step)
  for i, way in ipairs(step.up.ways) do if way == step then return i end end
end

-- The step is gone; those made after it come after the one before it.
local function take_out(step)
  local up, i = step.up, place_of(step)
  table.remove(up.ways, i)
  for k, way in ipairs(step.ways) do
    way.up = up
    table.insert(up.ways, i + k - 1, way)
  end
  if up.next == step then up.next = step.next end
  if at == step then at, up.next = up, step.next end
  for name, s in next, names do if s == step then names[name] = up end end
end

--- past.prune(): what was changed and is gone is no change any more.
function past.prune()
  local gone = {}
  each(function(step)
    local states = step.states
    for thing in next, states do if raw.collected(thing) then states[thing] = nil end end
    if next(states) == nil then gone[#gone + 1] = step end
  end)
  for _, step in ipairs(gone) do take_out(step) end
end

local function forget_names(step)
  for name, s in next, names do if s == step then names[name] = nil end end
end

-- Forgets the oldest end of a way that was left, else the oldest step → whether it held memory; nil when there is none
-- but the last.
local function forget()
  local oldest
  each(function(step)
    if #step.ways == 0 and step ~= at and (not oldest or step.number < oldest.number) then oldest = step end
  end)
  if oldest then
    table.remove(oldest.up.ways, place_of(oldest))
    if oldest.up.next == oldest then oldest.up.next = nil end
    forget_names(oldest)
    return next(oldest.holds) ~= nil
  end
  local first = root.ways[1] -- there is one way only
  if not first or first == at then return nil end
  forget_names(root)
  local held = next(first.holds) ~= nil
  first.up, first.states, first.holds, first.label = nil, nil, nil, nil
  root = first
  return held
end

--- past.add(label, records): a step that was made → "limit" or "most" when steps had to be forgotten for it, whether
-- memory went with them.
function past.add(label, records)
  past.prune()
  made = made + 1
  local step = {label = label, number = made, up = at, ways = {}, states = setmetatable({}, weak_keys)}
  for place, r in ipairs(records) do
    r.place = place
    local list = step.states[r.thing] or {}
    step.states[r.thing], list[#list + 1] = list, r
  end
  weigh(step)
  table.insert(at.ways, step)
  at.next, at = step, step
  local count, why, held = 0, nil, false
  each(function() count = count + 1 end)
  while true do
    local over = count > past.most and "most" or select(2, past.bytes()) > past.limit and "limit"
    if not over then break end
    local had = forget()
    if had == nil then break end
    count, why, held = count - 1, over, held or had
  end
  return why, held
end

return past
