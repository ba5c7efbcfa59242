--- Which of several ways to train does best on pictures that it has not seen: each trains copies of the model for a
-- short while, on some folds of the data, and is judged on the others. Kohavi 1995 (cross-validation).
local beforehand = require "suture.train.beforehand"
local journal = require "suture.base.journal"
local measure = require "suture.train.evaluate"
local outline = require "suture.model.outline"
local raw = require("suture.core").tensor
local Trainer = require "suture.train.trainer"
local contest = {}

-- Folds, as many pictures as are judged at least where there are so many, and the steps of a try.
local FOLDS, JUDGED, STEPS = 3, 200, 200

--- contest.enough(n): whether n pictures can be parted.
function contest.enough(n) return n >= 2 * FOLDS end

--- contest.most: the multiplications of all tries, above which they are not made unasked: minutes on a few cores.
contest.most = 1e13

-- How many folds of n pictures are tried.
local function rounds(n) return math.min(FOLDS, math.max(1, math.ceil(JUDGED * FOLDS / n))) end

-- The options of a try: those of the recipe with fewer epochs where the whole network trains.
local function short(recipe, n, whole)
  local o = {}
  for k, v in pairs(recipe) do o[k] = v end
  if whole then o.epochs = math.min(o.epochs, math.max(5, math.ceil(STEPS / math.ceil(n / o.batch)))) end
  o.quiet = true
  return o
end

--- contest.cost(m, x, n, tries): the multiplications of so many tries of the whole network on n pictures like the
-- batch x.
function contest.cost(m, x, n, tries)
  local macs = 0
  for _, node in ipairs(outline.run(m, x, "strategy").nodes) do macs = macs + (node.macs or 0) end
  local seen = n * (FOLDS - 1) // FOLDS
  return 3 * macs / raw.size(x, 0) * math.max(5 * seen, STEPS * 16) * rounds(n) * tries
end

-- Trains a copy of m in this way, and appends to list whether each picture of fold.val is then classified rightly, 1 or
-- 0. Where the loss goes to infinity none is.
local function try(m, fold, way, list, o)
  local copy = m:clone()
  way.make(copy)
  local options = short(way.options, #fold.train, way.whole)
  options.seed, options.threads = o.seed, o.threads
  local t = Trainer._of("strategy", copy, fold.train, options)
  local ok, r = pcall(t.run, t)
  if not ok and not tostring(r):find("is not finite", 1, true) then error(r, 0) end
  if ok and r.interrupted then error("interrupted!", 0) end -- it is not the try alone that was to end
  measure.each("strategy", copy, beforehand.measured("strategy", copy, fold.val), o, function(x, y)
    local guesses = copy(x):argmax(1):tolist()
    for i, class in ipairs(y:tolist()) do list[#list + 1] = ok and guesses[i] == class and 1 or 0 end
  end)
end

--- contest.run(m, ds, ways, o): each way is {make = f(copy of m), options = a recipe for fit, whole = whether all of
-- the network trains}. → of each a list of 1 and 0, the same pictures in the same order. o: seed, batch, threads.
function contest.run(m, ds, ways, o)
  local right, folds = {}, ds:folds(FOLDS, {seed = o.seed})
  for i, way in ipairs(ways) do
    right[i] = {}
    for k = 1, rounds(#ds) do journal.aside(try, m, folds[k], way, right[i], o) end
  end
  return right
end

return contest
