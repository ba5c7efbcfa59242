--- DenseNets with torchvision's names: Huang et al. 2016 (arXiv:1608.06993), the form with bottlenecks and compression
-- (DenseNet-BC, table 1).
-- Options: drop_rate (0), of what each layer adds, in training.
local nn = require "suture.nn"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"
local F = nn.functional

local DenseLayer = nn.class "DenseLayer"

--- DenseLayer(inplanes, growth_rate[, drop_rate (0)]): 1 × 1 to 4 · growth_rate channels, then 3 × 3 to growth_rate,
-- each behind BatchNorm and ReLU.
function DenseLayer:init(inplanes, growth_rate, drop_rate)
  self.norm1 = nn.BatchNorm2d(inplanes)
  self.relu1 = nn.ReLU()
  self.conv1 = nn.Conv2d(inplanes, 4 * growth_rate, 1, {bias = false})
  self.norm2 = nn.BatchNorm2d(4 * growth_rate)
  self.relu2 = nn.ReLU()
  self.conv2 = nn.Conv2d(4 * growth_rate, growth_rate, 3, {padding = 1, bias = false})
  self.drop_rate = drop_rate or 0
end

function DenseLayer:forward(x)
  x = self.conv1(self.relu1(self.norm1(x)))
  return F.dropout(self.conv2(self.relu2(self.norm2(x))), self.drop_rate, self:_as_in_training())
end

local DenseBlock = nn.class "DenseBlock"

--- DenseBlock(n, inplanes, growth_rate[, drop_rate (0)]): n layers, each of which sees the input and the outputs of all
-- layers before it, joined along the channels; all of it together is the output.
function DenseBlock:init(n, inplanes, growth_rate, drop_rate)
  for i = 1, n do self["denselayer" .. i] = DenseLayer(inplanes + (i - 1) * growth_rate, growth_rate, drop_rate) end
end

function DenseBlock:forward(x)
  for layer in self:children() do x = tensor.cat({x, layer(x)}, 1) end
  return x
end

-- Between blocks: half the channels, half the picture.
local function transition(inplanes)
  return nn.Sequential {{"norm", nn.BatchNorm2d(inplanes)}, {"relu", nn.ReLU()},
    {"conv", nn.Conv2d(inplanes, inplanes // 2, 1, {bias = false})}, {"pool", nn.AvgPool2d(2)}}
end

local DenseNet = nn.class "DenseNet"

function DenseNet:init(layers, width, growth_rate, o)
  self.features = nn.Sequential {{"conv0", nn.Conv2d(o.in_chans, width, 7, {stride = 2, padding = 3, bias = false})},
    {"norm0", nn.BatchNorm2d(width)}, {"relu0", nn.ReLU()}, {"pool0", nn.MaxPool2d(3, 2, {padding = 1})}}
  for i, n in ipairs(layers) do
    self.features:add_module("denseblock" .. i, DenseBlock(n, width, growth_rate, o.drop_rate))
    width = width + n * growth_rate
    if i < #layers then
      self.features:add_module("transition" .. i, transition(width))
      width = width // 2
    end
  end
  self.features:add_module("norm5", nn.BatchNorm2d(width))
  self.classifier = nn.Linear(width, o.num_classes)
end

function DenseNet:forward(x)
  x = F.relu(self.features(x))
  return self.classifier(F.flatten(F.adaptive_avg_pool2d(x, 1), 1))
end

local function variant(layers, width, growth_rate, file, accuracy, megabytes)
  return {layers = layers, width = width, growth_rate = growth_rate,
    weights = {torchvision.set("IMAGENET1K_V1", file, {accuracy = accuracy, megabytes = megabytes})}}
end

local variants = {
  densenet121 = variant({6, 12, 24, 16}, 64, 32, "densenet121-a639ec97.pth", 74.434, 30.8),
  densenet161 = variant({6, 12, 36, 24}, 96, 48, "densenet161-8d451a50.pth", 77.138, 110.4),
  densenet169 = variant({6, 12, 32, 32}, 64, 32, "densenet169-b2777c0a.pth", 75.600, 54.7),
  densenet201 = variant({6, 12, 48, 32}, 64, 32, "densenet201-c1103571.pth", 76.896, 77.4),
}

local function build(spec, o)
  local m = nn.init.skip(DenseNet, spec.layers, spec.width, spec.growth_rate, o)
  for _, conv in m:find(nn.Conv2d) do nn.init.kaiming_normal_(conv.weight) end
  m.classifier:reset_parameters()
  nn.init.zeros_(m.classifier.bias)
  return m
end

-- The published files were written when a layer's parts were called norm.1, conv.2 …
local function rename(name)
  return (name:gsub("(denselayer%d+%.%a+)%.([12]%.)", "%1%2"))
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  densenet121 = {7978856, 727, 2834161664},
  densenet161 = {28681000, 967, 7727907072},
  densenet169 = {14149480, 1015, 3359843328},
  densenet201 = {20013928, 1207, 4291365888},
}

return {
  counted = counted, variants = variants,
  parts = {DenseLayer, DenseBlock}, build = build, rename = rename,
  stem = "features.conv0", head = "classifier", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std,
  options = "drop_rate:prob=0",
}
