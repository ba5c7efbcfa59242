-- What a user may say about the way of a picture into a network, checked, and its form for the core.
local augment = require "suture.data.augment"
local base = require "suture.base.options"
local core = require "suture.core"
local fault = require "suture.base.fault"
local numbers = require "suture.data.numbers"
local note = require "suture.base.note"
local pcall = require("suture.base.interrupt").pcall
local suggest = require "suture.base.suggest"

local options = {}

--- The name among `names` that is meant by `word`: " · did you mean 'resize'?" or, when none is near, the list of all.
function options.meant(word, names)
  table.sort(names)
  local near = suggest.nearest(tostring(word), names)
  return near and (" · did you mean '%s'?"):format(near) or " · there are: " .. table.concat(names, ", ")
end

options.check, options.shown = base.check, base.show
local shown = options.shown

local KEPT_MB = 1024 -- what keep = true allows

local whole, within = numbers.whole, numbers.within
options.whole = whole

-- n or {h, w}: both.
local function size_of(where, name, v)
  if type(v) == "number" then
    local n = whole(where, name, v, 1)
    return n, n
  end
  if type(v) ~= "table" or #v ~= 2 then fault("%s: %s is a number or {height, width}, got %s", where, name,
    shown(v)) end
  return whole(where, name .. "[1]", v[1], 1), whole(where, name .. "[2]", v[2], 1)
end

-- A number or an array of one or three: an array.
local function per_channel(where, name, v)
  if type(v) == "number" then v = {v} end
  if type(v) ~= "table" or (#v ~= 1 and #v ~= 3) then
    fault("%s: %s is a number or one number for each of the 3 channels, got %s", where, name, shown(v))
  end
  local copy = {}
  for i, x in ipairs(v) do copy[i] = within(where, name, x, name == "std" and 1e-12 or -1e6, 1e6) end
  return copy
end

local filters = {nearest = true, box = true, bilinear = true, bicubic = true, lanczos = true}
local preprocessing = {"resize", "crop", "mean", "std", "interpolation", "channels", "exif"}

--- The names that every picture dataset takes, with their defaults as text.
options.picture = {
  size = "nil", resize = "nil", crop = "nil", mean = "nil", std = "nil", interpolation = "bilinear", augment = "false",
  transform = "nil", channels = "nil", exif = "true", draft = "false", keep = "false",
}

-- What belongs to a model's weights: m.preprocess, a table or a method that gives one. A plain table is taken as it is.
local function belonging(where, m)
  local kind = type(m)
  if kind ~= "table" and kind ~= "userdata" then
    fault("%s: transform is a model or a table {resize =, crop =, mean =, std =, interpolation =}, got %s", where,
      shown(m))
  end
  local ok, p = pcall(function() return m.preprocess end)
  if ok and type(p) == "function" then p = p(m) end
  local names = {size = true}
  for _, name in ipairs(preprocessing) do names[name] = true end
  if ok and type(p) == "table" then
    options.check(where .. ", m.preprocess", p, names)
    return p
  end
  if kind == "table" and not getmetatable(m) then
    options.check(where .. ", transform", m, names)
    return m
  end
  fault("%s: this model carries no preprocessing (its weights came without) · give resize, crop, mean, std yourself",
    where)
end

-- size = n, which is short for two others, in `given`: into `say`.
local function sized(where, say, given)
  local size = given.size
  if size == nil then return end
  if given.resize ~= nil or given.crop ~= nil then
    fault(where .. ": size = n is short for resize = n with crop = n; give one or the other")
  end
  size_of(where, "size", size)
  say.resize, say.crop = size, type(size) == "number" and size or nil
end

--- Options as a user writes them → {say = the options with all of the model's filled in, core = the core's transform}.
-- `usual` is what augment = true means for this dataset.
function options.read(where, given, usual)
  local say = {}
  if given.transform ~= nil then
    local p = belonging(where, given.transform)
    for _, name in ipairs(preprocessing) do say[name] = p[name] end
    sized(where, say, p)
  end
  for name in pairs(options.picture) do
    if name ~= "transform" and name ~= "size" and given[name] ~= nil then say[name] = given[name] end
  end
  sized(where, say, given)

  local t = {}
  if say.resize then
    local h, w = size_of(where, "resize", say.resize)
    t.resize_h = h
    if type(say.resize) == "table" then t.resize_w = w end
  end
  if say.crop then t.crop_h, t.crop_w = size_of(where, "crop", say.crop) end
  t.filter = say.interpolation or options.picture.interpolation
  if not filters[t.filter] then
    local names = {}
    for k in pairs(filters) do names[#names + 1] = k end
    fault("%s: unknown interpolation %s%s", where, shown(t.filter), options.meant(t.filter, names))
  end
  if say.mean or say.std then
    t.mean, t.std = per_channel(where, "mean", say.mean or 0), per_channel(where, "std", say.std or 1)
    local n = math.max(#t.mean, #t.std)
    for name, v in pairs {mean = t.mean, std = t.std} do
      for i = #v + 1, n do v[i] = v[1] end
      if math.max(table.unpack(v)) > 1 then
        note.once(where .. name, ("%s: %s is %g, but the values are in 0 … 1 before · divide it by 255 if it is of " ..
          "bytes"):format(where, name, math.max(table.unpack(v))))
      end
    end
  end
  if say.channels then
    t.channels = whole(where, "channels", say.channels, 1)
    if t.channels ~= 1 and t.channels ~= 3 then fault("%s: channels is 1 (grey) or 3 (colour), got %d", where,
      t.channels) end
  end
  if say.exif == false then t.as_stored = true end
  if say.draft then t.draft = true end
  if say.keep == true then t.keep = KEPT_MB * 1e6
  elseif say.keep then t.keep = math.floor(within(where, "keep", say.keep, 0, 1e9) * 1e6) end
  augment.read(where, say.augment, t, usual)
  return {say = say, core = t}
end

--- What options.read gave without the random part, as a table of options: what belongs to a model trained with it.
function options.preprocessing(view)
  local out = {}
  for _, name in ipairs(preprocessing) do
    local v = view.say[name]
    out[name] = type(v) == "table" and table.move(v, 1, #v, 1, {}) or v
  end
  out.channels = view.core.channels
  return out
end

local function text(v)
  if type(v) ~= "table" then return tostring(v) end
  local parts = {}
  for i, x in ipairs(v) do parts[i] = ("%g"):format(x) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- A transform in words: "resize 256 · crop 224 · normalise · random flip".
function options.words(o)
  local say, t, parts = o.say, o.core, {}
  if t.channels then parts[#parts + 1] = t.channels == 1 and "to grey" or "to colour" end
  if t.draft then parts[#parts + 1] = "draft" end
  if say.resize then
    parts[#parts + 1] = "resize " .. text(say.resize) .. (t.filter ~= "bilinear" and " " .. t.filter or "")
  end
  if say.crop then parts[#parts + 1] = "crop " .. text(say.crop) end
  if t.mean then parts[#parts + 1] = "normalise" end
  local random = augment.words(t)
  if #random > 0 then parts[#parts + 1] = "random " .. table.concat(random, ", ") end
  if t.keep then parts[#parts + 1] = "kept" end
  return #parts > 0 and table.concat(parts, " · ") or "as they are"
end

--- A table of preprocessing options in words, with the numbers: equal for equal ways.
function options.way(p)
  local parts = {}
  for _, name in ipairs(preprocessing) do
    local v = p[name]
    if name == "interpolation" and v == "bilinear" then v = nil end
    if (name == "mean" or name == "std") and type(v) == "table" and v[1] == v[2] and v[1] == v[3] then v = v[1] end
    if v ~= nil then parts[#parts + 1] = ("%s %s"):format(name, text(v)) end
  end
  return #parts > 0 and table.concat(parts, " · ") or "pictures as they are"
end

--- True when two passes over the same picture may differ.
function options.random(t) return augment.is_random(t) end

local fixed = {"as_stored", "channels", "crop_h", "crop_w", "draft", "filter", "mean", "resize_h", "resize_w", "std"}

--- A transform as one string, equal for equal transforms: of the part that is not random.
function options.key(t)
  local names = {}
  for _, name in ipairs(fixed) do
    if t[name] ~= nil then names[#names + 1] = name end
  end
  for i, name in ipairs(names) do
    local v = t[name]
    names[i] = name .. "=" .. (type(v) == "table" and table.concat(v, ",") or tostring(v))
  end
  return table.concat(names, " ")
end

--- True when the results are small enough for the calling thread to make them in passing.
function options.small(t, samples_in_memory)
  return samples_in_memory and (t.crop_h or t.resize_h or 32) <= 64
end

--- The option seed, a whole number; `otherwise` where it is not given.
function options.seed(where, opts, otherwise)
  if opts.seed == nil then return otherwise end
  local seed = math.tointeger(opts.seed)
  if type(opts.seed) ~= "number" or not seed then fault("%s: seed is a whole number, got %s", where,
    shown(opts.seed)) end
  return seed
end

options.cores = core.image.cores
return options
