--- What is found out before it is too late: whether class names of models and data sets go together, whether BatchNorm
-- can live with the last batch, whether a batch holds numbers at all.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local mode = require "suture.train.mode"
local nn_trace = require "suture.nn.trace"
local outline = require "suture.model.outline"
local Dataset = require "suture.data.dataset"
local pcall = require("suture.base.interrupt").pcall
local rows = core.rows
local beforehand = {}

-- Calls f() so that nobody notices: no hook, no statistics, no node of the user's graph. → pcall's results
local function unseen(f) return outline.unseen(pcall, journal.rehearse, f) end

-- ---- class names ----

local function same(a, b)
  if #a ~= #b then return false end
  for i, name in ipairs(a) do if b[i] ~= name then return false end end
  return true
end

-- Whether the names are but the numbers of the classes.
local function numbered(names)
  for i, name in ipairs(names) do if name ~= tostring(i - 1) then return false end end
  return true
end

--- How many numbers m gives for a sample of ds; nil where that cannot be said.
function beforehand.outputs(m, ds)
  local x = ds:batch {0}
  local ok, out = unseen(function() return mode.eval(m, function() return nn_trace.outlined(m, x) end) end)
  return ok and core.tensor.is(out) and #out.shape == 2 and out.shape[2] or nil
end

--- The names that m's outputs have, nil where they have none: m.classes, unless they are of an older head (of another
-- number of outputs than m gives for ds).
function beforehand.names(m, ds)
  local names = m.classes
  if type(names) ~= "table" or #names == 0 then return nil end
  if same(names, ds.classes) or beforehand.outputs(m, ds) == #names then return names end
end

-- The class of ds, with samples, that is none of names; nil: all are.
local function stranger(ds, names)
  local known, counts = {}, ds:counts()
  for _, name in ipairs(names) do known[name] = true end
  for i, name in ipairs(ds.classes) do if not known[name] and counts[i] > 0 then return name end end
end

--- ds with its classes numbered as in `names`, by name; as it is where either has but numbers for names. whose: "the
-- model's", for the error where ds has another class; cure: what to type then.
function beforehand.aligned(what, ds, names, whose, cure)
  if not names or #ds.classes == 0 or same(names, ds.classes) then return ds end
  local other = stranger(ds, names)
  if other and (numbered(names) or numbered(ds.classes)) then return ds end
  if other then
    fault("%s: class '%s' of the data set (%s) is none of %s (%s) · %s", what, other, Dataset.some(ds.classes), whose,
      Dataset.some(names), cure)
  end
  return ds:align(names)
end

--- ds with its classes numbered as m's outputs are; an error where they are others.
function beforehand.measured(what, m, ds)
  if not ds:labels() then return ds end
  return beforehand.aligned(what, ds, beforehand.names(m, ds), "the model's",
    "m.classes = {…} says what its outputs mean, ds:filter(f) leaves samples out")
end

--- ds as it trains m: numbered by m's names where m has all of them. A line (or nil) about names that change.
function beforehand.trained(m, ds)
  if not ds:labels() or #ds.classes == 0 then return ds end
  local names = beforehand.names(m, ds)
  if not names or same(names, ds.classes) or numbered(names) then return ds end
  if not stranger(ds, names) then return ds:align(names) end
  return ds, ("m.classes were %s; they are now those it trains on: %s"):format(Dataset.some(names),
    Dataset.some(ds.classes))
end

--- The classes of names that no sample of ds is of, in words; nil: there are none.
function beforehand.absent(ds, names)
  local counts, lacks = {}, {}
  for i, n in ipairs(ds:counts()) do counts[ds.classes[i]] = n end
  for _, name in ipairs(names) do if (counts[name] or 0) == 0 then lacks[#lacks + 1] = name end end
  return #lacks > 0 and Dataset.some(lacks) or nil
end

-- ---- the last batch ----

--- Whether a training step of m fails on one sample of ds alone, as BatchNorm does on one value per channel. train:
-- as an objective's.
function beforehand.needs_two(m, ds, train)
  local x, y = ds:batch {0}
  local ok, err = unseen(function()
    return mode.train(m, function() return nn_trace.stilled(train, m, x, y) end)
  end)
  return not ok and tostring(err):find("more than 1 value per channel", 1, true) ~= nil
end

--- Whether the last batch of #ds samples in batches of `size` is to be left out: it is one sample, which BatchNorm
-- cannot normalise. given: the option drop_last (nil: left out if it must be). An error where no batch would be left. →
-- true or false, and a line to say before the first epoch, or nil.
function beforehand.drop_last(what, m, ds, size, given, train)
  local n = #ds
  if given and n < size then
    fault("%s: drop_last leaves nothing: there are %d samples, a batch takes %d", what, n, size)
  end
  local alone = size == 1 or n % size == 1
  if given or not alone or not beforehand.needs_two(m, ds, train) then return given or false end
  if size == 1 or n == 1 or given == false then
    fault("%s: %s is one sample, and BatchNorm in training needs more than one value per channel · %s", what,
      size == 1 and "every batch" or "the last batch",
      n == 1 and "m:bn_eval() lets its statistics stand" or size == 1 and "batch = 2 or more, or m:bn_eval()"
        or ("drop_last = true leaves it out, batch = %d makes other batches"):format(size + 1))
  end
  return true, ("the last batch of an epoch would be one sample, which BatchNorm cannot train on: it is left out " ..
    "(%d of %d samples an epoch) · drop_last = true says so, another batch makes it whole"):format(n - 1, n)
end

-- ---- numbers ----

-- The first row of a batch that is not finite (from 0), and the number; nil: all are.
local function first_bad(t)
  if rows.finite(t) then return nil end
  for i = 0, t.shape[1] - 1 do
    if not rows.finite(t[i]) then
      for _, v in ipairs(t[i]:reshape(-1):tolist()) do
        if v ~= v or v == math.huge or v == -math.huge then return i, v end
      end
    end
  end
end

--- An error where a batch holds NaN or infinity, which names the sample. places: of the rows in ds, or nil. when: words
-- as " at epoch 1 step 2".
function beforehand.check_numbers(what, ds, x, y, places, when)
  for name, t in pairs {input = x, target = y} do
    local i, v = first_bad(t)
    if i then
      local place = places and places[i + 1]
      fault("%s: the %s is %s in %s%s: the data, not the model · nothing was changed by it", what, name,
        v ~= v and "NaN" or tostring(v),
        place and ("sample %d (%s)"):format(place, ds:name(place)) or ("sample %d of the batch"):format(i), when or "")
    end
  end
end

return beforehand
