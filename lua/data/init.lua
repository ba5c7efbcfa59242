--- Data: labelled pictures and tensors, in batches. data.folder "flowers", data.csv "iris.csv", data.tensors(x, y),
-- data.dataset{…}. Every reader (one file each in lua/data/readers) gives a dataset: `#ds`, `ds.classes`, `ds[i]`,
-- `ds:batches(n)`, `ds:split(f)`, `ds:take(n)`, `ds:shuffle(seed)`, `ds:with(opts)`. Those of pictures take the same
-- options, all of them optional:
--
--   resize         n: the shorter side becomes n; {h, w}: exactly that (torchvision's Resize on PIL images)
--   crop           n or {h, w}: from the middle
--   size           n: resize = n and crop = n; {h, w}: resize to that
--   mean, std      one number, or one for each channel; values are in 0 … 1 before
--   interpolation  "bilinear" (default), "bicubic", "lanczos", "box", "nearest"
--   transform      a model: all of the above that belongs to its weights; what is also given explicitly wins
--   augment        true, or {flip = true or probability, random_crop = true, crop_pad = n, rotate = degrees,
--                  random_resized_crop = true or {scale = {lo, hi}, ratio = {lo, hi}},
--                  jitter = n or {brightness =, contrast =, saturation =, hue =},
--                  auto_augment = "imagenet", "cifar10" or "svhn", rand_augment = true or {num_ops =, magnitude =},
--                  trivial_augment = true, affine = {degrees =, translate =, scale =, shear =}, erasing = probability,
--                  blur = kernel or {kernel =, sigma = {lo, hi}}, and by probability grayscale, vflip, invert,
--                  equalize, autocontrast, sharpness, posterize, solarize}: torchvision's, with its defaults
--   keep           true or a number of MB (true: 1024): pictures are decoded once and kept, at the size that what is
--                  random starts from: later epochs need no file. Those that find no room are read each
--                  time, which is told
--   channels       1 (grey) or 3 (colour)
--   exif           false: leave photographs as they are stored (torchvision does); default: turn them upright
--   draft          true: a JPEG that resize will shrink to less than half is decoded at 1/2, 1/4 or 1/8 of its size,
--   which
--                  takes less time and memory (12 megapixels: 43 ms in place of 69). Differs from the exact result, the
--                  default, by 0.4 of 255 on average. Pillow's Image.draft; not before random_resized_crop
--
-- Without resize, crop or size pictures keep their size, and those of a batch must have the same.
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local options = require "suture.data.options"

local data = {}

for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/data/readers/([%w_]+)%.lua$"
  if name then data[name] = require("suture.data.readers." .. name) end
end

data.leaks = require "suture.data.leaks"

return setmetatable(require "suture.base.stray".guard(data, "data."), {__index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  local names = {}
  for k in next, data do names[#names + 1] = k end
  fault("data: no reader '%s'%s", name, options.meant(name, names))
end})
