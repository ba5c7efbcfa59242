--- Parts of a dataset: take, split, folds. Methods of every dataset.
local core = require "suture.core"
local fault = require "suture.base.fault"
local fingerprint = require "suture.data.fingerprint"
local options = require "suture.data.options"
local image = core.image

local methods = {}

-- Arrays of the places (from 1) of each class's samples, by class index from 0 up.
local function by_class(ds, where)
  local labels = ds:labels()
  if not labels then fault(where .. ": these samples have no classes") end
  local groups = {}
  for k = 0, #ds.classes - 1 do groups[k] = {} end
  for place, k in ipairs(labels) do
    groups[k] = groups[k] or {}
    table.insert(groups[k], place)
  end
  return groups
end

-- The samples at these places (from 1), in the order they had.
local function chosen(ds, places)
  table.sort(places)
  for i, place in ipairs(places) do places[i] = place - 1 end
  return ds:subset(places)
end

--- Fewer samples: the first n, or n of each class with `ds:take{per_class = n}`.
-- With a seed they are drawn at random: `ds:take(100, {seed = 1})`, `ds:take{per_class = 20, seed = 1}`. Folders are
-- in the order of their classes, so that the first n may all be of one class.
function methods.take(ds, n, opts)
  local where = "ds:take"
  if type(n) == "table" then
    options.check(where, n, {per_class = true, seed = true})
    local each = options.whole(where, "per_class", n.per_class, 1)
    local seed, places = options.seed(where, n), {}
    local groups = by_class(ds, where)
    for k = 0, #ds.classes - 1 do
      local group = groups[k]
      if #group < each then
        fault("%s: class '%s' has %d samples, %d were asked for", where, ds.classes[k + 1], #group, each)
      end
      if seed then group = image.shuffle(group, seed, k) end
      table.move(group, 1, each, #places + 1, places)
    end
    return chosen(ds, places)
  end
  opts = opts or {}
  options.check(where, opts, {seed = true})
  n = options.whole(where, "n", n, 1)
  if n > #ds then fault("%s: there are %d samples, %d were asked for", where, #ds, n) end
  local seed, places = options.seed(where, opts), {}
  for i = 1, #ds do places[i] = i end
  if seed then places = image.shuffle(places, seed) end
  return chosen(ds, table.move(places, 1, n, 1, {}))
end

-- The groups that shares are taken of: the samples of each class, or all in one. stratify: nil: by class where there
-- are classes.
local function groups_of(ds, where, stratify)
  if stratify ~= nil and type(stratify) ~= "boolean" then
    fault("%s: stratify is true or false, got %s", where, options.shown(stratify))
  end
  if stratify or stratify == nil and ds:labels() then return by_class(ds, where) end
  local all = {}
  for i = 1, #ds do all[i] = i end
  return {[0] = all}
end

local function fractions_of(where, fractions)
  if type(fractions) == "number" then fractions = {fractions, 1 - fractions} end
  if type(fractions) ~= "table" or #fractions < 2 then
    fault("%s expects a fraction such as 0.8, or several such as {0.7, 0.2, 0.1}, got %s", where,
      options.shown(fractions))
  end
  local sum = 0
  for _, f in ipairs(fractions) do
    if type(f) ~= "number" or not (f > 0 and f < 1) then
      fault("%s: fractions are between 0 and 1, got %s", where, options.shown(f))
    end
    sum = sum + f
  end
  if sum > 1 + 1e-9 then fault("%s: the fractions sum to %g, more than 1", where, sum) end
  return fractions, sum
end

--- Two or more parts, drawn at random, each class in proportion: `train, val = ds:split(0.8)`, `a, b, c =
-- ds:split{0.7, 0.2, 0.1}`. Options: `seed` (default 0): the same seed gives the same parts; `stratify` (default:
-- true where the samples have classes): each class in proportion, or false: drawn from all alike. All parts keep ds's
-- augmentation; `val:with{augment = false}` takes it from one.
function methods.split(ds, fractions, opts)
  local where, sum = "ds:split", nil
  if type(fractions) == "table" and opts == nil and next(fractions) ~= nil then -- {0.8, 0.2, seed = 1}
    local list, named = {}, {}
    for k, v in pairs(fractions) do (type(k) == "number" and list or named)[k] = v end
    if #list == 1 then list[2] = type(list[1]) == "number" and 1 - list[1] or nil end
    fractions, opts = list, named
  end
  fractions, sum = fractions_of(where, fractions)
  opts = opts or {}
  options.check(where, opts, {seed = true, stratify = true})
  local seed, groups = options.seed(where, opts, 0), groups_of(ds, where, opts.stratify)
  local parts = {}
  for i = 1, #fractions do parts[i] = {} end
  local before = 0 -- samples in earlier classes: cuts fall where they would in the whole
  for k = 0, #groups do
    local group = image.shuffle(groups[k] or {}, seed, k)
    local from, share = 0, 0
    for i, f in ipairs(fractions) do
      share = share + f
      local to = math.min(#group, math.floor(share * (before + #group) + 0.5) - math.floor(share * before + 0.5))
      if i == #fractions and sum > 1 - 1e-9 then to = #group end
      if to > from then table.move(group, from + 1, to, #parts[i] + 1, parts[i]) end
      from = math.max(from, to)
    end
    before = before + #group
  end
  for i, places in ipairs(parts) do
    if #places == 0 then fault("%s: part %d (%g of %d samples) would be empty", where, i, fractions[i], #ds) end
    parts[i] = chosen(ds, places)
  end
  return table.unpack(parts)
end

--- ds:folds(k[, {seed = 0, stratify = }]): k-fold cross-validation: a list of k {train =, val =}, each sample in the
-- val of one: `for _, f in ipairs(ds:folds(5)) do fit(m:clone(), f.train, {val = f.val}) end`. Each class is spread
-- evenly over the folds where the samples have classes (stratify = false: no matter which class).
function methods.folds(ds, k, opts)
  local where = "ds:folds"
  k = options.whole(where, "k", k, 2)
  opts = opts or {}
  options.check(where, opts, {seed = true, stratify = true})
  if k > #ds then fault("%s: %d folds of %d samples: at most as many as there are samples", where, k, #ds) end
  local seed, groups = options.seed(where, opts, 0), groups_of(ds, where, opts.stratify)
  local vals, trains, turn = {}, {}, 0
  for i = 1, k do vals[i], trains[i] = {}, {} end
  for class = 0, #groups do -- a class goes on with the fold after the one where the class before ended
    for _, place in ipairs(image.shuffle(groups[class] or {}, seed, class)) do
      for i = 1, k do table.insert(i == turn % k + 1 and vals[i] or trains[i], place) end
      turn = turn + 1
    end
  end
  local folds = {}
  for i = 1, k do folds[i] = {train = chosen(ds, trains[i]), val = chosen(ds, vals[i])} end
  return folds
end

--- ds:fingerprint(): a text that is equal for data sets of the same samples, targets and order, read in the same way:
-- what a run is compared with before it goes on. Of large sets some samples are read, evenly spread; of files their
-- length and their first 64 KB. What a function of your own makes (ds:map, data.dataset) is not looked at.
function methods.fingerprint(ds)
  if not rawget(ds, "_fingerprint") then rawset(ds, "_fingerprint", fingerprint(ds)) end
  return rawget(ds, "_fingerprint")
end

return methods
