--- zoo: published architectures by name. zoo.resnet18{pretrained = true}; zoo.list("resnet*") names them.
-- One family per file, lua/zoo/<family>.lua, which returns {variants = {name = spec}, parts = {classes it is made of}, build = f,
-- recognise = f}. A spec
-- has `weights`, the published sets: {name =, file = (hash in the name), url =, classes =, resize =, crop =, mean =, std =,
-- interpolation =, license =, also = {older file names}}; the first is what pretrained = true means.
local core = require "suture.core"
local fault = require "suture.fault"
local glob = require "suture.nn.glob"
local init = require "suture.nn.init"
local note = require "suture.note"
local options = require "suture.options"
local ordered = require "suture.ordered"
local raw = core.tensor

local zoo = {}
local families = {}  -- in order of registration
local variants = {}  -- name → {family =, spec =}
local order = {}
local parts = {}     -- family's name → its classes by name
local family_of = setmetatable({}, {__mode = "k"}) -- class → family's name

-- ---- weights on disk ----

local function folders()
  local home = os.getenv "HOME" or "."
  local cache = os.getenv "XDG_CACHE_HOME" or home .. "/.cache"
  local list = {}
  local mine = os.getenv "SUTURE_WEIGHTS"
  if mine and mine ~= "" then list[1] = mine end
  list[#list + 1] = cache .. "/suture"
  list[#list + 1] = (os.getenv "TORCH_HOME" or cache .. "/torch") .. "/hub/checkpoints"
  return list
end

-- The path of a published set of weights, or an error that says what is looked for and where.
local function find_weights(name, set)
  local tried = folders()
  for _, folder in ipairs(tried) do
    for _, file in ipairs {set.file, table.unpack(set.also or {})} do
      local path = folder .. "/" .. file
      local f = io.open(path, "rb")
      if f then
        f:close()
        return path
      end
    end
  end
  fault("%s: no file %s in %s · get it from %s and put it into %s (or name a file: weights = PATH)", name, set.file,
    table.concat(tried, ", "), set.url, tried[1])
end

local function weight_set(name, spec, wanted)
  local sets = spec.weights or {}
  if #sets == 0 then fault("%s: there are no published weights", name) end
  if wanted == true then return sets[1] end
  local names = {}
  for i, set in ipairs(sets) do
    if set.name == wanted then return set end
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

-- Copies published tensors into m: a head of another size stays as it was made, the first layer is adapted.
local function load_weights(name, m, family, path)
  local sd = require("suture.checkpoint").open(path, {state = true})
  local mine = m:state_dict()
  local stem, head = family.stem .. ".weight", family.head
  local given = sd[stem]
  if given and mine[stem] and #given.shape == 4 and given.shape[2] ~= mine[stem].shape[2] then
    sd[stem] = adapt_input(given, mine[stem].shape[2])
    note(("%s: %s adapted from %d to %d input channels"):format(name, family.stem, given.shape[2], mine[stem].shape[2]))
  end
  local fresh = false
  local w = sd[head .. ".weight"]
  if w and mine[head .. ".weight"] and w.shape ~= mine[head .. ".weight"].shape then
    note(("%s: the head %s is new, for %d classes (the weights have %d)"):format(name, head, mine[head .. ".weight"].shape[1], w.shape[1]))
    for _, part in ipairs {"weight", "bias"} do
      if sd[head .. "." .. part] then sd[head .. "." .. part] = mine[head .. "." .. part] end
    end
    fresh = true
  end
  m:load_state_dict(sd)
  return fresh
end

-- ---- models ----

local common = {pretrained = true, weights = true, num_classes = true, in_chans = true}

local function count(name, key, v, default)
  if v == nil then return default end
  local n = math.tointeger(v)
  if not n or n < 1 then fault("%s: %s expects a whole number above 0, got %s", name, key, options.show(v)) end
  return n
end

local function make(name, opts)
  local entry = variants[name]
  local family, spec = entry.family, entry.spec
  if opts ~= nil and type(opts) ~= "table" then fault("%s: expects options in a table, as zoo.%s{pretrained = true}, got %s", name, name, type(opts)) end
  opts = opts or {}
  local known = {}
  for k in pairs(common) do known[k] = true end
  for k in pairs(family.options or {}) do known[k] = true end
  options.check("zoo." .. name, opts, known)
  local set = spec.weights and spec.weights[1]
  local path
  if opts.weights ~= nil and opts.weights ~= false then
    if type(opts.weights) ~= "string" then fault("%s: weights expects a path, got %s", name, options.show(opts.weights)) end
    path = opts.weights
  end
  if opts.pretrained then
    set = weight_set(name, spec, opts.pretrained)
    path = path or find_weights(name, set)
  end
  local classes = set and set.classes or family.classes
  local args = {}
  for k, v in pairs(opts) do if not common[k] then args[k] = v end end
  args.num_classes = count(name, "num_classes", opts.num_classes, classes)
  args.in_chans = count(name, "in_chans", opts.in_chans, 3)
  local m
  if path then
    m = init.skip(function() return family.build(spec, args) end)
    local head = m:at(family.head)
    if args.num_classes ~= classes then head:reset_parameters() end
    if load_weights(name, m, family, path) and args.num_classes == classes then head:reset_parameters() end
  else
    m = family.build(spec, args)
  end
  local made = {num_classes = args.num_classes, in_chans = args.in_chans}
  for k, v in pairs(args) do made[k] = v end
  rawset(m, "_zoo", {name = name, opts = made})
  local size = set and set.crop or family.size
  m.input_shape = setmetatable({1, args.in_chans, size, size}, raw.shape_metatable())
  if args.in_chans == 3 then
    m.preprocess = {resize = set and set.resize, crop = set and set.resize and set.crop, mean = set and set.mean or family.mean,
      std = set and set.std or family.std, interpolation = set and set.interpolation or "bilinear"}
  end
  if set and set.class_names and args.num_classes == set.classes then m.classes = {table.unpack(set.class_names)} end
  return m
end

-- Registers a family of models.
local function register(name_of_family, family)
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
    -- pretrained = true: the published weights, looked for in $SUTURE_WEIGHTS, ~/.cache/suture and
    -- ~/.cache/torch/hub/checkpoints (or the name of a set, as "IMAGENET1K_V2"). weights = PATH: those of a file.
    -- num_classes: other than the weights' makes a new head. in_chans: input channels (3); the first layer is adapted.
    -- ResNets for ImageNet: zero_init_residual. The model knows m.preprocess, m.input_shape, m.classes where published.
    zoo[name] = function(opts) return make(name, opts) end
  end
end

--- zoo.list([glob]): the names of the architectures, as a list; zoo.list("*18").
function zoo.list(pattern)
  local match = pattern ~= nil and glob(pattern, "zoo.list")
  local out = {}
  for _, name in ipairs(order) do if not match or match(name) then out[#out + 1] = name end end
  return ordered.list(out)
end

--- zoo.weights(name): the published sets of weights of an architecture: {{name =, file =, url =, classes =, …} …}.
function zoo.weights(name)
  local entry = variants[name]
  if not entry then fault("zoo: no architecture '%s'%s", tostring(name), require("suture.suggest").hint(tostring(name), order)) end
  return entry.spec.weights or {}
end

--- zoo.recognise(shapes): from the names and shapes of a checkpoint's tensors, the architecture's name and the options
-- that make it, or nil.
function zoo.recognise(shapes)
  for _, family in ipairs(families) do
    local name, opts = family.recognise(shapes)
    if name then return name, opts end
  end
end

-- For files that say what a model is made of: whether there is such an architecture; the family that a class of blocks belongs
-- to, nil for other classes; and the class back from both names, nil when there is none.
function zoo.has(name) return variants[name] ~= nil end
function zoo._family_of(cls) return family_of[cls] end
function zoo._part(family, name) return parts[family] and parts[family][name] end

setmetatable(zoo, {__index = function(_, name)
  fault("zoo: no architecture '%s'%s", tostring(name), require("suture.suggest").hint(tostring(name), order))
end})

local embedded = require "suture.embedded"
for _, path in ipairs(embedded.list()) do
  local family = path:match "^lua/zoo/([%w_]+)%.lua$"
  if family then register(family, require("suture.zoo." .. family)) end
end

return zoo
