--- MobileNetV2 with torchvision's names: Sandler et al. 2018 (arXiv:1801.04381), table 2.
-- Options: width_mult (1): factor of all widths. dropout (0.2), before the head.
local blocks = require "suture.zoo.common.blocks"
local nn = require "suture.nn"
local timm = require "suture.zoo.common.timm"
local torchvision = require "suture.zoo.common.torchvision"
local divisible = blocks.divisible

local function conv(i, o, kernel, stride, groups)
  return blocks.conv_norm_act(i, o, kernel, {stride = stride, groups = groups, act = nn.ReLU6})
end

local InvertedResidual = nn.class "InvertedResidual"

--- InvertedResidual(inplanes, planes, stride, expand): 1 × 1 to expand · inplanes channels, 3 × 3 depthwise, 1 × 1 to
-- planes with no activation behind it; what came in is added where it has the same shape.
function InvertedResidual:init(inplanes, planes, stride, expand)
  local hidden = inplanes * expand
  self.conv = nn.Sequential()
  if expand ~= 1 then self.conv:append(conv(inplanes, hidden, 1)) end
  self.conv:extend {
    conv(hidden, hidden, 3, stride, hidden), nn.Conv2d(hidden, planes, 1, {bias = false}), nn.BatchNorm2d(planes),
  }
  self.adds = stride == 1 and inplanes == planes
end

function InvertedResidual:forward(x)
  if self.adds then return x + self.conv(x) end
  return self.conv(x)
end

-- Expansion, channels, blocks, stride of the first of them.
local stages = {
  {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
}

local MobileNetV2 = nn.class "MobileNetV2"

function MobileNetV2:init(o)
  local i, last = divisible(32 * o.width_mult), divisible(1280 * math.max(1, o.width_mult))
  self.features = nn.Sequential(conv(o.in_chans, i, 3, 2))
  for _, stage in ipairs(stages) do
    local expand, planes, n, stride = stage[1], divisible(stage[2] * o.width_mult), stage[3], stage[4]
    for b = 1, n do
      self.features:append(InvertedResidual(i, planes, b == 1 and stride or 1, expand))
      i = planes
    end
  end
  self.features:append(conv(i, last, 1))
  self.classifier = nn.Sequential(nn.Dropout(o.dropout), nn.Linear(last, o.num_classes))
end

function MobileNetV2:forward(x)
  local F = nn.functional
  return self.classifier(F.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))
end

local function build(_, o)
  local m = nn.init.skip(MobileNetV2, o)
  blocks.reset_convolutions(m)
  blocks.reset_linear(m.classifier[1])
  return m
end

-- Names in timm (efficientnet.py's mobilenetv2_100).
local rename = timm.rename(
  {conv_stem = "features.0.0", bn1 = "features.0.1", conv_head = "features.18.0", bn2 = "features.18.1",
    classifier = "classifier.1"},
  function(at)
    if at.last then return ("features.%d.conv.%d%s"):format(at.before + 1, at.layer + at.part, at.kind) end
    return ("features.%d.conv.%d.%s%s"):format(at.before + 1, at.layer, at.part, at.kind)
  end)

-- width_mult among the paper's.
local function options_from(shapes)
  local width = shapes:best({1, 1.4, 1.3, 0.75, 0.5, 0.35}, function(w)
    return shapes:is("features.0.0.weight", 1, divisible(32 * w))
      + shapes:is("features.18.0.weight", 1, divisible(1280 * math.max(1, w)))
      + shapes:is("features.2.conv.2.weight", 1, divisible(24 * w))
      + shapes:is("features.17.conv.2.weight", 1, divisible(320 * w))
  end)
  return {width_mult = width ~= 1 and width or nil}
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  mobilenet_v2 = {3504872, 314, 300774272},
}

return {
  counted = counted,
  variants = {mobilenet_v2 = {weights = {
    torchvision.set("IMAGENET1K_V1", "mobilenet_v2-b0353104.pth", {accuracy = 71.878, megabytes = 13.6}),
    torchvision.set("IMAGENET1K_V2", "mobilenet_v2-7ebf99e0.pth", {accuracy = 72.154, megabytes = 13.6, resize = 232}),
  }}},
  parts = {InvertedResidual}, build = build,
  rename = rename, stem = "features.0.0", head = "classifier.1", classes = 1000,
  size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=0.2 width_mult:positive=1",
  options_from = options_from,
}
