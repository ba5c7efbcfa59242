--- zoo: published architectures by name. zoo.list("resnet*") shows them, zoo.weights "resnet50" their published
-- weights. zoo.resnet18() is a new model, zoo.resnet18{pretrained = true} has published weights, which are fetched if
-- they are not there (zoo.get only does that), zoo.resnet18{pretrained = true, num_classes = 2} has them with a new
-- head.

-- One family per file, lua/zoo/<family>.lua, and nothing of it elsewhere. The comment at its head says what it is and
-- what its options mean: help shows it. It returns a table:
--   counted = {name = {parameters, tensors of the state dict, multiply-adds of one picture}}, in a `local counted = {`
--     with a line for each variant, from which the names are read while the file is not run. `scripts/costs.lua FAMILY`
--     writes it, zoo_spec checks it.
--   variants = {name = spec}: a spec is the family's own but for `weights`, the published sets: {name =, file = (with
--     the hash in its name), url =, classes =, class_names = (a list, or a function that gives it), resize =, crop =,
--     mean =, std =, interpolation =, accuracy = (top 1 in per cent), megabytes =, license =, also = {older file
--     names}, options = {what the weights want of build, unless the caller says otherwise}}; the first is what
--     pretrained = true means.
--   options = "dropout:prob=0.5 …": the family's own, a signature of suture.base.options. image_size among them is a
--     number always: the option, else the published weights' crop, else the family's size.
--   build(spec, o): the model. o: num_classes, in_chans, and the options, read and with their defaults.
--   classes, size, mean, std: of a model without published weights.
--   stem, head: the paths of the first convolution, adapted to in_chans, and of the classifier (Linear or 1 × 1
--     convolution), new where num_classes is not the weights'. So are those that m.aux_heads lists, and a model made
--     without an auxiliary branch does not want its tensors.
--   parts = {the classes it is made of}, for files that say what a model is made of.
--   options_from(shapes, spec), optional: what the names and shapes of a file tell of the family's options where they
--     are not the defaults of the variant `spec`. shapes: see zoo/common/shapes.lua.
--   rename(name, all), optional: what a tensor is called here that other files (timm's, older ones) call `name`; nil
--     where it is not needed. Names that are right come back as they are. all: what the file has, by its own names.
--   settings(all), optional: options that the file's own names tell, where the caller does not say them; nil where
--     there are none.
--   missing(name, all, own), optional: a tensor that the file lacks: `own`, the model's, where it follows from the
--     options, or made of others of the file's; nil where it cannot be.
--   adapt(name, given, shape), optional: `given` made to fit `shape` (position embeddings for another image size, axes
--     of length 1), or nil where it cannot be. It is asked for every tensor whose shape is not the model's, whatever
--     that is.
--   test, optional: what tests want to know: options, size (pixels; 48): of a model that trains in seconds; lr (5e-3),
--     and falls (0.95), what is left of the loss after an epoch; also = {architectures tested besides the smallest};
--     parity = {…}: see tests/parity/zoo.py.
local catalogue = require "suture.zoo.common.catalogue"
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local journal = require "suture.base.journal"
local make = require "suture.zoo.common.make"
local ordered = require "suture.base.ordered"
local stray = require "suture.base.stray"
local text = require "suture.base.text"

local zoo = {}
local docs = require "suture.base.docs"

local DOC = [[
zoo.%s{pretrained =, weights =, num_classes =, in_chans =, …}: a model of a published architecture, in training mode.
pretrained = true: the published weights, or the name of a set, as "imagenet1k_v2" (zoo.list and zoo.weights name them);
looked for in $SUTURE_WEIGHTS, ~/.cache/suture and ~/.cache/torch/hub/checkpoints, else fetched into the first of them
and checked against the hash in the file's name. weights = PATH: those of a file, timm's names too where they differ.
num_classes: other than the weights' makes a new head. in_chans: input channels (3); the first layer is adapted.
image_size, where the architecture depends on it: other than the weights' adapts them.
The model knows m.preprocess, m.input_shape, m.classes where published.
]]

local function offer(name)
  local function model(opts) return journal.aside(make.model, name, opts) end
  zoo[name], docs[model] = stray.checked(model, "zoo." .. name), DOC:format(name) .. (catalogue.about(name) or "")
end

-- Registers a family of models that is not a file of this folder, as described at the head of this file.
function zoo._register(name, family)
  catalogue.register(name, family)
  for variant in pairs(family.variants) do offer(variant) end
end

-- An architecture's parameters, tensors of its state dict and multiply-adds of one picture of its first weights' size,
-- counted: what the family's `counted` is to say; and the model that was counted.
function zoo._count(name)
  local family, spec = catalogue.find(name)
  local first = make.takes(family, "image_size") and (spec.weights or {})[1]
  local m = require("suture.nn.initialize").skip(zoo[name], {image_size = first and first.crop or nil})
  local macs = 0
  local trace = require "suture.model.outline"
  for _, node in ipairs(trace.run(m, nil, "zoo.list").nodes) do macs = macs + (node.macs or 0) end
  return m:num_parameters(), #m:state_dict(), macs, m
end

-- A table with its last column broken between words where the terminal is narrow.
local function wrapped(rows, columns)
  local lines, w = text.table(rows, columns)
  local at = 0
  for c = 1, #columns - 1 do at = at + (w[c] > 0 and w[c] + 2 or 0) end
  for i, line in ipairs(lines) do lines[i] = text.wrap(line, nil, math.min(at, text.width() // 2)) end
  return table.concat(lines, "\n")
end

local function listed(list)
  local rows = {}
  for i, name in ipairs(list) do
    local family, spec = catalogue.find(name)
    local params, _, macs = table.unpack((family.counted or {})[name] or {zoo._count(name)})
    local sets = {}
    for k, set in ipairs(spec.weights or {}) do
      sets[k] = set.accuracy and ("%s %.1f"):format(set.name, set.accuracy) or set.name
    end
    local first = spec.weights and spec.weights[1]
    local size = first and first.crop or family.size
    rows[i] = {name, text.short(params), text.short(macs), ("%d"):format(size), table.concat(sets, text.sign "sep")}
  end
  return wrapped(rows, {
    {title = "name"}, {title = "parameters", align = "right"}, {title = "MACs", align = "right"},
    {title = "input", align = "right"}, {title = "weights (top-1 %)"},
  })
end

--- zoo.list([glob]): the names of the architectures, as a list; zoo.list("*18"). It shows itself as a table:
-- parameters, multiply-adds of one picture, pixels of the picture's sides, and the published sets of weights, each with
-- the share of ImageNet's (the CIFAR ResNets: CIFAR-10's) pictures that it names rightly, as published, in per cent.
function zoo.list(pattern)
  local match = pattern ~= nil and glob(pattern, "zoo.list")
  local out = {}
  for _, name in ipairs(catalogue.names()) do if not match or match(name) then out[#out + 1] = name end end
  return ordered.list(out, listed)
end

local function sets_shown(sets)
  local rows = {}
  for i, set in ipairs(sets) do
    local input = (set.resize and set.resize .. text.sign "arrow" or "") .. set.crop
    rows[i] = {
      set.name, set.accuracy and ("%.3f"):format(set.accuracy), ("%d"):format(set.classes), input, set.interpolation,
      set.megabytes and ("%.1f MB"):format(set.megabytes), set.file, set.license,
    }
  end
  return wrapped(rows, {
    {title = "name"}, {title = "top-1 %", align = "right"}, {title = "classes", align = "right"},
    {title = "input", align = "right"}, {title = "resized"}, {title = "size", align = "right"}, {title = "file"},
    {title = "licence"},
  })
end

--- zoo.weights(name): the published sets of weights of an architecture, as a list: {name =, file =, url =, classes =,
-- crop =, resize =, interpolation =, mean =, std =, accuracy = (top 1, per cent), megabytes =, license =} each; it
-- shows itself as a table. The first is what pretrained = true means.
function zoo.weights(name)
  local _, spec = catalogue.find(name)
  local sets = spec.weights or {}
  return ordered.list(table.move(sets, 1, #sets, 1, {}), sets_shown)
end

--- zoo.get(name[, set]): the path of the file of an architecture's published weights (the first set, or the one named),
-- fetched if it is not there: what `suture get NAME SET` does.
function zoo.get(name, set)
  local _, spec = catalogue.find(name)
  return require("suture.zoo.common.weights").get(name, make.set(name, spec, set == nil or set))
end

--- zoo.recognise(shapes): from the names and shapes of a checkpoint's tensors, the architecture's name and the options
-- that they tell, or nil. Files that lack a few tensors, or have a few more or in other shapes, are recognised too.
function zoo.recognise(shapes)
  for name, shape in pairs(type(shapes) == "table" and shapes or {false}) do
    if type(name) ~= "string" or type(shape) ~= "table" then
      fault("zoo.recognise: expects a table of names and shapes, as {[\"fc.weight\"] = {10, 512}}")
    end
  end
  local plan, told = require "suture.zoo.common.recognise"(shapes)
  if plan then return plan.name, told end
end

-- For open: the model that a file's names and shapes are of, without numbers, its name, and a function that says what
-- had to be assumed; or nil and the nearest variant (see zoo/common/recognise.lua).
function zoo._opened(shapes, path)
  local plan, told, assumed, m = require "suture.zoo.common.recognise"(shapes, path)
  if not plan then return nil, told end
  m = m or require("suture.nn.initialize").skip(make.build, plan)
  return make.dress(m, plan), plan.name, function() make.say_assumed(plan, assumed) end
end

-- A file's tensors (ordered) as those of a model of that name: renamed and adapted where they must be.
function zoo._fitted(name, m, given)
  return require("suture.zoo.common.fit").fitted(name, catalogue.find(name), m, given)
end

-- For files that say what a model is made of: whether there is such an architecture; the family that a class of blocks
-- belongs to, nil for other classes; and the class back from both names, nil when there is none.
zoo.has, zoo._family_of, zoo._part = catalogue.has, catalogue.owner, catalogue.part

stray.guard(zoo, "zoo.")
for _, name in ipairs(catalogue.names()) do offer(name) end

return setmetatable(zoo, {__index = function(_, name) catalogue.missing(name) end})
