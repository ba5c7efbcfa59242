--- What training takes, found out by taking some steps of it on a copy of the model.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local optim = require "suture.optim"
local options = require "suture.base.options"
local ranks = require "suture.base.ranks"
local Trainer = require "suture.train.trainer"
local rehearsal = {}

-- An optimizer of the user's own over the parameters of a copy of the model.
local function copied(optimizer, m, copy)
  local at, mine = {}, {}
  for _, p in copy:named_parameters() do mine[#mine + 1] = p end
  local k = 0
  for _, p in m:named_parameters() do
    k = k + 1
    at[p] = at[p] or mine[k]
  end
  local kind, groups = optim._kinds[optimizer.kind:lower()], {}
  if not kind then return nil end
  for i, group in ipairs(optimizer.param_groups) do
    groups[i] = {params = {}}
    for name, v in pairs(group) do if kind.known[name] then groups[i][name] = v end end
    for _, p in ipairs(group.params) do if at[p] then table.insert(groups[i].params, at[p]) end end
    if #groups[i].params == 0 then return nil end
  end
  return kind.make(groups)
end

-- Seconds that f(…) takes.
local function timed(f, ...)
  local began = core.engine.clock()
  f(...)
  return core.engine.clock() - began
end

local AGAIN, ENOUGH = 5, 0.3 -- what is repeated is so at most so often, until so many seconds are measured

-- Seconds that f(…) takes where it has been before: the median of some.
local function usual(f, ...)
  local list, sum = {}, 0
  while #list == 0 or #list < AGAIN and sum < ENOUGH do
    list[#list + 1] = timed(f, ...)
    sum = sum + list[#list]
  end
  table.sort(list)
  return list[(#list + 1) // 2]
end

--- A trainer over a copy of m, with the options of fit but for what is told or written.
function rehearsal.trainer(m, ds, given, batch, val)
  local copy = journal.aside(m.clone, m)
  local o = {}
  for name, v in pairs(given) do o[name] = v end
  for _, name in ipairs {"on_step", "on_epoch", "reduce", "run", "memory"} do o[name] = nil end
  o.batch, o.quiet, o.val, o.seed = batch, true, val, o.seed or 0
  if type(o.optimizer) == "table" then o.optimizer = copied(o.optimizer, m, copy) or "sgd" end
  local alone <close> = ranks.alone() -- what it takes here
  local t = Trainer._of("plan", copy, ds, o)
  t._rehearsed = true
  return t
end

-- Steps of training in batches of n, and what they took: {seconds (of a step), more (what the first two of all take
-- more: plans are made, frozen weights packed), loading (of a step's data), cached (a step from the kept trunk or nil),
-- val, cached_val (seconds of a validation), peak (bytes), why, text, views}. rest: samples in an epoch's last batch,
-- where it is smaller: then also rest_seconds, rest_more, rest_cached, of a step of those.
local function measured(m, ds, given, n, rest)
  collectgarbage()
  collectgarbage()
  core.engine.trim() -- what a run before has left counts for nothing
  local before = core.engine.memory()
  core.engine.peak_reset()
  local val = given.val
  local few = val and #val > n and val:take(n, {seed = 0}) or val
  local t = rehearsal.trainer(m, ds, given, n, few)
  local out = {}
  local session <close> = t:_begin()
  t:_starts(1)
  local kept, batches = t._session.kept, {}
  local two = #t.data > 2 * n and t.data:take(2 * n, {seed = 0}) or t.data
  local o = {seed = 1, epoch = 1, threads = given.threads}
  local function load()
    local k = 0
    for x, y in two:batches(math.min(n, #two), o) do
      k = k + 1
      if k <= 2 then batches[k] = {x, y} end
    end
  end
  local first = timed(load)
  out.loading = (first > 2 and first or timed(load)) / #two * n -- files that were not in memory are read once more
  kept:view(1)
  local places = {}
  for i = 1, n do places[i] = i - 1 end
  local function step(x, y, cached)
    t:_step(x, y, {epoch = 1, k = 1, view = 0, places = table.move(places, 1, x.shape[1], 1, {}), from_cache = cached,
      last = t.options.accumulate == 1})
  end
  local one, other = batches[1], batches[2] or batches[1]
  if other[1].shape[1] < n then other = one end
  local firsts = timed(step, one[1], one[2]) + timed(step, other[1], other[2])
  out.seconds = usual(step, one[1], one[2])
  out.more = math.max(0, firsts - 2 * out.seconds)
  local few_x, few_y
  if rest then
    local some = table.move(places, 1, rest, 1, {})
    few_x, few_y = core.rows.take(one[1], some), core.rows.take(one[2], some)
    local first = timed(step, few_x, few_y)
    out.rest_seconds = usual(step, few_x, few_y)
    out.rest_more = math.max(0, first - out.rest_seconds)
  end
  if not kept.why then
    local function cached(y) step(kept:stand_in(y.shape[1]), y, true) end
    cached(one[2])
    out.cached = usual(cached, one[2])
    if rest then
      cached(few_y)
      out.rest_cached = usual(cached, few_y)
    end
  end
  if few then
    local share = #val / #few
    out.val = timed(function() t:_measure() end)
    out.cached_val = timed(function() t:_measure() end) * share
    out.val = out.val * share
  end
  out.text, out.why, out.views = kept:text(), kept.why, kept.views
  local _, peak = core.engine.memory()
  out.peak = peak - before
  if journal.keeping() then -- what undo() goes back to
    for _, t in ipairs(t._guard.moving) do out.peak = out.peak + 4 * core.tensor.numel(t) end
  end
  return out
end

--- rehearsal.measured(m, ds, given, n[, rest]): steps in batches of n, and what they took, see above. Nothing of it is
-- anybody's change.
function rehearsal.measured(...) return journal.aside(measured, ...) end

-- The most memory (bytes) that training may take: given in MB, else four fifths of what the machine has free.
local function room(what, given)
  if given ~= nil then
    if type(given) ~= "number" or not (given > 0) then
      fault("%s: memory expects a number of MB above 0, got %s", what, options.show(given))
    end
    return given * 1e6
  end
  local f = io.open "/proc/meminfo"
  local kb = f and f:read "a":match "MemAvailable:%s*(%d+)"
  if f then f:close() end
  return kb and 0.8 * 1024 * kb or fault("%s: batch = \"auto\": say how much it may take: memory = MB", what)
end

--- The largest batch, up to the number of samples, with which training takes no more than `memory` MB. what: who asks.
function rehearsal.largest(what, m, ds, given, memory)
  local limit, n = room(what, memory), #ds
  local function peak(b) return rehearsal.measured(m, ds, given, b).peak end
  local a, b = math.min(2, n), math.min(8, n)
  local low, high = peak(a), peak(b)
  if low > limit then
    fault("%s: batch = \"auto\": a batch of %d takes %.0f MB, more than memory = %.0f MB", what, a, low / 1e6,
      limit / 1e6)
  end
  if b == a then return a end
  local each = math.max((high - low) / (b - a), 1)
  local guess = math.max(a, math.min(n, math.floor(a + (limit - low) / each)))
  for _ = 1, 4 do -- the guess is tried: what a batch takes is no straight line
    if guess <= b and (guess <= a or high <= limit) then break end
    local took = peak(guess)
    if took <= limit then break end
    each = math.max(each, (took - low) / (guess - a))
    guess = math.max(a, math.min(guess - 1, math.floor(a + (limit - low) / each)))
  end
  if guess > 1 and n % guess == 1 then guess = guess - 1 end -- no last batch of one sample
  return math.max(1, guess)
end

return rehearsal
