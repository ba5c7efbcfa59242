--- Pictures as tensors: (3, H, W), values from 0 to 1.
require "suture.tensor"
local adjust = require "suture.data.adjust"
local base = require "suture.base.options"
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"

local image = {}

local loading = base.known("image.load", {exif = options.picture.exif})
local saving = base.known("image.save", {quality = "95"})
local resizing = base.known("image.resize", {interpolation = options.picture.interpolation})

--- Reads a PNG or JPEG file (known by its content) as a colour tensor (3, H, W) of values from 0 to 1.
-- Grey, palette, 16-bit and CMYK files become what PIL's `Image.open(path).convert("RGB")` makes of them. Photographs
-- are turned upright by their EXIF orientation; `{exif = false}` leaves them as they are stored.
function image.load(path, opts)
  if type(path) ~= "string" then fault("image.load expects a path, got %s", options.shown(path)) end
  opts = opts or {}
  options.check("image.load", opts, loading)
  local x, remarks = core.image.read(path, opts.exif == false)
  source.tell(path, remarks)
  return x
end

--- The limit for files of pictures, in pixels (Pillow's MAX_IMAGE_PIXELS, 89478485); image.max_pixels(n) sets it.
-- Of a picture that claims more pixels a line is told, and one that claims more than twice as many is refused: a file
-- of some bytes can claim gigabytes. `n` goes up to 357913941.
function image.max_pixels(n)
  if n == nil then return core.image.max_pixels() end
  n = options.whole("image.max_pixels", "n", n, 1)
  if n > 357913941 then fault("image.max_pixels: at most 357913941 pixels, got %s", options.shown(n)) end
  return core.image.max_pixels(n)
end

--- Writes a tensor (H, W), (1, H, W), (3, H, W) or (1, 3, H, W) as a PNG file, or as JPEG when the name ends in .jpg.
-- Values are clipped to 0 … 1. Option `quality` (1 to 100, default 95) for JPEG. The file is whole or not there at all.
function image.save(x, path, opts)
  if type(x) == "string" and type(path) == "userdata" then x, path = path, x end
  if type(path) ~= "string" then fault("image.save expects a tensor and a path, got %s for the path",
    options.shown(path)) end
  opts = opts or {}
  options.check("image.save", opts, saving)
  local quality = opts.quality and options.whole("image.save", "quality", opts.quality, 1)
  core.image.write(x, path, quality)
end

-- A picture is a tensor or the path of a file.
local function check_picture(where, x)
  if type(x) ~= "userdata" and type(x) ~= "string" then
    fault("%s expects a picture: a tensor or the path of a file, got %s", where, options.shown(x))
  end
end

-- A picture through a transform; what is odd about its file is told.
local function through(x, view, rank)
  local out, remarks = core.image.preprocess(x, view.core, rank)
  source.tell(type(x) == "string" and x or "", remarks)
  return out
end

local function rank_of(x)
  return type(x) == "userdata" and #x.shape == 4 and 4 or 3
end

--- Resizes a picture (a tensor, or the path of a file) as torchvision does on PIL images, in 8 bits.
-- `size` is a number (the shorter side) or {h, w}. Option `interpolation`: "bilinear" (default), "bicubic", "lanczos",
-- "box", "nearest". All but nearest are antialiased.
function image.resize(x, size, opts)
  opts = opts or {}
  options.check("image.resize", opts, resizing)
  check_picture("image.resize", x)
  if size == nil then fault("image.resize expects a size: a number (the shorter side) or {h, w}") end
  local o = options.read("image.resize", {resize = size, interpolation = opts.interpolation})
  return through(x, o, rank_of(x))
end

--- A picture (a tensor, or the path of a file) as the model's weights want it: resized, cropped, normalised, (1, C, H,
-- W). `m` is a model, or a table of the options {size, resize, crop, mean, std, interpolation}.
function image.preprocess(x, m)
  check_picture("image.preprocess", x)
  if m == nil then fault("image.preprocess expects a picture and a model (or a table of options)") end
  local o
  if type(m) == "table" and not getmetatable(m) and m.preprocess == nil then
    options.check("image.preprocess", m, options.picture)
    o = options.read("image.preprocess", m)
  else
    o = options.read("image.preprocess", {transform = m})
  end
  return through(x, o, 4)
end

for name, f in pairs(adjust) do
  if name ~= "blur_of" and name ~= "two" and name ~= "sides" then image[name] = f end
end

--- Changes of batches, in floating point: image.batch.rotate(x, 30).
image.batch = require "suture.data.batch"

return require("suture.base.absent").table(require("suture.base.stray").guard(image, "image."), "image")
