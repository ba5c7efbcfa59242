--- Which of several ways to train does best on pictures that it has not seen: each trains copies of the model for a
-- while, on some folds of the data, and is judged on the others (cross-validation: Kohavi 1995), again with other folds
-- until it is clear which is best or it does not matter. What falls far behind is left out (racing: Maron & Moore
-- 1994).
local beforehand = require "suture.train.beforehand"
local journal = require "suture.base.journal"
local measure = require "suture.train.evaluate"
local outline = require "suture.model.outline"
local probe = require "suture.train.probe"
local statistics = require "suture.train.experiments.statistics"
local raw = require("suture.core").tensor
local Trainer = require "suture.train.trainer"
local contest = {}

-- Folds; how often all is tried at most, so that no more than so many pictures are judged; how much of its recipe a try
-- of the whole network takes; by how many standard errors one is worse beyond doubt; what no difference is.
local FOLDS, ROUNDS, JUDGED, PART, BEYOND, SAME = 3, 3, 900, 2 / 3, 2, 0.01

--- contest.enough(n): whether n pictures can be parted.
function contest.enough(n) return n >= 2 * FOLDS end

--- contest.most: the multiplications of all tries, above which they are not made unasked: minutes on a few cores.
contest.most = 1e13

-- The options of a try: those of the recipe, of its epochs a part where the whole network trains.
local function short(recipe, whole)
  local o = {}
  for k, v in pairs(recipe) do o[k] = v end
  if whole then o.epochs = math.max(1, math.ceil(o.epochs * PART)) end
  o.quiet = true
  return o
end

--- contest.cost(m, x, n, tries): the multiplications of so many tries of the whole network on n pictures like the
-- batch x, of 20 epochs and 400 steps of 16 or more.
function contest.cost(m, x, n, tries)
  local macs = 0
  for _, node in ipairs(outline.run(m, x, "strategy").nodes) do macs = macs + (node.macs or 0) end
  local seen = n * (FOLDS - 1) // FOLDS
  return 3 * macs / raw.size(x, 0) * PART * math.max(20 * seen, 400 * 16) * FOLDS * tries
end

-- Trains a copy of m in this way on the pictures of ds at these places, and says in `right` of each of the other places
-- whether it is then classified rightly, 1 or 0. Where the loss goes to infinity none is.
local function try(m, ds, seen, other, way, right, o)
  local copy, k = m:clone(), 0
  way.make(copy)
  local options = short(way.options, way.whole)
  options.seed, options.threads = o.seed, o.threads
  local t = Trainer._of("strategy", copy, ds:subset(seen), options)
  local ok, r = pcall(t.run, t)
  if not ok and not tostring(r):find("is not finite", 1, true) then error(r, 0) end
  if ok and r.interrupted then error("interrupted!", 0) end -- it is not the try alone that was to end
  measure.each("strategy", copy, beforehand.measured("strategy", copy, ds:subset(other)), o, function(x, y)
    local guesses = copy(x):argmax(1):tolist()
    for i, class in ipairs(y:tolist()) do
      k = k + 1
      right[other[k] + 1] = ok and guesses[i] == class and 1 or 0
    end
  end)
end

-- How often each picture was right, of the first n rounds.
local function shares(rounds, n)
  local out = {}
  for i = 1, #rounds[1] do
    local sum = 0
    for k = 1, n do sum = sum + rounds[k][i] end
    out[i] = sum / n
  end
  return out
end

--- contest.gain(a, b): by how much a way is right more often than another, in the rounds that both were in, and the
-- standard error of that.
function contest.gain(a, b)
  local n = math.min(#a, #b)
  return probe.gain(shares(a, n), shares(b, n))
end

--- contest.acc(a): how often a way was right.
function contest.acc(a) return (statistics.mean(shares(a, #a))) end

-- Those that go on, by number: none is worse than the best beyond doubt; {} where it is clear which is best.
local function left(right, still)
  local best, out, open = still[1], {}, false
  for _, i in ipairs(still) do if contest.acc(right[i]) > contest.acc(right[best]) then best = i end end
  for _, i in ipairs(still) do
    local behind, error = contest.gain(right[best], right[i])
    if behind <= BEYOND * error then
      out[#out + 1] = i
      open = open or i ~= best and behind + BEYOND * error > SAME
    end
  end
  return open and out or {}
end

--- contest.run(m, ds, ways, o): each way is {make = f(copy of m), options = a recipe for fit, whole = whether all of
-- the network trains}. → of each a list of rounds, each a list of 1 and 0 by the pictures of ds. o: seed, batch,
-- threads.
function contest.run(m, ds, ways, o)
  local labels, right, still = ds:labels(), {}, {}
  for i in ipairs(ways) do right[i], still[i] = {}, i end
  for round = 1, math.max(1, math.min(ROUNDS, JUDGED // #ds)) do
    local fold = probe.folds(labels, FOLDS, o.seed + round - 1)
    for _, i in ipairs(still) do
      local list = {}
      for k = 1, FOLDS do
        local seen, other = {}, {}
        for at, f in ipairs(fold) do table.insert(f == k and other or seen, at - 1) end
        journal.aside(try, m, ds, seen, other, ways[i], list, o)
      end
      right[i][round] = list
    end
    still = left(right, still)
    if #still == 0 then break end
  end
  return right
end

return contest
