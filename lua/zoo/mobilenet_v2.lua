--- MobileNetV2 with torchvision's names: Sandler et al. 2018 (arXiv:1801.04381), table 2.
local blocks = require "suture.zoo.common.blocks"
local nn = require "suture.nn"
local options = require "suture.base.options"
local timm = require "suture.zoo.common.timm"
local torchvision = require "suture.zoo.common.torchvision"
local divisible = blocks.divisible

local function conv(i, o, kernel, stride, groups)
  return blocks.conv_norm_act(i, o, kernel, {stride = stride, groups = groups, act = nn.ReLU6})
end

local InvertedResidual = nn.class "InvertedResidual"

--- InvertedResidual(inplanes, planes, stride, expand): 1 × 1 to expand · inplanes channels, 3 × 3 depthwise, 1 × 1 to planes with
-- no activation behind it; what came in is added where it has the same shape.
function InvertedResidual:init(inplanes, planes, stride, expand)
  local hidden = inplanes * expand
  self.conv = nn.Sequential()
  if expand ~= 1 then self.conv:append(conv(inplanes, hidden, 1)) end
  self.conv:extend {conv(hidden, hidden, 3, stride, hidden), nn.Conv2d(hidden, planes, 1, {bias = false}), nn.BatchNorm2d(planes)}
  self.adds = stride == 1 and inplanes == planes
end

function InvertedResidual:forward(x)
  if self.adds then return x + self.conv(x) end
  return self.conv(x)
end

-- Expansion, channels, blocks, stride of the first of them.
local stages = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}}

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

local read = options.named("mobilenet_v2", "num_classes:count in_chans:count dropout:prob=0.2 width_mult:positive=1")

local function build(_, args)
  local m = nn.init.skip(MobileNetV2, read(args))
  blocks.reset_convolutions(m)
  blocks.reset_linear(m.classifier[1])
  return m
end

-- Names in timm (efficientnet.py's mobilenetv2_100).
local rename = timm.rename(
  {conv_stem = "features.0.0", bn1 = "features.0.1", conv_head = "features.18.0", bn2 = "features.18.1", classifier = "classifier.1"},
  function(at)
    if at.last then return ("features.%d.conv.%d%s"):format(at.before + 1, at.layer + at.part, at.kind) end
    return ("features.%d.conv.%d.%s%s"):format(at.before + 1, at.layer, at.part, at.kind)
  end)

-- width_mult among the paper's, by the widths.
local function recognise(shapes)
  local stem, last, head = shapes["features.0.0.weight"], shapes["features.18.0.weight"], shapes["classifier.1.weight"]
  if not (stem and last and head and #last == 4 and #head == 2 and shapes["features.17.conv.2.weight"]) then return nil end
  for _, width in ipairs {1, 1.4, 1.3, 0.75, 0.5, 0.35} do
    local fits, k = stem[1] == divisible(32 * width) and last[1] == divisible(1280 * math.max(1, width)), 1
    for _, stage in ipairs(stages) do
      for _ = 1, stage[3] do
        local w = shapes[("features.%d.conv.%d.weight"):format(k, stage[1] == 1 and 1 or 2)]
        fits, k = fits and w ~= nil and w[1] == divisible(stage[2] * width), k + 1
      end
    end
    if fits then
      return "mobilenet_v2", {num_classes = head[1], in_chans = stem[2], width_mult = width ~= 1 and width or nil}
    end
  end
end

return {
  variants = {mobilenet_v2 = {weights = {
    torchvision.set("IMAGENET1K_V1", "mobilenet_v2-b0353104.pth", {accuracy = 71.878, megabytes = 13.6}),
    torchvision.set("IMAGENET1K_V2", "mobilenet_v2-7ebf99e0.pth", {accuracy = 72.154, megabytes = 13.6, resize = 232}),
  }}},
  parts = {InvertedResidual}, build = build, recognise = recognise, rename = rename, stem = "features.0.0", head = "classifier.1", classes = 1000,
  size = 224, mean = torchvision.mean, std = torchvision.std, options = {dropout = true, width_mult = true},
}
