--- torchvision's published sets of weights: what they share, in one place (torchvision.models.*_Weights, torchvision
-- 0.14).
local torchvision = {mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}

local function imagenet() return require "suture.zoo.common.imagenet" end

--- torchvision.set(name, file, o): one set of ImageNet-1K weights. o: resize, crop (pixels; 256 and 224), interpolation
-- ("bilinear"), mean, std, accuracy (top 1 as published, per cent), megabytes (of the file), also (older file names),
-- license, options (of the constructor: what the weights want, unless the caller says otherwise).
function torchvision.set(name, file, o)
  return {
    name = name, file = file, url = "https://download.pytorch.org/models/" .. file, also = o.also,
    classes = 1000, class_names = imagenet,
    resize = o.resize or 256, crop = o.crop or 224, interpolation = o.interpolation or "bilinear",
    mean = o.mean or torchvision.mean, std = o.std or torchvision.std, accuracy = o.accuracy, megabytes = o.megabytes,
    options = o.options, license = o.license or "BSD-3-Clause (torchvision)",
  }
end

return torchvision
