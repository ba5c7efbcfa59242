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

--- contest.most: the multiplications of all tries, above which they are not made unasked: minutes on a few cores.
contest.most = 1e13

--- How many folds of n pictures are tried.
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

-- Whether each picture of ds is classified rightly, a list of 1 and 0 behind `list`.
local function judge(m, ds, list, o)
  measure.each("strategy", m, beforehand.measured("strategy", m, ds), o, function(x, y)
    local guesses = m(x):argmax(1):tolist()
    for i, class in ipairs(y:tolist()) do list[#list + 1] = guesses[i] == class and 1 or 0 end
  end)
end

--- contest.run(m, ds, ways, o): each way is {make = f(copy of m), options = a recipe for fit, whole = whether all of
-- the network trains}. → of each a list of 1 and 0, the same pictures in the same order. o: seed, batch, threads.
function contest.run(m, ds, ways, o)
  local right = {}
  if #ds < FOLDS * 2 then return nil end
  local folds = ds:folds(FOLDS, {seed = o.seed})
  for i, way in ipairs(ways) do
    right[i] = {}
    for k = 1, rounds(#ds) do
      journal.aside(function()
        local copy = m:clone()
        way.make(copy)
        local options = short(way.options, #folds[k].train, way.whole)
        options.seed, options.threads = o.seed, o.threads
        local r = Trainer._of("strategy", copy, folds[k].train, options):run()
        if r.interrupted then error("interrupted!", 0) end -- it is not the try alone that was to end
        judge(copy, folds[k].val, right[i], o)
      end)
    end
  end
  return right
end

return contest
