--- The random part of the way of a picture into a network: what a user may say in `augment`, and its form for the core.
-- In this order: random_resized_crop, or rotate and random_crop or crop_pad; flip; a policy (auto_augment,
-- rand_augment, trivial_augment); jitter; vflip, affine, sharpness, posterize, solarize, autocontrast, equalize,
-- invert, grayscale, blur; and behind the normalisation erasing. torchvision's transforms of these names, with its
-- defaults.
local adjust = require "suture.data.adjust"
local base = require "suture.base.options"
local fault = require "suture.base.fault"
local numbers = require "suture.data.numbers"
local suggest = require "suture.base.suggest"

local whole, within, range, shown = numbers.whole, numbers.within, numbers.range, base.show

local augment = {}

-- The options of one part: true for all defaults, a number for `main` of them, a table of names.
local function part(where, name, v, main, known)
  if v == true then return {} end
  if type(v) == "number" and main then return {[main] = v} end
  if type(v) ~= "table" then
    local names = {}
    for k in pairs(known) do names[#names + 1] = k .. " =" end
    table.sort(names)
    fault("%s: %s is true, %sor {%s}, got %s", where, name, main and "a number, " or "", table.concat(names, ", "),
      shown(v))
  end
  return base.check(where .. "." .. name, v, known)
end

local function probability(where, name, v, otherwise)
  if v == nil or v == true then return otherwise end
  return within(where, name, v, 0, 1)
end

-- The changes that are steps of their own, in the order they are made: {name, f(where, v) → {p, {lo …}, {hi …}}, name
-- in the core}.
local steps = {
  {"vflip", function(where, v) return {probability(where, "vflip", v, 0.5), {}, {}} end},
  {"affine", function(where, v)
    local a = part(where, "affine", v, "degrees", {degrees = true, translate = true, scale = true, shear = true,
      interpolation = true, p = true})
    local d = within(where, "affine.degrees", a.degrees or 0, 0, 180)
    local t = a.translate or 0
    if type(t) == "number" then t = {t, t} end
    if type(t) ~= "table" or #t ~= 2 then
      fault("%s: affine.translate is a part of the size, or two {x, y}, got %s", where, shown(a.translate))
    end
    for _, share in ipairs(t) do within(where, "affine.translate", share, 0, 1) end
    local lo, hi = range(where, "affine.scale", a.scale or {1, 1}, 1e-3, 1e3)
    local shear = a.shear or 0
    if type(shear) == "number" then shear = {shear, 0} end
    if type(shear) ~= "table" or #shear ~= 2 then
      fault("%s: affine.shear is a number of degrees, or two {x, y}, got %s", where, shown(a.shear))
    end
    for _, s in ipairs(shear) do within(where, "affine.shear", s, 0, 89) end
    local filter = ({nearest = 0, bilinear = 1})[a.interpolation or "nearest"] or
      fault('%s: affine.interpolation is "nearest" or "bilinear", got %s', where, shown(a.interpolation))
    return {probability(where, "affine.p", a.p, 1), {-d, -t[1], -t[2], lo, -shear[1], -shear[2], filter, 0},
      {d, t[1], t[2], hi, shear[1], shear[2], filter, 0}}
  end},
  {"sharpness", function(where, v)
    local a = part(where, "sharpness", v, "factor", {factor = true, p = true})
    local f = within(where, "sharpness.factor", a.factor or 2, 0, 100)
    return {probability(where, "sharpness.p", a.p, 0.5), {f}, {f}}
  end},
  {"posterize", function(where, v)
    local a = part(where, "posterize", v, "bits", {bits = true, p = true})
    local bits = within(where, "posterize.bits", whole(where, "posterize.bits", a.bits or 4, 0), 0, 8)
    return {probability(where, "posterize.p", a.p, 0.5), {bits}, {bits}}
  end},
  {"solarize", function(where, v)
    local a = part(where, "solarize", v, "threshold", {threshold = true, p = true})
    local at = 255 * within(where, "solarize.threshold", a.threshold or 0.5, 0, 1)
    return {probability(where, "solarize.p", a.p, 0.5), {at}, {at}}
  end},
  {"autocontrast", function(where, v) return {probability(where, "autocontrast", v, 0.5), {}, {}} end},
  {"equalize", function(where, v) return {probability(where, "equalize", v, 0.5), {}, {}} end},
  {"invert", function(where, v) return {probability(where, "invert", v, 0.5), {}, {}} end},
  {"grayscale", function(where, v) return {probability(where, "grayscale", v, 0.1), {}, {}} end},
  {"blur", function(where, v)
    local a = part(where, "blur", v, "kernel", {kernel = true, sigma = true, p = true})
    local k = whole(where, "blur.kernel", a.kernel or 3, 1)
    local lo, hi = range(where, "blur.sigma", type(a.sigma) == "number" and {a.sigma, a.sigma} or a.sigma or {0.1, 2},
      1e-3, 1e3)
    adjust.blur_of(where .. ", blur", {k, k}, hi)
    return {probability(where, "blur.p", a.p, 1), {k, k, lo, lo}, {k, k, hi, hi}}
  end, "gaussian_blur"},
}

local policies = {auto_augment = true, rand_augment = true, trivial_augment = true}

local known = {flip = true, crop_pad = true, random_crop = true, random_resized_crop = true, jitter = true,
  rotate = true, erasing = true}
for name in pairs(policies) do known[name] = true end
for _, step in ipairs(steps) do known[step[1]] = true end

local function policy(where, a, t)
  local one
  for name in pairs(policies) do
    if a[name] then
      if one then fault("%s: %s and %s exclude each other", where, one, name) end
      one = name
    end
  end
  if not one then return end
  local v = a[one]
  if one == "auto_augment" then
    v = v == true and "imagenet" or v
    local names = {imagenet = true, cifar10 = true, svhn = true}
    if not names[v] then
      fault('%s: auto_augment is "imagenet", "cifar10" or "svhn", got %s%s', where, shown(v),
        suggest.hint(tostring(v), names))
    end
    t.policy = v
    return
  end
  local o = part(where, one, v, nil, one == "rand_augment" and {num_ops = true, magnitude = true,
    num_magnitude_bins = true} or {num_magnitude_bins = true})
  t.policy = one == "rand_augment" and "rand" or "trivial"
  t.policy_bins = whole(where, one .. ".num_magnitude_bins", o.num_magnitude_bins or 31, 2)
  t.policy_ops = whole(where, one .. ".num_ops", o.num_ops or 2, 1)
  t.policy_magnitude = whole(where, one .. ".magnitude", o.magnitude or 9, 0)
  if t.policy == "rand" and t.policy_magnitude >= t.policy_bins then
    fault("%s: rand_augment.magnitude is below num_magnitude_bins = %d, got %d", where, t.policy_bins,
      t.policy_magnitude)
  end
end

local function resized_crop(where, r, t)
  if r == true then r = {} end
  if type(r) ~= "table" then
    fault("%s: random_resized_crop is true or {scale = {lo, hi}, ratio = {lo, hi}}, got %s", where, shown(r))
  end
  base.check(where .. ".random_resized_crop", r, {scale = true, ratio = true})
  for name, v in pairs(r) do t[name .. "_lo"], t[name .. "_hi"] = range(where, name, v, 1e-3, 1e3) end
  if not (t.crop_h or t.resize_w) then
    fault(where .. ": random_resized_crop needs to know the size of its results · give size or crop")
  end
  t.random_resized = true
end

local function jitter(where, j, t)
  if type(j) == "number" then j = {brightness = j, contrast = j, saturation = j} end
  if type(j) ~= "table" then
    fault("%s: jitter is a number or {brightness =, contrast =, saturation =, hue =}, got %s", where, shown(j))
  end
  base.check(where .. ".jitter", j, {brightness = true, contrast = true, saturation = true, hue = true})
  for name, v in pairs(j) do t[name] = within(where, name, v, 0, name == "hue" and 0.5 or 100) end
end

local function erasing(where, v, t)
  local a = part(where, "erasing", v, "p", {p = true, scale = true, ratio = true, value = true})
  t.erase = within(where, "erasing.p", a.p or 0.5, 0, 1)
  if a.scale then t.erase_scale_lo, t.erase_scale_hi = range(where, "erasing.scale", a.scale, 0, 1) end
  if a.ratio then t.erase_ratio_lo, t.erase_ratio_hi = range(where, "erasing.ratio", a.ratio, 1e-3, 1e3) end
  if a.value then t.erase_value = within(where, "erasing.value", a.value, -1e6, 1e6) end
end

--- augment.read(where, a, t, usual): what `augment = a` says, into the core's transform t; usual: what true means.
function augment.read(where, a, t, usual)
  if a == nil or a == false then return end
  if a == true then a = usual or {flip = true} end
  where = where .. ", augment"
  base.check(where, a, known)
  if a.flip then t.flip = a.flip == true and 0.5 or within(where, "flip", a.flip, 0, 1) end
  if a.random_crop then t.random_crop = true end
  if a.crop_pad then
    t.random_crop = true
    t.pad = whole(where, "crop_pad", a.crop_pad, 0)
  end
  if a.random_resized_crop then resized_crop(where, a.random_resized_crop, t) end
  if a.jitter then jitter(where, a.jitter, t) end
  if a.rotate then t.rotate = within(where, "rotate", a.rotate, 0, 180) end
  policy(where, a, t)
  for _, step in ipairs(steps) do
    if a[step[1]] then
      local one = step[2](where, a[step[1]])
      t.steps = t.steps or {}
      t.steps[#t.steps + 1] = {step[3] or step[1], one[1], one[2], one[3]}
    end
  end
  if a.erasing then erasing(where, a.erasing, t) end
end

--- augment.words(t): the random parts of a transform, a list of words.
function augment.words(t)
  local random = {}
  if t.random_resized then random[#random + 1] = "resized crop" end
  if t.random_crop then random[#random + 1] = "crop" .. (t.pad and t.pad > 0 and " of " .. t.pad .. " wider" or "") end
  if t.flip then random[#random + 1] = "flip" end
  if t.policy then
    random[#random + 1] = ({rand = "RandAugment", trivial = "TrivialAugment"})[t.policy] or "AutoAugment " .. t.policy
  end
  if t.brightness or t.contrast or t.saturation or t.hue then random[#random + 1] = "jitter" end
  if t.rotate then random[#random + 1] = "rotation" end
  for _, step in ipairs(t.steps or {}) do random[#random + 1] = (step[1]:gsub("_", " ")) end
  if t.erase then random[#random + 1] = "erasing" end
  return random
end

--- augment.is_random(t): true when two passes over the same picture may differ.
function augment.is_random(t)
  for _, name in ipairs {"flip", "brightness", "contrast", "saturation", "hue", "rotate", "erase"} do
    if t[name] and t[name] > 0 then return true end
  end
  return t.random_crop or t.random_resized or t.policy ~= nil or t.steps ~= nil
end

return augment
