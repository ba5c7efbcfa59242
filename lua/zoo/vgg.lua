--- VGG with torchvision's names: Simonyan & Zisserman 2014 (arXiv:1409.1556), table 1, columns A, B, D, E; _bn: with
-- BatchNorm behind each convolution.
-- Options: dropout (0.5), behind each hidden linear layer.
local blocks = require "suture.zoo.common.blocks"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"

local VGG = nn.class "VGG"

-- Five stages of 3 × 3 convolutions, each ended by a pooling that halves the picture. depths: convolutions in each
-- stage.
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

local function build(spec, o)
  local m = nn.init.skip(VGG, spec.depths, spec.batch_norm, o)
  blocks.reset_convolutions(m)
  for _, linear in m:find(nn.Linear) do blocks.reset_linear(linear) end
  return m
end

-- Names in timm (vgg.py), where the hidden layers behind the features are convolutions, of 7 × 7 and of 1 × 1.
local theirs = {
  {"^pre_logits%.fc1%.", "classifier.0."}, {"^pre_logits%.fc2%.", "classifier.3."}, {"^head%.fc%.", "classifier.6."},
}
local function adapt(name, given, shape)
  if #given.shape ~= 4 or #shape ~= 2 or not name:find "^classifier%." then return nil end
  if given:numel() ~= shape[1] * shape[2] then return nil end
  return given:reshape(table.unpack(shape))
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  vgg11 = {132863336, 22, 7609090048},
  vgg11_bn = {132868840, 62, 7609090048},
  vgg13 = {133047848, 26, 11308466176},
  vgg13_bn = {133053736, 76, 11308466176},
  vgg16 = {138357544, 32, 15470264320},
  vgg16_bn = {138365992, 97, 15470264320},
  vgg19 = {143667240, 38, 19632062464},
  vgg19_bn = {143678248, 118, 19632062464},
}

return {
  counted = counted, variants = variants, build = build, adapt = adapt,
  rename = function(name) return names.first(name, theirs) or name end,
  stem = "features.0", head = "classifier.6", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=0.5",
}
