--- Datasets: labelled samples in an order, with the way of each into the network.
-- `#ds` counts them, `ds[i]` (from 0) is one: {x, y, class =, name =}, `ds.classes` names the classes (an array of
-- Lua's, so that class index k is `ds.classes[k + 1]`), `ds:batches(16)` goes over all.
local core = require "suture.core"
local counted = require "suture.base.counted"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local sampler = require "suture.data.sampler"
local source = require "suture.data.source"
local text = require "suture.base.text"
local wrapped = require "suture.data.wrapped"
local image = core.image

local Dataset = {}

-- A dataset holds: `where` (its name in messages), `source` (below), `index` (array of the source's sample numbers),
-- `classes`, `view` (options.read; nil for tensors), `usual` (what augment = true means), `random`, `augments`,
-- `preprocess` (the way of a picture to the network, as options).
-- Sources: suture.data.source.

local methods = {}

-- The fields computed when asked for.
local computed = {}

-- A string that is equal for datasets which give equal un-augmented samples at equal places: for caches.
function computed.key(ds)
  local h = 0xcbf29ce484222325
  for _, i in ipairs(ds.index) do h = (h ~ i) * 0x100000001b3 end
  return ("%s #%d %016x %s"):format(ds.source.key, #ds.index, h, ds.view and options.key(ds.view.core) or "")
end

--- Names for the classes of a source: those given (checked against the class indices `labels` of all samples, or nil),
-- or "0", "1", … as far as labels go.
function Dataset.names(where, given, labels)
  local most = -1
  for _, k in ipairs(labels or {}) do most = math.max(most, k) end
  if given == nil then
    local names = {}
    for k = 0, most < 10000 and most or -1 do names[k + 1] = tostring(k) end
    return names
  end
  if type(given) ~= "table" then fault("%s: classes is an array of names, got %s", where, options.shown(given)) end
  for i, name in ipairs(given) do
    if type(name) ~= "string" then fault("%s: classes[%d] is %s; names are expected", where, i, options.shown(name)) end
  end
  if most >= #given then fault("%s: y holds class %d but there are %d names (classes count from 0)", where, most,
    #given) end
  return given
end

local by_number = "ds:class_name(y) names class y, which counts from 0"

-- Of a source whose classes are not named: found when they are asked for.
function computed.classes(ds)
  local source = ds.source
  if not source.class_names then source.class_names = Dataset.names(ds.where, nil, source.labels(source.whole)) end
  return counted.names(source.class_names, by_number)
end

local meta = {__name = "suture.dataset"}

-- What ds[i] gives: prints as one line.
local sample_meta = {__name = "suture.sample"}
function sample_meta.__tostring(s)
  local shape = type(s[1]) == "userdata" and table.concat(s[1].shape, "×") or ""
  return text.safe(("%s: %s, class %s%s"):format(s.name, shape, tostring(s[2]),
    s.class and " (" .. s.class .. ")" or ""))
end

function meta.__len(ds) return #rawget(ds, "index") end

function meta.__index(ds, k)
  if methods[k] then return methods[k] end
  if computed[k] then
    local v = computed[k](ds)
    rawset(ds, k, v)
    return v
  end
  if type(k) == "number" then
    local i = math.tointeger(k)
    if not i or i < 0 or i >= #ds.index then
      fault("%s has %d samples, numbered 0 to %d; there is no [%s]", ds.where, #ds.index, #ds.index - 1, tostring(k))
    end
    local sample = ds.index[i + 1]
    local x, y, remarks = ds.source.one(ds, sample)
    source.tell(ds.source.key, remarks)
    if type(y) == "userdata" and y.dtype == "int64" and #y.shape == 0 then y = math.tointeger(y:item()) end
    local class = math.type(y) == "integer" and rawget(ds.classes, y + 1) or nil
    return setmetatable({x, y, class = class, name = ds.source.name(sample)}, sample_meta)
  end
  if type(k) == "string" and k:sub(1, 1) ~= "_" and k ~= "view" and k ~= "usual" and k ~= "preprocess" and
    k ~= "random" and k ~= "augments" then
    local names = {"classes", "random", "key"}
    for name in pairs(methods) do names[#names + 1] = name end
    fault("a dataset has no '%s'%s", k, options.meant(k, names))
  end
end

-- Options are read when a dataset is made; assigned later they would do nothing.
local made_with = {transform = true, augment = true, size = true, resize = true, crop = true, mean = true, std = true,
  interpolation = true, channels = true}
local of_batches = {batch_size = true, drop_last = true, threads = true, num_workers = true}

function meta.__newindex(ds, k, v)
  if made_with[k] then fault("a dataset keeps its %s: ds:with{%s = …} is one with another", k, k) end
  if of_batches[k] then fault("a dataset has no %s: it belongs to ds:batches(16, {shuffle = true}), or to fit", k) end
  rawset(ds, k, v)
end

local function plural(n, one, many) return ("%d %s"):format(n, n == 1 and one or many or one .. "s") end

function meta.__tostring(ds)
  local parts = {plural(#ds, ds.source.noun or "image")}
  local n = #ds.classes
  if n > 0 then
    local some = table.concat(ds.classes, ", ", 1, math.min(n, 6))
    parts[#parts + 1] = ("%s (%s%s)"):format(plural(n, "class", "classes"), some, n > 6 and ", …" or "")
  end
  if ds.view then parts[#parts + 1] = options.words(ds.view) end
  return text.safe(("%s: %s"):format(ds.where, table.concat(parts, " · ")))
end

--- Makes a dataset. For the constructors in data.lua.
function Dataset.new(where, source, index, classes, view, usual)
  classes = classes and counted.names(classes, by_number)
  local ds = {where = where, source = source, index = index, classes = classes, view = view, usual = usual}
  ds.augments = source.augments or view ~= nil and options.random(view.core) or false
  ds.random = source.random or ds.augments
  source.whole = source.whole or index
  if view then
    ds.preprocess = options.preprocessing(view)
    ds.preprocess.channels = ds.preprocess.channels or source.channels
  elseif source.parts then -- where all parts go one way
    ds.preprocess = source.parts[1].preprocess
    for _, other in ipairs(source.parts) do
      if not ds.preprocess or not other.preprocess or options.way(other.preprocess) ~= options.way(ds.preprocess) then
        ds.preprocess = nil
      end
    end
  end
  return setmetatable(ds, meta)
end

--- True when x is a dataset.
function Dataset.is(x) return getmetatable(x) == meta end

--- Sample i (from 0) as two values: the picture (C, H, W) as the network sees it, without augmentation, and its class
-- index.
function methods.get(ds, i)
  local sample = ds[i]
  return sample[1], sample[2]
end

local maps = 0

--- Names for a message: "ants, bees, … (12 of them)".
function Dataset.some(names)
  local n = #names
  return table.concat(names, ", ", 1, math.min(n, 6)) .. (n > 6 and (", … (%d of them)"):format(n) or "")
end

-- The same samples in another order, or fewer.
local function part(ds, index) return Dataset.new(ds.where, ds.source, index, ds.classes, ds.view, ds.usual) end

--- The class index of each sample, an array: `ds:labels()[1]` is that of `ds[0]`.
function methods.labels(ds)
  local labels = ds.source.labels(ds.index)
  return labels and counted.list(labels, "ds:labels()", "that of ds[i] is ds:labels()[i + 1]")
end

--- ds:class_name(y): the name of a class by its number, which counts from 0: ds.classes[y + 1], for ds.classes is a
-- list of Lua's and counts from 1. y: a whole number or a tensor of one; of a tensor of several, as batches give it, a
-- list of names.
function methods.class_name(ds, y)
  if core.tensor.is(y) and y:numel() ~= 1 then
    local names = {}
    for i, k in ipairs(y:reshape(-1):tolist()) do names[i] = ds:class_name(k) end
    return names
  end
  local k = core.tensor.is(y) and y:item() or y
  local n = #ds.classes
  local at = type(k) == "number" and math.tointeger(k)
  if not at or at < 0 or at >= n then
    fault("ds:class_name: expects a class number from 0 to %d, got %s%s", n - 1, options.shown(k),
      at == n and " (class numbers count from 0, the list ds.classes from 1)" or "")
  end
  return ds.classes[at + 1]
end

--- How many samples each class has, in the order of `ds.classes`.
function methods.counts(ds)
  local counts, labels = {}, ds:labels()
  if not labels then fault("ds:counts: the targets of %s are no class numbers", ds.where) end
  for i = 1, #ds.classes do counts[i] = 0 end
  for _, k in ipairs(labels) do counts[k + 1] = (counts[k + 1] or 0) + 1 end
  return counted.list(counts, "ds:counts()", "that of class y is [y + 1]")
end

--- Where sample `i` (from 0) came from: the path of its file, or "image i".
function methods.name(ds, i)
  if math.type(i) ~= "integer" or i < 0 or i >= #ds then
    fault("ds:name(i): i is from 0 to %d, got %s", #ds - 1, options.shown(i))
  end
  return ds.source.name(ds.index[i + 1])
end

--- The same samples in random order, the same order for the same seed (default 0).
function methods.shuffle(ds, seed)
  return part(ds, image.shuffle(ds.index, options.seed("ds:shuffle", {seed = seed}, 0)))
end

-- The numbers in ds.index of an array of places from 0.
local function indices(what, ds, places)
  local index = {}
  for i, place in ipairs(places) do
    local k = math.tointeger(place)
    if not k or k < 0 or k >= #ds then
      fault("%s: places are from 0 to %d, got %s", what, #ds - 1, options.shown(place))
    end
    index[i] = ds.index[k + 1]
  end
  return index
end

--- The samples at these places (an array of places from 0, or a tensor of them), in that order: `ds:subset{0, 2, 4}`.
-- A place may come twice.
function methods.subset(ds, places)
  if core.tensor.is(places) and #places.shape == 1 then places = places:tolist() end
  if type(places) ~= "table" or #places == 0 then
    fault("ds:subset expects an array of places from 0, got %s", options.shown(places))
  end
  return part(ds, indices("ds:subset", ds, places))
end

--- The samples for which f(s) is true: `ds:filter(function(s) return s.class ~= "ant" end)`.
-- s is as ds[i]: s[1] is x, s[2] y, s.class, s.name; a picture is read only where f looks at s[1].
function methods.filter(ds, f)
  if type(f) ~= "function" then fault("ds:filter expects a function(sample) → true or false, got %s",
    options.shown(f)) end
  local labels, index = ds:labels(), {}
  for place = 1, #ds do
    local y = labels and labels[place]
    local s = setmetatable({[2] = y, class = y and ds.classes[y + 1], name = ds:name(place - 1)},
      {__index = function(_, k) if k == 1 or k == 2 then return ds[place - 1][k] end end})
    if f(s) then index[#index + 1] = ds.index[place] end
  end
  if #index == 0 then fault("ds:filter: the function is true for none of the %d samples", #ds) end
  return part(ds, index)
end

--- The same samples, each x as f(x, y) gives it whenever it is read: `ds:map(function(x) return x * 2 - 1 end)`. The
-- results of a batch must have one shape. Options: `target` = function(y) → y, a class index, a number or a tensor;
-- `classes`: their names, where target gives classes; `random` (false): f gives another x each time, so that nothing
-- frozen is kept between epochs. What f does is no part of m.preprocess.
function methods.map(ds, f, opts)
  if type(f) ~= "function" then fault("ds:map expects a function(x, y) → x, got %s", options.shown(f)) end
  opts = opts or {}
  options.check("ds:map", opts, {target = true, classes = true, random = true})
  local target = opts.target
  if target ~= nil and type(target) ~= "function" then
    fault("ds:map: target is a function(y) → y, got %s", options.shown(target))
  end
  maps = maps + 1
  local from = wrapped.mapped(ds.source, f, target, opts.random and true or false,
    ("%s mapped %d"):format(ds.source.key, maps))
  local classes = ds.classes
  if target or opts.classes then
    classes = Dataset.names("ds:map", opts.classes, from.labels(ds.index))
  end
  return Dataset.new(ds.where, from, ds.index, classes, ds.view, ds.usual)
end

--- The same samples with their classes numbered as in `names`, an array of names which has all that occur in ds:
-- `val:align(train.classes)`. fit, evaluate and confusion do so by themselves.
function methods.align(ds, names)
  Dataset.names("ds:align", names == nil and false or names)
  local labels = ds:labels()
  if not labels then fault("ds:align: these samples have no classes") end
  local place, twice, map, same, counts = {}, {}, {}, #names == #ds.classes, ds:counts()
  for i, name in ipairs(names) do
    if place[name] then twice[name] = true else place[name] = i - 1 end
  end
  for i, name in ipairs(ds.classes) do
    same = same and names[i] == name
    map[i - 1] = place[name]
  end
  if same then return ds end
  for i, name in ipairs(ds.classes) do
    if counts[i] > 0 and not place[name] then
      fault("ds:align: class '%s' is none of %s", name, Dataset.some(names))
    end
    if twice[name] then fault("ds:align: two classes are called '%s': they cannot be told apart by name", name) end
  end
  local from = wrapped.relabelled(ds.source, map, ds.source.key .. " as " .. table.concat(names, "/"), names)
  return Dataset.new(ds.where, from, ds.index, names, ds.view, ds.usual)
end

--- The same samples with other options: `val = ds:with{augment = false}`. What is not named stays.
function methods.with(ds, opts)
  if ds.source.parts then
    local parts = {}
    for i, one in ipairs(ds.source.parts) do parts[i] = one:with(opts) end
    return Dataset.new(ds.where, wrapped.joined(ds.where, parts), ds.index, ds.classes)
  end
  if not ds.view and not ds.source.pictures then fault(ds.where ..
    ": these samples are no pictures: they have no options") end
  options.check("ds:with", opts, options.picture)
  local all = {}
  for k, v in pairs(ds.view and ds.view.say or {}) do all[k] = v end
  if opts.size ~= nil then all.resize, all.crop = nil, nil end
  if opts.transform ~= nil then
    for _, k in ipairs {"resize", "crop", "mean", "std", "interpolation"} do all[k] = nil end
  end
  for k, v in pairs(opts) do all[k] = v end
  if all.keep and ds.source.pictures then fault("ds:with: keep is for pictures in files of the library's readers") end
  return Dataset.new(ds.where, ds.source, ds.index, ds.classes, options.read(ds.where, all, ds.usual), ds.usual)
end

local batch_options = {shuffle = true, seed = true, epoch = true, drop_last = true, threads = true, augment = true,
  sampler = true}

local function batch_settings(where, ds, size, opts)
  opts = opts or {}
  options.check(where, opts, batch_options)
  for _, name in ipairs {"shuffle", "drop_last", "augment"} do
    local v = opts[name]
    if v ~= nil and type(v) ~= "boolean" then
      fault("%s: %s is true or false, got %s", where, name, options.shown(v))
    end
  end
  local set = {batch = options.whole(where, "the batch size", size or 1, 1),
    drop_last = opts.drop_last and true or false}
  set.augment = ds.augments and opts.augment ~= false
  if opts.augment and not ds.augments then fault(where ..
    ": this dataset has no augmentation · give augment when making it") end
  set.epoch = opts.epoch and options.whole(where, "epoch", opts.epoch, 0) or 0
  set.seed = options.seed(where, opts)
  if not set.seed then set.seed = (opts.shuffle or opts.sampler or set.augment) and image.seed() or 0 end
  if opts.threads ~= nil then set.threads = options.whole(where, "threads", opts.threads, 0)
  elseif ds.view and options.small(ds.view.core, ds.source.in_memory) then set.threads = 0
  else set.threads = math.min(8, options.cores()) end
  return set, opts.shuffle
end

-- How ds:batches(size, opts) goes over the samples: {set =, batches = arrays of places from 0}.
function methods._pass(ds, size, opts, where)
  local set, shuffle = batch_settings(where or "ds:batches", ds, size, opts)
  local places, batches = {}, {}
  for i = 1, #ds do places[i] = i - 1 end
  local weights = sampler.weights(where or "ds:batches", ds, opts and opts.sampler)
  if weights then places = image.drawn(weights, #ds, set.seed, set.epoch)
  elseif shuffle then places = image.shuffle(places, set.seed, set.epoch) end
  for from = 1, #places, set.batch do
    local to = math.min(from + set.batch - 1, #places)
    if to - from + 1 == set.batch or not set.drop_last then
      batches[#batches + 1] = table.move(places, from, to, 1, {})
    end
  end
  return {set = set, batches = batches}
end

-- Goes over the samples as _pass says.
function methods._go(ds, pass)
  local order, k = {}, 0
  for _, places in ipairs(pass.batches) do
    for _, place in ipairs(places) do order[#order + 1] = ds.index[place + 1] end
  end
  local next_batch, closing = ds.source.loader(ds, order, pass.set)
  local function step()
    local x, y, remarks = next_batch()
    if not x then return nil end
    source.tell(ds.source.key, remarks)
    k = k + 1
    return x, y, pass.batches[k]
  end
  return step, nil, nil, closing
end

--- The order in which `ds:batches` with these options would go over the samples: an array of batches, each an array of
-- places from 0. For those who have the samples' features already.
function methods.order(ds, size, opts) return ds:_pass(size, opts, "ds:order").batches end

--- Goes over all samples: `for x, y in ds:batches(16) do … end`; x is (N, C, H, W), y holds N class indices.
-- A third value is the array of the samples' places (from 0). Options: `shuffle` (default false, as in PyTorch), `seed`
-- and `epoch` (default: the next seed of the generator that `seed(n)` sets; both together say order and augmentation to
-- the bit), `drop_last` (leave a smaller last batch out), `sampler` ("balanced": as many samples as there are, drawn
-- with replacement so that each class comes as often as another; or a list or tensor of a weight a sample), `threads`
-- (workers that decode ahead; the result does not
-- depend on them), `augment = false` (once without the dataset's augmentation). Raises, naming the file, when one
-- cannot be read.
function methods.batches(ds, size, opts) return ds:_go(ds:_pass(size, opts)) end

--- The samples at these places (an array, from 0), as one batch x, y, without augmentation.
function methods.batch(ds, places)
  if type(places) ~= "table" then fault("ds:batch expects an array of places from 0, got %s", options.shown(places)) end
  local order = indices("ds:batch", ds, places)
  if #order == 0 then fault("ds:batch: no places given") end
  local set = batch_settings("ds:batch", ds, #order, {augment = false})
  local next_batch, closing <close> = ds.source.loader(ds, order, set)
  local x, y, remarks = next_batch()
  source.tell(ds.source.key, remarks)
  return x, y
end

for name, f in pairs(require "suture.data.parts") do methods[name] = f end

require "suture.base.stray".guard(methods, "ds:", true)
require "suture.base.method"(methods, {is = function(ds) return getmetatable(ds) == meta end, what = "a data set",
  name = "ds"})

return Dataset
