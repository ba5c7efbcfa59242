--- MNASNet (its form B1, without channel attention) with torchvision's names: Tan et al. 2018 (arXiv:1807.11626),
-- figure 7; mnasnet0_5 has half of the channels.
-- Options: dropout (0.2), before the head.
local blocks = require "suture.zoo.common.blocks"
local nn = require "suture.nn"
local timm = require "suture.zoo.common.timm"
local torchvision = require "suture.zoo.common.torchvision"

local function conv(i, o, kernel, stride, groups)
  return nn.Conv2d(i, o, kernel, {stride = stride, padding = kernel // 2, groups = groups, bias = false})
end
local function norm(channels) return nn.BatchNorm2d(channels, {momentum = 1 - 0.9997}) end -- TensorFlow's 0.9997

local InvertedResidual = nn.class "InvertedResidual"

--- InvertedResidual(inplanes, planes, kernel, stride, expand): 1 × 1 to expand · inplanes channels, depthwise, 1 × 1 to
-- planes with no activation behind it; what came in is added where it has the same shape.
function InvertedResidual:init(inplanes, planes, kernel, stride, expand)
  local hidden = inplanes * expand
  self.layers = nn.Sequential(conv(inplanes, hidden, 1), norm(hidden), nn.ReLU(),
    conv(hidden, hidden, kernel, stride, hidden), norm(hidden), nn.ReLU(),
    conv(hidden, planes, 1), norm(planes))
  self.adds = stride == 1 and inplanes == planes
end

function InvertedResidual:forward(x)
  if self.adds then return self.layers(x) + x end
  return self.layers(x)
end

-- Channels, kernel, stride of the first, expansion, blocks.
local stacks = {
  {24, 3, 2, 3, 3}, {40, 5, 2, 3, 3}, {80, 5, 2, 6, 3}, {96, 3, 1, 6, 2}, {192, 5, 2, 6, 4}, {320, 3, 1, 6, 1},
}

local MNASNet = nn.class "MNASNet"

function MNASNet:init(alpha, o)
  local function width(channels) return blocks.divisible(channels * alpha) end
  local first, i = width(32), width(16)
  self.layers = nn.Sequential(conv(o.in_chans, first, 3, 2), norm(first), nn.ReLU(),
    conv(first, first, 3, 1, first), norm(first), nn.ReLU(), conv(first, i, 1), norm(i))
  for _, s in ipairs(stacks) do
    local stack, planes = nn.Sequential(), width(s[1])
    for b = 1, s[5] do
      stack:append(InvertedResidual(i, planes, s[2], b == 1 and s[3] or 1, s[4]))
      i = planes
    end
    self.layers:append(stack)
  end
  self.layers:extend {conv(i, 1280, 1), norm(1280), nn.ReLU()}
  self.classifier = nn.Sequential(nn.Dropout(o.dropout), nn.Linear(1280, o.num_classes))
end

function MNASNet:forward(x) return self.classifier(self.layers(x):mean {2, 3}) end

local function variant(alpha, file, accuracy, megabytes, resize)
  local set = torchvision.set("IMAGENET1K_V1", file, {accuracy = accuracy, megabytes = megabytes, resize = resize})
  return {alpha = alpha, weights = {set}}
end

local variants = {
  mnasnet0_5 = variant(0.5, "mnasnet0.5_top1_67.823-3ffadce67e.pth", 67.734, 8.6),
  mnasnet0_75 = variant(0.75, "mnasnet0_75-7090bc5f.pth", 71.180, 12.3, 232),
  mnasnet1_0 = variant(1.0, "mnasnet1.0_top1_73.512-f206786ef8.pth", 73.456, 16.9),
  mnasnet1_3 = variant(1.3, "mnasnet1_3-a4c69d6f.pth", 76.506, 24.2, 232),
}

local function build(spec, o)
  local m = nn.init.skip(MNASNet, spec.alpha, o)
  blocks.reset_convolutions(m)
  nn.init.kaiming_uniform_(m.classifier[1].weight, {mode = "fan_out", nonlinearity = "sigmoid"})
  nn.init.zeros_(m.classifier[1].bias)
  return m
end

-- Names in timm (efficientnet.py's mnasnet_050 to mnasnet_140), where the first layers are stage 0.
local rename = timm.rename(
  {conv_stem = "layers.0", bn1 = "layers.1", conv_head = "layers.14", bn2 = "layers.15", classifier = "classifier.1"},
  function(at)
    local place = tonumber(at.part) and 3 * at.layer + at.part
    if not place then return nil end -- attention, which form B1 has not
    if at.stage == 0 then return ("layers.%d%s"):format(3 + place, at.kind) end
    return ("layers.%d.%d.layers.%d%s"):format(7 + at.stage, at.block, place, at.kind)
  end)

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  mnasnet0_5 = {2218512, 314, 104455968},
  mnasnet0_75 = {3170208, 314, 215493104},
  mnasnet1_0 = {4383312, 314, 314415872},
  mnasnet1_3 = {6282256, 314, 526362432},
}

return {
  counted = counted, variants = variants,
  parts = {InvertedResidual}, build = build, rename = rename, stem = "layers.0",
  head = "classifier.1", classes = 1000, size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=0.2",
  test = {parity = {last = {"layers.7"}}},
}
