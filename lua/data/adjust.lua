--- Changes of a picture, each a function of `image`: what torchvision.transforms.functional does to a PIL image, in 8
-- bits.
-- x is a tensor (H, W), (C, H, W) or (1, C, H, W) of values from 0 to 1, or the path of a file; the result is a new
-- tensor.
local core = require "suture.core"
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local options = require "suture.base.options"

local adjust = {}

-- Declares image.<name>(x, …): signature, how its options become the core's numbers, its help.
local function declare(name, text, numbers, about, core_name)
  local read = options.signature("image." .. name, text)
  adjust[name] = function(x, ...)
    if type(x) ~= "string" and not core.tensor.is(x) then
      fault("image.%s expects a picture: a tensor or the path of a file, got %s", name, options.show(x))
    end
    local o = read(...)
    return core.image.adjust(x, core_name or name, numbers and numbers(o, x) or {})
  end
  docs[adjust[name]] = ("image.%s(x%s): %s"):format(name, text == "" and "" or ", " .. options.usage(text), about)
end

local function only(option) return function(o) return {o[option]} end end

declare("adjust_brightness", "factor:rate", only "factor", "times factor; 0 is black, 1 as it is.", "brightness")
declare("adjust_contrast", "factor:rate", only "factor", "away from its mean grey by factor; 0 is grey, 1 as it is.",
  "contrast")
declare("adjust_saturation", "factor:rate", only "factor", "away from its grey by factor; 0 is grey, 1 as it is.",
  "saturation")
declare("adjust_hue", "shift:num", function(o)
  if not (o.shift >= -0.5 and o.shift <= 0.5) then
    fault("image.adjust_hue: shift expects a number from -0.5 to 0.5, got %s", options.show(o.shift))
  end
  return {o.shift}
end, "its hues moved around their circle by shift, -0.5 to 0.5.", "hue")
declare("adjust_sharpness", "factor:rate", only "factor",
  "away from its smoothed form by factor; 0 is smooth, 1 as it is, 2 sharp.", "sharpness")
declare("rgb_to_grayscale", "", nil, "its grey (ITU-R 601), in as many channels as it has.", "grayscale")
declare("invert", "", nil, "1 - x.")
declare("autocontrast", "", nil, "each channel stretched from its least and greatest value to 0 and 1.")
declare("equalize", "", nil, "each channel's values spread so that they are about equally many.")
declare("posterize", "bits:natural", function(o)
  if o.bits > 8 then fault("image.posterize: bits expects 0 to 8, got %d", o.bits) end
  return {o.bits}
end, "only the highest bits of each value, 0 to 8.")
declare("solarize", "threshold:rate", function(o) return {o.threshold * 255} end,
  "values of threshold (0 to 1) and above inverted.")
declare("hflip", "", nil, "left and right exchanged.")
declare("vflip", "", nil, "top and bottom exchanged.")

-- A kernel's side, odd.
local function odd(what, n)
  if n % 2 == 0 then fault("%s: kernel_size expects an odd number, got %d", what, n) end
  return n
end

--- The numbers of a Gaussian blur: kernel_size a number or {h, w}, odd; sigma a number or {h, w}, by default
-- 0.3 ((k - 1) / 2 - 1) + 0.8, as torchvision's.
function adjust.blur_of(what, kernel, sigma)
  local kh, kw = odd(what, kernel[1]), odd(what, kernel[2])
  local sh, sw = sigma, sigma
  if type(sigma) == "table" then sh, sw = sigma[1], sigma[2] end
  sh, sw = sh or 0.3 * ((kh - 1) * 0.5 - 1) + 0.8, sw or 0.3 * ((kw - 1) * 0.5 - 1) + 0.8
  if type(sh) ~= "number" or type(sw) ~= "number" or not (sh > 0 and sw > 0) then
    fault("%s: sigma expects a number above 0 or two {h, w}, got %s", what, options.show(sigma))
  end
  return {kh, kw, sh, sw}
end

declare("gaussian_blur", "kernel_size:pair sigma:any=nil",
  function(o) return adjust.blur_of("image.gaussian_blur", o.kernel_size, o.sigma) end,
  "blurred by a Gaussian of kernel_size (odd, a number or {h, w}) and sigma; the border is mirrored.")

local filters = {nearest = 0, bilinear = 1}

-- 0 to 1 → 0 to 255
local function fill(o) return math.floor(o.fill * 255 + 0.5) end

--- A number, or two {x, y} → both.
function adjust.two(what, name, v)
  if type(v) == "number" then return v, 0 end
  if type(v) == "table" and type(v[1]) == "number" and type(v[2]) == "number" and #v == 2 then return v[1], v[2] end
  fault("%s: %s expects a number or two {x, y}, got %s", what, name, options.show(v))
end

declare("affine", [[angle:num=0 translate:any=0 scale:positive=1 shear:any=0 interpolation:nearest|bilinear=nearest
    fill:prob=0]], function(o)
  local dx, dy = adjust.two("image.affine", "translate", o.translate)
  local sx, sy = adjust.two("image.affine", "shear", o.shear)
  return {o.angle, dx, dy, o.scale, sx, sy, filters[o.interpolation], fill(o)}
end, "turned clockwise by angle, scaled and sheared (degrees, a number or {x, y}) about its centre, moved by " ..
  "translate {x, y} in pixels; fill (0 to 1) where nothing comes from.")

declare("rotate", "angle:num interpolation:nearest|bilinear=nearest fill:prob=0",
  function(o) return {o.angle, filters[o.interpolation], fill(o)} end,
  "turned counter-clockwise by angle, in degrees, about its centre, in the same size.")

local modes = {constant = 0, edge = 1, reflect = 2, symmetric = 3}

--- A padding: a number, {x, y} or {left, top, right, bottom} → left, top, right, bottom.
function adjust.sides(what, padding)
  local p = padding
  if type(p) == "number" then p = {p} end
  if type(p) ~= "table" or #p == 0 or #p == 3 or #p > 4 then p = {false} end
  local l, t, r, b = p[1], p[2] or p[1], p[3] or p[1], p[4] or p[2] or p[1]
  for _, n in ipairs {l, t, r, b} do
    if math.type(n) ~= "integer" or n < 0 or n > 1 << 24 then
      fault("%s: padding expects a whole number, {x, y} or {left, top, right, bottom}, got %s", what,
        options.show(padding))
    end
  end
  return l, t, r, b
end

declare("pad", "padding:any fill:prob=0 mode:constant|edge|reflect|symmetric=constant", function(o)
  local l, t, r, b = adjust.sides("image.pad", o.padding)
  return {l, t, r, b, modes[o.mode], fill(o)}
end, "with a border: a number, {x, y} or {left, top, right, bottom} pixels of fill, its edge, or mirrored.")

declare("crop", "top:int left:int height:count width:count", function(o) return {o.top, o.left, o.height, o.width} end,
  "the rectangle at (top, left); what lies outside is black.")

declare("center_crop", "size:pair", function(o) return {o.size[1], o.size[2]} end,
  "its middle, of size n or {h, w}; what lies outside is black.")

return adjust
