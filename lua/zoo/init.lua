--- zoo: published architectures by name. zoo.list("resnet*") shows them, zoo.weights "resnet50" their published weights.
-- zoo.resnet18() is a new model, zoo.resnet18{pretrained = true} has published weights, which are fetched if they are not there
-- (zoo.get only does that), zoo.resnet18{pretrained = true, num_classes = 2} has them with a new head.

-- One family per file, lua/zoo/<family>.lua, which returns a table:
--   variants = {name = spec}: a spec is the family's own but for `weights`, the published sets: {name =, file = (with the hash
--     in its name), url =, classes =, class_names = (a list, or a function that gives it), resize =, crop =, mean =, std =,
--     interpolation =, accuracy = (top 1 in per cent), megabytes =, license =, also = {older file names}, options = {what the
--     weights want of build, unless the caller says otherwise}}; the first is what pretrained = true means.
--   build(spec, args): the model. args: num_classes, in_chans, and the family's own options.
--   options = {name = true}: those. image_size among them is a number always: the option, else the published weights' crop, else
--     the family's size.
--   classes, size, mean, std: of a model without published weights.
--   stem, head: the paths of the first convolution, adapted to in_chans, and of the classifier (Linear or 1 × 1 convolution),
--     new where num_classes is not the weights'. So are those that m.aux_heads lists, and a model made without an auxiliary
--     branch does not want its tensors.
--   parts = {the classes it is made of}, for files that say what a model is made of.
--   recognise(shapes): from the names and shapes of a checkpoint's tensors the variant's name and options, or nil.
--   rename(name, all), optional: what a tensor is called here that other files (timm's, older ones) call `name`; nil where it is
--     not needed. Names that are right come back as they are. all: what the file has, by its own names. recognise sees names from
--     here only.
--   settings(all), optional: options that the file's own names tell, where the caller does not say them; nil where there are none.
--   missing(name, all, own), optional: a tensor that the file lacks: `own`, the model's, where it follows from the options, or made
--     of others of the file's; nil where it cannot be.
--   adapt(name, given, shape), optional: `given` made to fit `shape` (position embeddings for another image size, axes of
--     length 1), or nil where it cannot be. It is asked for every tensor whose shape is not the model's.
-- What a variant costs is in lua/zoo/common/costs.lua, which scripts/costs.lua writes.
local core = require "suture.core"
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local init = require "suture.nn.initialize"
local journal = require "suture.base.journal"
local note = require "suture.base.note"
local options = require "suture.base.options"
local ordered = require "suture.base.ordered"
local text = require "suture.base.text"
local weights = require "suture.zoo.common.weights"
local raw = core.tensor

local zoo = {}
local families = {}  -- in order of registration
local variants = {}  -- name → {family =, spec =}
local order = {}
local parts = {}     -- family's name → its classes by name
local family_of = setmetatable({}, {__mode = "k"}) -- class → family's name

-- ---- weights ----

local function weight_set(name, spec, wanted)
  local sets = spec.weights or {}
  if #sets == 0 then fault("%s: there are no published weights", name) end
  if wanted == true then return sets[1] end
  local names = {}
  for i, set in ipairs(sets) do
    if type(wanted) == "string" and set.name:lower() == wanted:lower() then return set end
    names[i] = set.name
  end
  fault("%s: pretrained is true or one of %s, got %s", name, table.concat(names, ", "), options.show(wanted))
end

-- First-layer weights for another number of input channels: one channel gets the sum over colours, more get the colours in
-- turn, scaled so that the sum stays (timm's adapt_input_conv).
local function adapt_input(w, channels)
  local shape = raw.shape(w)
  if channels == 1 then return w:sum(1, true) end
  local parts, have = {}, 0
  while have < channels do
    local n = math.min(shape[2], channels - have)
    parts[#parts + 1] = w:narrow(1, 0, n)
    have = have + n
  end
  return require("suture.tensor").cat(parts, 1) * (shape[2] / channels)
end

local function aux_heads(m) return m.aux_heads or {} end

-- Whether a tensor is of an auxiliary branch that m was made without.
local function spare(m, name)
  for _, head in ipairs(aux_heads(m)) do
    local branch = head:match "^[^.]*"
    if not m._children[branch] and name:sub(1, #branch + 1) == branch .. "." then return true end
  end
end

-- A checkpoint's tensors (ordered) under the family's names and, where it knows how, in m's shapes.
local function fitted(name, family, m, given)
  local mine, sd, came, adapted = m:state_dict(), ordered.dict(), {}, {}
  for was, t in given do
    local own = was
    if family.rename then own = family.rename(was, given) end
    if own and not spare(m, own) then
      if came[own] then fault("%s: the file's %s and %s are both %s here", name, came[own], was, own) end
      came[own] = was
      local want = mine[own] and mine[own].shape
      local fit = want and want ~= t.shape and family.adapt and family.adapt(own, t, want)
      if fit and raw.numel(fit) ~= raw.numel(t) then adapted[#adapted + 1] = ("%s adapted from %s to %s"):format(own, t.shape, want) end
      sd[own] = fit or t
    end
  end
  if family.missing then
    for own, t in mine do sd[own] = sd[own] or family.missing(own, given, t) end
  end
  local more = #adapted > 1 and (", and %d more"):format(#adapted - 1) or ""
  if #adapted > 0 then note(("%s: %s%s"):format(name, adapted[1], more)) end
  return sd
end

-- Copies a file's tensors (ordered) into m: a head of another size is made anew, the first layer is adapted.
local function load_weights(name, m, family, tensors)
  local sd = fitted(name, family, m, tensors)
  local mine = m:state_dict()
  local stem = family.stem .. ".weight"
  local given, own = sd[stem], mine[stem]
  if given and own and #given.shape == 4 and given.shape[2] ~= own.shape[2] then
    sd[stem] = adapt_input(given, own.shape[2])
    note(("%s: %s adapted from %d to %d input channels"):format(name, family.stem, given.shape[2], own.shape[2]))
  end
  for _, head in ipairs {family.head, table.unpack(aux_heads(m))} do
    local w, to = sd[head .. ".weight"], mine[head .. ".weight"]
    if w and to and w.shape[1] ~= to.shape[1] and raw.numel(w) // w.shape[1] == raw.numel(to) // to.shape[1] then
      note(("%s: the head %s is new, for %d classes (the weights have %d)"):format(name, head, to.shape[1], w.shape[1]))
      m:at(head):reset_parameters()
      for _, part in ipairs {"weight", "bias"} do
        if sd[head .. "." .. part] then sd[head .. "." .. part] = mine[head .. "." .. part] end
      end
    end
  end
  m:load_state_dict(sd)
end

-- ---- models ----

local common = {pretrained = true, weights = true, num_classes = true, in_chans = true}

local function count(name, key, v, default)
  if v == nil then return default end
  local n = math.tointeger(v)
  if not n or n < 1 then fault("%s: %s expects a whole number above 0, got %s", name, key, options.show(v)) end
  return n
end

-- The published set that a file is, by its name; nil for other files.
local function set_of(spec, path)
  local file = path:match "[^/]*$"
  for _, set in ipairs(spec.weights or {}) do
    for _, known in ipairs {set.file, table.unpack(set.also or {})} do if known == file then return set end end
  end
end

-- file: where the numbers will come from, for a model that is not to load them itself.
local function make(name, opts, file)
  local entry = variants[name]
  local family, spec = entry.family, entry.spec
  if opts ~= nil and type(opts) ~= "table" then fault("%s: expects options in a table, as zoo.%s{pretrained = true}, got %s", name, name, type(opts)) end
  opts = opts or {}
  local known = {}
  for k in pairs(common) do known[k] = true end
  for k in pairs(family.options or {}) do known[k] = true end
  options.check("zoo." .. name, opts, known)
  local path
  if opts.weights ~= nil and opts.weights ~= false then
    if type(opts.weights) ~= "string" then fault("%s: weights expects a path, got %s", name, options.show(opts.weights)) end
    path = opts.weights
  end
  local published = opts.pretrained and weight_set(name, spec, opts.pretrained) or set_of(spec, path or file or "")
  local set = published or (spec.weights or {})[1]
  local args = {}
  for k, v in pairs(opts) do if not common[k] then args[k] = v end end
  args.num_classes = count(name, "num_classes", opts.num_classes, set and set.classes or family.classes)
  args.in_chans = count(name, "in_chans", opts.in_chans, 3)
  local usual = set and set.crop or family.size
  local size = usual
  if family.options and family.options.image_size then
    size = count(name, "image_size", opts.image_size, published and usual or family.size)
    args.image_size = size
  end
  if opts.pretrained then path = path or weights.get(name, set) end
  local function usually(more)
    for k, v in pairs(more or {}) do if args[k] == nil then args[k] = v end end
  end
  local m
  if path then
    local tensors = require("suture.model.checkpoint").open(path, {state = true})
    usually(set and set.options)
    usually(family.settings and family.settings(tensors))
    m = init.skip(function() return family.build(spec, args) end)
    load_weights(name, m, family, tensors)
  else
    m = family.build(spec, args)
  end
  rawset(m, "_zoo", {name = name, opts = args})
  m.input_shape = setmetatable({1, args.in_chans, size, size}, raw.shape_metatable())
  if args.in_chans == 3 then
    local resize = set and set.resize
    m.preprocess = {resize = resize and resize * size // usual, crop = resize and size, mean = set and set.mean or family.mean,
      std = set and set.std or family.std, interpolation = set and set.interpolation or "bilinear"}
  end
  local names = set and args.num_classes == set.classes and set.class_names
  if names then m.classes = {table.unpack(type(names) == "function" and names() or names)} end
  return m
end

-- Registers a family of models, as described at the head of this file.
function zoo._register(name_of_family, family)
  families[#families + 1] = family
  parts[name_of_family] = {}
  for _, cls in ipairs(family.parts or {}) do
    parts[name_of_family][cls.__name], family_of[cls] = cls, name_of_family
  end
  local names = {}
  for name in pairs(family.variants) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local pa, na = a:match "^(%D*)(%d*)"
    local pb, nb = b:match "^(%D*)(%d*)"
    if pa ~= pb then return pa < pb end
    if na ~= nb then return (tonumber(na) or 0) < (tonumber(nb) or 0) end
    return a < b
  end)
  for _, name in ipairs(names) do
    variants[name] = {family = family, spec = family.variants[name]}
    order[#order + 1] = name
    --- zoo.NAME{pretrained =, weights =, num_classes =, in_chans =, …}: a model of a published architecture, in training mode.
    -- pretrained = true: the published weights, or the name of a set, as "imagenet1k_v2" (zoo.list and zoo.weights name them);
    -- looked for in $SUTURE_WEIGHTS, ~/.cache/suture and ~/.cache/torch/hub/checkpoints, else fetched into the first of them
    -- and checked against the hash in the file's name. weights = PATH: those of a file, timm's names too where they differ.
    -- num_classes: other than the weights' makes a new head. in_chans: input channels (3); the first layer is adapted.
    -- image_size, where the architecture depends on it: other than the weights' adapts them.
    -- ResNets for ImageNet: zero_init_residual. MobileNets: width_mult, dropout; V3: reduced_tail, dilated, eps (BatchNorm's).
    -- AlexNet, VGG, SqueezeNet, MNASNet: dropout. DenseNets: drop_rate. GoogLeNet, Inception v3: dropout; aux_logits, whether
    -- there are auxiliary heads, which run in training alone and train with m.aux_weight (default: yes; GoogLeNet with
    -- weights: no); transform_input, whether pictures are renormalised to what TensorFlow's weights want (default: with
    -- weights). EfficientNets: dropout, stochastic_depth_prob, eps. ConvNeXts: stochastic_depth_prob, layer_scale. ViTs:
    -- num_layers, dropout, attention_dropout. Swins: depths, stochastic_depth_prob, dropout, attention_dropout. CoAtNets: depths,
    -- stochastic_depth_prob. MaxViT: depths, stochastic_depth_prob, partition_size, attention_dropout, mlp_dropout.
    -- The model knows m.preprocess, m.input_shape, m.classes where published.
    zoo[name] = function(opts) return journal.aside(make, name, opts) end
  end
end

-- Parameters and multiply-adds of one picture: published facts of the architecture, else counted.
local costs = {}
local function cost_of(name)
  costs[name] = costs[name] or require("suture.zoo.common.costs")[name] or {zoo._count(name)}
  return table.unpack(costs[name])
end

-- For the table of costs and its test: an architecture's parameters and multiply-adds of one picture of its first weights' size,
-- counted.
function zoo._count(name)
  local family, first = variants[name].family, (variants[name].spec.weights or {})[1]
  local m = init.skip(zoo[name], {image_size = family.options and family.options.image_size and first and first.crop})
  local macs = 0
  for _, node in ipairs(require("suture.view.trace").run(m, nil, "zoo.list").nodes) do macs = macs + (node.macs or 0) end
  return m:num_parameters(), macs
end

local function listed(list)
  local rows = {}
  for i, name in ipairs(list) do
    local entry = variants[name]
    local params, macs = cost_of(name)
    local sets = {}
    for k, set in ipairs(entry.spec.weights or {}) do
      sets[k] = set.accuracy and ("%s %.1f"):format(set.name, set.accuracy) or set.name
    end
    local first = entry.spec.weights and entry.spec.weights[1]
    local size = first and first.crop or entry.family.size
    rows[i] = {name, text.short(params), text.short(macs), ("%d"):format(size), table.concat(sets, text.sign "sep")}
  end
  return table.concat(text.table(rows, {{title = "name"}, {title = "parameters", align = "right"}, {title = "MACs", align = "right"},
    {title = "input", align = "right"}, {title = "weights (top-1 %)"}}), "\n")
end

--- zoo.list([glob]): the names of the architectures, as a list; zoo.list("*18"). It shows itself as a table: parameters,
-- multiply-adds of one picture, pixels of the picture's sides, and the published sets of weights, each with the share of
-- ImageNet's (the CIFAR ResNets: CIFAR-10's) pictures that it names rightly, as published, in per cent.
function zoo.list(pattern)
  local match = pattern ~= nil and glob(pattern, "zoo.list")
  local out = {}
  for _, name in ipairs(order) do if not match or match(name) then out[#out + 1] = name end end
  return ordered.list(out, listed)
end

local function known(name)
  local entry = type(name) == "string" and variants[name]
  if not entry then fault("zoo: no architecture '%s'%s", tostring(name), require("suture.base.suggest").hint(tostring(name), order)) end
  return entry
end

local function sets_shown(sets)
  local rows = {}
  for i, set in ipairs(sets) do
    local input = (set.resize and set.resize .. text.sign "arrow" or "") .. set.crop
    rows[i] = {set.name, set.accuracy and ("%.3f"):format(set.accuracy), ("%d"):format(set.classes), input, set.interpolation,
      set.megabytes and ("%.1f MB"):format(set.megabytes), set.file, set.license}
  end
  return table.concat(text.table(rows, {{title = "name"}, {title = "top-1 %", align = "right"}, {title = "classes", align = "right"},
    {title = "input", align = "right"}, {title = "resized"}, {title = "size", align = "right"}, {title = "file"},
    {title = "licence"}}), "\n")
end

--- zoo.weights(name): the published sets of weights of an architecture, as a list: {name =, file =, url =, classes =, crop =,
-- resize =, interpolation =, mean =, std =, accuracy = (top 1, per cent), megabytes =, license =} each; it shows itself as a
-- table. The first is what pretrained = true means.
function zoo.weights(name)
  local sets = known(name).spec.weights or {}
  return ordered.list(table.move(sets, 1, #sets, 1, {}), sets_shown)
end

--- zoo.get(name[, set]): the path of the file of an architecture's published weights (the first set, or the one named),
-- fetched if it is not there: what `suture get NAME SET` does.
function zoo.get(name, set) return weights.get(name, weight_set(name, known(name).spec, set == nil or set)) end

--- zoo.recognise(shapes): from the names and shapes of a checkpoint's tensors, the architecture's name and the options
-- that make it, or nil.
function zoo.recognise(shapes)
  for _, family in ipairs(families) do
    local own = shapes
    if family.rename then
      own = {}
      for name, shape in pairs(shapes) do own[family.rename(name, shapes) or name] = shape end
    end
    local name, opts = family.recognise(own)
    if name then
      for k, v in pairs(family.settings and family.settings(shapes) or {}) do opts[k] = v end
      return name, opts
    end
  end
end

-- For open: the model that recognise named, for the numbers of a file; and the file's tensors (ordered) as that model's: renamed
-- and adapted where they must be.
zoo._make = make
function zoo._fitted(name, m, given) return fitted(name, variants[name].family, m, given) end

-- For files that say what a model is made of: whether there is such an architecture; the family that a class of blocks belongs
-- to, nil for other classes; and the class back from both names, nil when there is none.
function zoo.has(name) return variants[name] ~= nil end
function zoo._family_of(cls) return family_of[cls] end
function zoo._part(family, name) return parts[family] and parts[family][name] end

setmetatable(zoo, {__index = function(_, name)
  fault("zoo: no architecture '%s'%s", tostring(name), require("suture.base.suggest").hint(tostring(name), order))
end})

local embedded = require "suture.embedded"
for _, path in ipairs(embedded.list()) do
  local family = path:match "^lua/zoo/([%w_]+)%.lua$"
  if family and family ~= "init" then zoo._register(family, require("suture.zoo." .. family)) end
end

return zoo
