--- VGG with torchvision's names: Simonyan & Zisserman 2014 (arXiv:1409.1556), table 1, columns A, B, D, E; _bn: with BatchNorm
-- behind each convolution.
local blocks = require "suture.zoo.common.blocks"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local options = require "suture.base.options"
local torchvision = require "suture.zoo.common.torchvision"

local VGG = nn.class "VGG"

-- Five stages of 3 × 3 convolutions, each ended by a pooling that halves the picture. depths: convolutions in each stage.
function VGG:init(depths, batch_norm, o)
  self.features = nn.Sequential()
  local i = o.in_chans
  for stage, n in ipairs(depths) do
    local width = math.min(32 << stage, 512)
    for _ = 1, n do
      self.features:append(nn.Conv2d(i, width, 3, {padding = 1}))
      if batch_norm then self.features:append(nn.BatchNorm2d(width)) end
      self.features:append(nn.ReLU())
      i = width
    end
    self.features:append(nn.MaxPool2d(2))
  end
  self.avgpool = nn.AdaptiveAvgPool2d(7)
  self.classifier = nn.Sequential(
    nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(o.dropout),
    nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(o.dropout),
    nn.Linear(4096, o.num_classes))
end

function VGG:forward(x) return self.classifier(nn.functional.flatten(self.avgpool(self.features(x)), 1)) end

local function variant(depths, batch_norm, file, accuracy, megabytes, also)
  return {depths = depths, batch_norm = batch_norm,
    weights = {torchvision.set("IMAGENET1K_V1", file, {accuracy = accuracy, megabytes = megabytes, also = also})}}
end

local A, B, D, E = {1, 1, 2, 2, 2}, {2, 2, 2, 2, 2}, {2, 2, 3, 3, 3}, {2, 2, 4, 4, 4}
local variants = {
  vgg11 = variant(A, false, "vgg11-8a719046.pth", 69.020, 506.8, {"vgg11-bbd30ac9.pth"}),
  vgg11_bn = variant(A, true, "vgg11_bn-6002323d.pth", 70.370, 506.9),
  vgg13 = variant(B, false, "vgg13-19584684.pth", 69.928, 507.5, {"vgg13-c768596a.pth"}),
  vgg13_bn = variant(B, true, "vgg13_bn-abd245e5.pth", 71.586, 507.6),
  vgg16 = variant(D, false, "vgg16-397923af.pth", 71.592, 527.8),
  vgg16_bn = variant(D, true, "vgg16_bn-6c64b313.pth", 73.360, 527.9),
  vgg19 = variant(E, false, "vgg19-dcbb9e9d.pth", 72.376, 548.1),
  vgg19_bn = variant(E, true, "vgg19_bn-c79401a0.pth", 74.218, 548.1),
}

local read = options.named("vgg", "num_classes:count in_chans:count dropout:prob=0.5")

local function build(spec, args)
  local m = nn.init.skip(VGG, spec.depths, spec.batch_norm, read(args))
  blocks.reset_convolutions(m)
  for _, linear in m:find(nn.Linear) do blocks.reset_linear(linear) end
  return m
end

-- Names in timm (vgg.py), where the hidden layers behind the features are convolutions, of 7 × 7 and of 1 × 1.
local theirs = {{"^pre_logits%.fc1%.", "classifier.0."}, {"^pre_logits%.fc2%.", "classifier.3."}, {"^head%.fc%.", "classifier.6."}}
local function adapt(name, given, shape)
  if #given.shape ~= 4 or not name:find "^classifier%." or given:numel() ~= shape[1] * shape[2] then return nil end
  return given:reshape(table.unpack(shape))
end

-- Where a picture of n convolutions is halved is not in the names; how many there are, and where their widths change, is.
local function recognise(shapes)
  local stem, head = shapes["features.0.weight"], shapes["classifier.6.weight"]
  if not (stem and head and #stem == 4 and stem[1] == 64 and stem[3] == 3 and #head == 2) then return nil end
  local batch_norm = shapes["features.1.running_mean"] ~= nil
  for name, spec in pairs(variants) do
    local place, fits = 0, spec.batch_norm == batch_norm
    for stage, n in ipairs(spec.depths) do
      for _ = 1, n do
        local w = shapes[("features.%d.weight"):format(place)]
        fits = fits and w ~= nil and #w == 4 and w[1] == math.min(32 << stage, 512)
        place = place + (batch_norm and 3 or 2)
      end
      place = place + 1
    end
    if fits and not shapes[("features.%d.weight"):format(place)] then return name, {num_classes = head[1], in_chans = stem[2]} end
  end
end

return {
  variants = variants, build = build, recognise = recognise, adapt = adapt,
  rename = function(name) return names.first(name, theirs) or name end, stem = "features.0", head = "classifier.6", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std, options = {dropout = true},
}
