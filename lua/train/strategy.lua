--- strategy: which of the four cases of transfer a model and a data set are, and what to do then.
local absent = require "suture.base.absent"
local beforehand = require "suture.train.beforehand"
local contest = require "suture.train.contest"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local measure = require "suture.train.evaluate"
local nn = require "suture.nn"
local options = require "suture.base.options"
local probe = require "suture.train.probe"
local statistics = require "suture.train.experiments.statistics"
local rates = require "suture.train.falling"
local sketch = require "suture.train.sketch"
local text = require "suture.base.text"
local raw = require("suture.core").tensor

local Strategy = {__name = "strategy"}

-- What the recipes of all cases have. steps: how many there are to be at least.
local function recipe(s, steps, more)
  local epochs, batch = rates.length(s.samples, steps)
  local o = {epochs = epochs, batch = batch, optimizer = "sgd", momentum = 0.9, weight_decay = 1e-4,
    schedule = "cosine"}
  for k, v in pairs(more) do o[k] = v end
  return o
end

local HEAD, ALL = 600, 400 -- steps of a head on kept features, which cost nothing; of a whole network

-- From here on the statistics of BatchNorm layers do not fit the pictures (probe.shift).
local SHIFTED = 0.1

-- ---- the cases ----

-- Each: plan(s) sets what becomes of each group (s.fate[i]: "frozen", "dropped", "trains", "new head"), s.options, and
-- says why; make(s, m) does it to the model.
local cases = {}

local function all_but_head(s, fate)
  for i = 1, #s.groups - 1 do s.fate[i] = fate end
  s.fate[#s.groups] = s.new_head and "new head" or "trains"
end

local function new_head(s, m) if s.new_head then m:reset_head(s.classes) end end

cases["little similar"] = {
  plan = function(s)
    all_but_head(s, "frozen")
    s.options = recipe(s, HEAD, {lr = 0.01})
    s.why[#s.why + 1] = "little data, and features that fit: a new head alone; more would learn the pictures by heart"
  end,
  make = function(s, m)
    new_head(s, m)
    m:freeze()
    m:unfreeze(s.head)
  end,
}

cases["little different"] = {
  plan = function(s)
    local at = s.cut
    if not at.early then return cases["little similar"].plan(s) end
    for i = 1, #s.groups do
      s.fate[i] = i < at.group and "frozen" or i > at.group and "dropped" or "frozen"
    end
    local g = s.groups[at.group]
    if g.paths[#g.paths] ~= at.path then s.fate[at.group] = ("frozen up to %s, the rest dropped"):format(at.path) end
    s.options = recipe(s, HEAD, {lr = 0.01})
    s.why[#s.why + 1] = ("little data, and late features that are of other things: a new head on those of %s"):format(
      at.path)
  end,
  make = function(s, m)
    local at = s.cut
    if not at.early then -- the end after all
      new_head(s, m)
      m:freeze()
      m:unfreeze(s.head)
      return
    end
    local parts = {nn.BatchNorm1d(at.features), nn.Linear(at.features, s.classes)}
    if s.rank == 4 then parts = {nn.AdaptiveAvgPool2d(1), nn.Flatten(), table.unpack(parts)} end
    local head = nn.Sequential(table.unpack(parts))
    m:insert_after(at.path, head)
    -- In a Sequential the new head is a part as others are; elsewhere it belongs to what it stands behind.
    local where = {}
    for path, sub in m:named_modules() do where[sub] = path end
    m:cut(getmetatable(m:at(at.path:match "^(.*)%.[^.]*$" or "")) == nn.Sequential and where[head] or at.path)
    m:freeze()
    head:unfreeze()
  end,
}

cases["much similar"] = {
  plan = function(s)
    all_but_head(s, "trains")
    local lr, shown = rates.geometric(s.groups, 0.01, 3)
    for i = 1, #s.groups do
      s.fate[i] = ("%s at lr %.2g"):format(i == #s.groups and s.new_head and "new head" or "trains", shown[i])
    end
    s.options = recipe(s, ALL, {lr = lr})
    s.why[#s.why + 1] = "much data, and features that fit: all of it is tuned, at rates that fall towards the stem"
    s.why[#s.why + 1] = s.shift and s.shift > SHIFTED and
      ("BatchNorm learns the statistics of these pictures: those it has are off by %.2f nats a channel"):format(s.shift)
      or "BatchNorm keeps its statistics (bn_eval): they fit, and a batch's are noisier"
  end,
  make = function(s, m)
    new_head(s, m)
    m:unfreeze()
    m:bn_eval(not (s.shift and s.shift > SHIFTED))
  end,
}

cases["much different"] = {
  plan = function(s)
    all_but_head(s, "trains")
    s.options = recipe(s, 1.5 * ALL, {lr = 0.05})
    s.why[#s.why + 1] = "much data, and features of other things: all of it is trained at one rate, from the " ..
      "weights there are, which are a better start than none"
    s.why[#s.why + 1] = "BatchNorm learns the statistics of these pictures"
  end,
  make = function(s, m)
    new_head(s, m)
    m:unfreeze()
    m:bn_eval(false)
  end,
}

-- ---- looking ----

-- Data are much where there are so many pictures of a class, or where the model is so small for them: a network of a
-- few parameters for each picture learns more from training all of it than it loses by heart.
local PER_CLASS, PER_PICTURE = 200, 4000

-- The numbers of this data set.
local function sized(s, ds, o)
  local counts = ds:counts()
  local least, sum, some = math.huge, 0, 0
  for _, n in ipairs(counts) do if n > 0 then least, sum, some = math.min(least, n), sum + n, some + 1 end end
  s.samples, s.per_class, s.least = sum, sum / math.max(1, some), least
  local enough, each = o.much or PER_CLASS, s.parameters / sum
  local many, small = s.per_class >= enough, not o.much and each <= PER_PICTURE
  s.much = many or small
  s.why[1] = ("%s of %s: %.0f each%s, %s than %d; the model has %s parameters, %s for each picture%s"):format(
    text.plural(sum, "picture"), text.plural(some, "class", "classes"), s.per_class,
    least < 0.8 * s.per_class and (" (%d of one)"):format(least) or "", many and "no less" or "less", enough,
    text.count(s.parameters), text.count(math.floor(each)), o.much and "" or
    (", %s than %s"):format(small and "no more" or "more", text.count(PER_PICTURE)))
end

-- At most n samples, of each class in proportion.
local function sampled(ds, n, seed)
  if #ds <= n then return ds end
  return (ds:split({n / #ds, 1 - n / #ds}, {seed = seed}))
end

-- Probes at all points: s.probes, s.similar, s.sure.
local function measured(s, m, ds, o)
  local few = sampled(ds, o.samples, o.seed)
  local features, labels = probe.features(m, few, s.points, o), few:labels()
  s.shift = probe.shift(m, sampled(few, 200, o.seed), o)
  local list, best = {}, nil
  for i, point in ipairs(s.points) do
    local right = probe.validated(features[i], labels, s.classes, o)
    local acc = statistics.mean(right)
    list[i] = {path = point.path, acc = acc, error = math.sqrt(acc * (1 - acc) / #right), right = right,
      features = raw.size(features[i], 1), group = point.group}
    point.features = list[i].features
    if not best or acc > list[best].acc then best = i end
  end
  s.probes, s.best = list, best
  -- Features stop helping at the first depth that nothing behind it is better than by more than the error.
  for i = 1, #list do
    local gain, error = probe.gain(list[best].right, list[i].right)
    if i == best or i < best and gain <= error then
      s.stop = i
      break
    end
  end
  local last = #list
  local gain, error = probe.gain(list[best].right, list[last].right)
  local lost = best < last and gain > error
  s.similar = not lost
  s.sure = lost and probe.sure(gain, error) or best == last and 1 or 1 - probe.sure(gain - error, error)
  if lost then
    s.why[#s.why + 1] = ("features stop helping at %s: a linear head on them is right in %.1f %%, on the last ones " ..
      "in %.1f %% (%.1f ± %.1f points less: %.0f %% sure that it is less)"):format(list[best].path,
      100 * list[best].acc, 100 * list[last].acc, 100 * gain, 100 * error, 100 * probe.sure(gain, error))
  else
    local words = "features help to the end: a linear head on the last ones is right in %.1f ± %.1f %%%s"
    s.why[#s.why + 1] = words:format(100 * list[last].acc, 100 * list[last].error, best < last and
      (", no less than the best, %s's %.1f %%, but for chance"):format(list[best].path, 100 * list[best].acc) or "")
    if s.stop < last then
      s.why[#s.why + 1] = ("from %s on (%.1f %%) nothing is gained that is beyond chance"):format(list[s.stop].path,
        100 * list[s.stop].acc)
    end
  end
end

-- Where to cut: the best depth that was measured; without measuring two thirds of the way.
local function cut_of(s)
  if s.probes then
    local at = s.points[s.best]
    at.early = s.best < #s.points
    return at
  end
  local at = s.points[math.max(1, (#s.points * 2 + 2) // 3)]
  at.early = at ~= s.points[#s.points]
  return at
end

-- The head that goes behind the cut, of features of so many numbers; false where none can.
local function cut(s, m, x)
  s.cut = cut_of(s)
  local one = probe.shape_behind(m, x, s.cut)
  s.rank, s.cut.features = #one, #one == 4 and one[2] or one[#one]
  return not (#one == 3 or #one == 4 and one[2] == one[3] and one[4] ~= one[3]), one
end

-- ---- trying ----

local WHOLE = {["much similar"] = true, ["much different"] = true}
local CASES = {"little similar", "little different", "much similar", "much different"}

-- What is less than this does not matter (half a picture of a hundred).
local SAME = 0.005

-- All that can be done, tried on pictures held out: s.tries, and the case that is right most often; of those that are
-- so as often what fine-tunes gently, or the head alone where it knows these classes already; else the cheapest.
local function tried(s, m, ds, x, o)
  local few = sampled(ds, o.samples, o.seed)
  local ways, names = {}, {}
  for _, case in ipairs(CASES) do
    local draft = setmetatable({why = {}, fate = {}}, {__index = s})
    if case ~= "little different" or s.best < #s.points and cut(draft, m, x) then
      cases[case].plan(draft)
      ways[#ways + 1] = {options = draft.options, whole = WHOLE[case], make = function(copy)
        cases[case].make(draft, copy)
      end}
      names[#ways] = case
    end
  end
  local right = contest.run(m, few, ways, o)
  local usual, best, chosen = s.new_head and "much similar" or "little similar", 1, nil
  for i in ipairs(names) do if contest.acc(right[i]) > contest.acc(right[best]) then best = i end end
  s.tries = {}
  for i, case in ipairs(names) do
    local behind, error = contest.gain(right[best], right[i])
    s.tries[i] = {case = case, acc = contest.acc(right[i]), gain = -behind, error = error, rounds = #right[i]}
    if behind <= SAME and (not chosen or case == usual) then chosen = i end
  end
  local found = s.tries[chosen]
  s.case = found.case
  s.why[#s.why + 1] = ("tried on two thirds of them and judged on the others%s: %s is right in %.1f %%, %s"):format(
    #right[best] > 1 and (", %d times"):format(#right[best]) or "", s.case, 100 * found.acc, chosen == best and
    "most often" or ("as often as %s (%.1f %%)"):format(names[best], 100 * s.tries[best].acc))
end

-- Whether they are to be tried: where it was asked for, or takes not long.
local function worth(s, m, x, o)
  if o.trial ~= nil then return o.trial end
  if not contest.enough(s.samples) then return false end
  local cost = contest.cost(m, x, math.min(s.samples, o.samples // 1), 2)
  if cost <= contest.most then return true end
  s.why[#s.why + 1] = ("trial = true tries what would be done on pictures held out: about %s multiplications"):format(
    text.count(math.floor(cost)))
  return false
end

-- ---- showing ----

function Strategy.__tostring(s)
  local lines = {("%s%s"):format(s.case, s.applied and " (applied)" or "")}
  for _, why in ipairs(s.why) do lines[#lines + 1] = "  " .. why end
  if s.probes then
    lines[#lines + 1] = ""
    local rows, ys = {}, {}
    for i, p in ipairs(s.probes) do
      ys[i] = p.acc
      rows[i] = {p.path, tostring(p.features), ("%.3f"):format(p.acc), ("± %.3f"):format(p.error),
        i == s.best and "best" or i == s.stop and "enough" or ""}
    end
    local bars, marks = sketch(ys, 1), {}
    for _, p in utf8.codes(bars[1]) do marks[#marks + 1] = utf8.char(p) end
    for i in ipairs(rows) do rows[i][6] = marks[i] end
    local shown = text.table(rows, {{title = "probe behind", max = 40}, {title = "features", align = "right"},
      {title = "acc", align = "right"}, {}, {}, {}})
    table.move(shown, 1, #shown, #lines + 1, lines)
  end
  if s.tries then
    lines[#lines + 1] = ""
    local rows = {}
    for i, t in ipairs(s.tries) do
      rows[i] = {t.case, ("%.3f"):format(t.acc), t.gain == 0 and t.error == 0 and "" or ("%+.3f"):format(t.gain),
        t.error == 0 and "" or ("± %.3f"):format(t.error), t.case == s.case and "chosen" or ""}
    end
    local shown = text.table(rows, {{title = "tried", max = 40}, {title = "acc", align = "right"},
      {title = "to the best", align = "right"}, {}, {}})
    table.move(shown, 1, #shown, #lines + 1, lines)
  end
  lines[#lines + 1] = ""
  local rows = {}
  for i, g in ipairs(s.groups) do
    rows[i] = {g.name, text.count(s.sizes[i]), s.fate[i]}
  end
  if s.added then rows[#rows + 1] = {"behind " .. s.cut.path, "", s.added} end
  local shown = text.table(rows, {{title = "group", max = 40}, {title = "parameters", align = "right"},
    {title = "what becomes of it", max = 60}})
  table.move(shown, 1, #shown, #lines + 1, lines)
  lines[#lines + 1] = ""
  lines[#lines + 1] = s.applied and "fit(m, train, s.options) trains it" or
    "s:apply() does it (undo() takes it back), fit(m, train, s.options) trains it" ..
      (s.probes and ", plot(s) draws the probes" or "")
  return text.safe(table.concat(lines, "\n"))
end

-- What plot(s) draws.
local function plotted(s)
  if not s.probes then fault "plot: nothing was measured: strategy(m, train) without similar = … measures" end
  local mid, low, high = {}, {}, {}
  for i, p in ipairs(s.probes) do
    mid[i], low[i], high[i] = {i - 1, p.acc}, {i - 1, p.acc - p.error}, {i - 1, p.acc + p.error}
  end
  local names = {}
  for i, p in ipairs(s.probes) do names[i] = ("%d %s"):format(i - 1, p.path) end
  return {{"curves", {{name = "linear probe", points = mid}, {name = "- error", points = low},
    {name = "+ error", points = high}}, {title = "accuracy of linear probes", x = "depth", y = "accuracy"}},
    caption = table.concat(names, ", ", 1, math.min(#names, 6)) .. (#names > 6 and "\n" .. table.concat(names, ", ", 7)
      or "")}
end
Strategy.plotted = plotted

local methods = {}

--- s:apply(): does to the model what s says: new head, cut, freezing, as one change, which undo() takes back. Returns
-- the model.
function methods.apply(s)
  local m = s.model
  if s.applied then fault "s:apply: it is applied already · strategy(m, train) looks anew" end
  journal.change("strategy: " .. s.case, function() cases[s.case].make(s, m) end)
  rawset(s, "applied", true)
  return m
end

local optional = absent.index("the strategy", "probes best stop sure cut applied added similar rank tries shift")
function Strategy.__index(s, name)
  if methods[name] then return methods[name] end
  return optional(s, name)
end

local read = options.named("strategy", [[similar:bool=nil much:count=nil trial:bool=nil folds:count=5 samples:count=1000
  batch:count=64 decay:rate=10 seed:int=0 threads:natural=nil]])

--- strategy(m, train[, {similar = true|false|nil}]): which of the four cases of transfer learning this is, little or
-- much data by similar or different pictures, why, and what to do: an object that prints itself and does nothing until
-- s:apply(). Little and similar: a new head only; little and different: a head on earlier features, what is behind them
-- dropped; much and similar: all is tuned, at rates that fall towards the stem; much and different: all is trained.
-- similar: whether train's pictures are like those that m was trained with. nil: it is measured, by linear probes on
-- frozen features at several depths, in one pass, cross-validated (folds = 5, on at most samples = 1000 pictures):
-- where the last features are worse than earlier ones by more than the error, the pictures are different. Where that
-- takes not too long (trial = nil; true: in any case; false: never) the cases are then tried: each trains for a while
-- on two thirds of the pictures and is judged on the others, in turn, again and again where it is not clear which is
-- best; what is right most often is chosen, of those less than half a point behind it much and similar (where the head
-- is for these classes already little and similar), else the cheapest. Not with similar or much, which say the case.
-- Otherwise data are much from 200 pictures per class on, or where the model has at most 4000 parameters for each
-- picture; much = n: from n pictures per class on. Options: similar, much, trial, folds, samples, batch (64), decay
-- (10: of the probes' weights), seed (0), threads.
-- Returns {case = "little similar", "little different", "much similar" or "much different", options = a recipe for fit,
-- why = {lines}, groups =, fate = {what becomes of each}, probes = {{path =, acc =, error =, features =} …}, best, stop
-- (places in probes), similar, sure (of what the probes say, 0 to 1), shift (how far BatchNorm's statistics are off:
-- the mean divergence in nats), tries = {{case =, acc =, gain = (to the best, 0 or less), error =,
-- rounds =} …}, cut}; plot(s) draws the probes. After
-- CS231n's four cases, and Yosinski et al. 2014, arXiv:1411.1792.
local function strategy(m, train, opts)
  measure.check_model("strategy", m)
  train = measure.check_dataset("strategy", train)
  local o = read(opts)
  if not train:labels() or #train.classes == 0 then fault "strategy: the targets are no classes" end
  if o.folds < 2 then fault "strategy: folds expects 2 or more" end
  if o.trial and (o.similar ~= nil or o.much ~= nil) then
    fault('strategy: trial = true finds the case, %s says it: one of the two', o.similar ~= nil and "similar" or "much")
  end
  if o.trial and not contest.enough(#train) then
    fault("strategy: trial = true: %s are too few to hold some out", text.plural(#train, "picture"))
  end
  local x = train:batch {0}
  local s = setmetatable({model = m, why = {}, fate = {}, classes = #train.classes, parameters = 0}, Strategy)
  s.groups = m:groups(x)
  if #s.groups < 2 then fault "strategy: the model is one layer: there is nothing to freeze or to drop" end
  s.head = (m:head())
  s.sizes = {}
  for i, g in ipairs(s.groups) do
    s.sizes[i] = 0
    for _, p in ipairs(g.parameters) do s.sizes[i] = s.sizes[i] + raw.numel(p) end
    s.parameters = s.parameters + s.sizes[i]
  end
  local outputs, names = beforehand.outputs(m, train), m.classes
  s.new_head = outputs ~= s.classes or type(names) == "table" and beforehand.names(m, train) ~= nil and
    table.concat(names, "\0") ~= table.concat(train.classes, "\0")
  s.points = probe.points(m, s.groups, x)
  sized(s, train, o)
  if o.similar == nil then journal.rehearse(measured, s, m, train, o)
  else
    s.similar = o.similar
    s.why[#s.why + 1] = o.similar and "similar, as was said" or "different, as was said"
  end
  s.case = (s.much and "much " or "little ") .. (s.similar and "similar" or "different")
  if o.similar == nil and o.much == nil and worth(s, m, x, o) then
    tried(s, m, train, x, o)
    s.much, s.similar = s.case:find "^much" ~= nil, s.case:find "similar$" ~= nil
  end
  if s.case == "little different" then
    local fits, one = cut(s, m, x)
    if not fits then
      fault("strategy: the features at %s have shape %s, on which no head can be put: much = %d, or freeze and cut " ..
        "by hand", s.cut.path, text.tuple(one), s.per_class // 1)
    end
    s.added = ("new head: %s Linear(%d, %d)"):format(s.rank == 4 and "pooling, BatchNorm," or "BatchNorm,",
      s.cut.features, s.classes)
  end
  cases[s.case].plan(s)
  return s
end

return strategy
