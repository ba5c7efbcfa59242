--- A model of the zoo from its name and options: what is given, what the published weights say, what the family says.
local catalogue = require "suture.zoo.common.catalogue"
local fault = require "suture.base.fault"
local fit = require "suture.zoo.common.fit"
local init = require "suture.nn.initialize"
local note = require "suture.base.note"
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local weights = require "suture.zoo.common.weights"

local make = {}

-- What every family takes, and what its build gets of that.
local common = {pretrained = true, weights = true, num_classes = true, in_chans = true}
local SIGNATURE = "num_classes:count in_chans:count "

--- make.set(name, spec, wanted): the published set of weights that `wanted` means: true (the first) or a set's name.
function make.set(name, spec, wanted)
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

-- The published set that a file is, by its name; nil for other files.
local function set_of(spec, path)
  local file = path:match "[^/]*$"
  for _, set in ipairs(spec.weights or {}) do
    for _, known in ipairs {set.file, table.unpack(set.also or {})} do if known == file then return set end end
  end
end

--- make.takes(family, option): whether models of the family have such an option of their own.
function make.takes(family, option)
  return (" " .. (family.options or "")):find(" " .. option .. ":", 1, true) ~= nil
end

local function count(name, key, v, default)
  if v == nil then return default end
  local n = math.tointeger(v)
  if not n or n < 1 then fault("%s: %s expects a whole number above 0, got %s", name, key, options.show(v)) end
  return n
end

local function check(name, family, opts)
  if opts ~= nil and type(opts) ~= "table" then
    fault("%s: expects options in a table, as zoo.%s{pretrained = true}, got %s", name, name, type(opts))
  end
  local known = {}
  for k in pairs(common) do known[k] = true end
  for k in (family.options or ""):gmatch "([%w_]+):" do known[k] = true end
  options.check("zoo." .. name, opts or {}, known)
end

--- make.plan(name, opts[, path]): what a model is to be, before it is: {name =, family =, spec =, args = (the options
-- that build reads), path = (the file that its numbers come from, none: nil), set = (whose preprocessing and classes it
-- has), published = (whether that file is one of the published sets), size =, usual = (pixels of its pictures' sides,
-- and of those of the set)}. path: a file that somebody else loads. It may fetch published weights.
function make.plan(name, opts, path)
  local family, spec = catalogue.find(name)
  check(name, family, opts)
  opts = opts or {}
  if opts.weights then
    path = opts.weights
    if type(path) ~= "string" then fault("%s: weights expects a path, got %s", name, options.show(path)) end
  end
  local published = opts.pretrained and make.set(name, spec, opts.pretrained) or set_of(spec, path or "")
  local set = published or (spec.weights or {})[1]
  local args = {}
  for k, v in pairs(opts) do if not common[k] then args[k] = v end end
  args.num_classes = count(name, "num_classes", opts.num_classes, set and set.classes or family.classes)
  args.in_chans = count(name, "in_chans", opts.in_chans, 3)
  local usual = set and set.crop or family.size
  local size = usual
  if make.takes(family, "image_size") then
    size = count(name, "image_size", opts.image_size, published and usual or family.size)
    args.image_size = size
  end
  if opts.pretrained then path = path or weights.get(name, set) end
  return {name = name, family = family, spec = spec, args = args, path = path, set = set,
    published = published ~= nil, size = size, usual = usual}
end

--- make.told(family, spec, given): the family's own options that the names and shapes of a file tell. given: its
-- tensors or shapes, by the family's names.
function make.told(family, spec, given)
  return family.options_from and family.options_from(given, spec) or {}
end

--- make.believe(plan, given): what a file's tensors (or shapes, by its own names) tell of options that are not given,
-- and what must be assumed as the published weights want it. → the options that are assumed where the file cannot tell,
-- in order of their names
function make.believe(plan, given)
  local args, assumed, told = plan.args, {}, nil
  for k, v in pairs(plan.family.settings and plan.family.settings(given) or {}) do
    if args[k] == nil then args[k] = v end
  end
  for k, v in pairs(plan.set and plan.set.options or {}) do
    if args[k] == nil then
      args[k] = v
      told = told or make.told(plan.family, plan.spec, fit.shapes(plan.family, given))
      if told[k] == nil and not plan.published then assumed[#assumed + 1] = k end
    end
  end
  table.sort(assumed)
  return assumed
end

--- make.say_assumed(plan, assumed): the note on what make.believe assumed.
function make.say_assumed(plan, assumed)
  local is, otherwise = {}, {}
  for i, k in ipairs(assumed) do
    local v = plan.args[k]
    is[i] = ("%s = %s"):format(k, options.show(v))
    otherwise[i] = type(v) == "boolean" and ("%s = %s"):format(k, not v) or k .. " = …"
  end
  if #is == 0 then return end
  local text = "%s: the file does not say, so %s, as the published weights want · otherwise zoo.%s{weights = %s, %s}"
  note.remark(text:format(plan.name, table.concat(is, ", "), plan.name, options.show(plan.path),
    table.concat(otherwise, ", ")))
end

--- make.options(name): the options of an architecture, as a signature.
function make.options(name)
  local family = catalogue.find(name)
  return "pretrained:any=false weights:str=nil num_classes:count=nil in_chans:count=3 " .. (family.options or "")
end

--- make.build(plan): the network itself.
function make.build(plan)
  raw.press()
  local read = options.named(plan.name, SIGNATURE .. (plan.family.options or ""))
  return plan.family.build(plan.spec, read(plan.args))
end

--- make.dress(m, plan): a network with all that models of the zoo say of themselves.
function make.dress(m, plan)
  local args, set, size = plan.args, plan.set, plan.size
  rawset(m, "_zoo", {name = plan.name, opts = args})
  m.input_shape = setmetatable({1, args.in_chans, size, size}, raw.shape_metatable())
  if args.in_chans == 3 then
    local resize, family = set and set.resize, plan.family
    m.preprocess = {resize = resize and resize * size // plan.usual, crop = resize and size,
      mean = set and set.mean or family.mean, std = set and set.std or family.std,
      interpolation = set and set.interpolation or "bilinear"}
  end
  local names = set and args.num_classes == set.classes and set.class_names
  if names then m.classes = {table.unpack(type(names) == "function" and names() or names)} end
  return m
end

--- make.model(name, opts): what zoo.NAME(opts) gives.
function make.model(name, opts)
  local plan = make.plan(name, opts)
  if not plan.path then return make.dress(make.build(plan), plan) end
  local tensors = require("suture.model.checkpoint").open(plan.path, {state = true})
  local assumed = make.believe(plan, tensors)
  local m = init.skip(make.build, plan)
  fit.load(name, plan.family, m, tensors)
  make.say_assumed(plan, assumed)
  return make.dress(m, plan)
end

return make
