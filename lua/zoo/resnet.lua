--- ResNets for ImageNet, with torchvision's names: He et al. 2015 (arXiv:1512.03385), ResNeXt (1611.05431), wide
-- ResNets (1605.07146); the stride of a bottleneck is on its 3 × 3 convolution.
-- Options: zero_init_residual (false): the last BatchNorm of each block begins at 0.
local fault = require "suture.base.fault"
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"

local function conv3x3(i, o, stride, groups)
  return nn.Conv2d(i, o, 3, {stride = stride, padding = 1, groups = groups, bias = false})
end
local function conv1x1(i, o, stride) return nn.Conv2d(i, o, 1, {stride = stride, bias = false}) end

-- The shortcut of a block whose output has another shape: a 1 × 1 convolution and BatchNorm.
local function shortcut(self, i, o, stride)
  self.downsample = (stride ~= 1 or i ~= o) and nn.Sequential(conv1x1(i, o, stride), nn.BatchNorm2d(o)) or nil
end

local BasicBlock = nn.class "BasicBlock"
BasicBlock.expansion = 1

--- BasicBlock(inplanes, planes[, stride]): two 3 × 3 convolutions around a shortcut.
function BasicBlock:init(inplanes, planes, stride, groups, base_width)
  stride = stride or 1
  if (groups or 1) ~= 1 or (base_width or 64) ~= 64 then fault "BasicBlock: only groups = 1 and base_width = 64" end
  self.conv1 = conv3x3(inplanes, planes, stride)
  self.bn1 = nn.BatchNorm2d(planes)
  self.relu = nn.ReLU()
  self.conv2 = conv3x3(planes, planes, 1)
  self.bn2 = nn.BatchNorm2d(planes)
  shortcut(self, inplanes, planes, stride)
end

-- What is added to the shortcut.
function BasicBlock:residual(x)
  return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
end

function BasicBlock:forward(x)
  local y, downsample = self:residual(x), self.downsample
  return self.relu(y + (downsample and downsample(x) or x))
end

local Bottleneck = nn.class "Bottleneck"
Bottleneck.expansion = 4

--- Bottleneck(inplanes, planes[, stride, groups, base_width]): 1 × 1, 3 × 3, 1 × 1 to 4 · planes channels.
function Bottleneck:init(inplanes, planes, stride, groups, base_width)
  stride, groups = stride or 1, groups or 1
  local width, out = planes * (base_width or 64) // 64 * groups, planes * 4
  self.conv1 = conv1x1(inplanes, width, 1)
  self.bn1 = nn.BatchNorm2d(width)
  self.conv2 = conv3x3(width, width, stride, groups)
  self.bn2 = nn.BatchNorm2d(width)
  self.conv3 = conv1x1(width, out, 1)
  self.bn3 = nn.BatchNorm2d(out)
  self.relu = nn.ReLU()
  shortcut(self, inplanes, out, stride)
end

function Bottleneck:residual(x)
  local y = self.relu(self.bn1(self.conv1(x)))
  return self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
end
Bottleneck.forward = BasicBlock.forward

local ResNet = nn.class "ResNet"

function ResNet:init(block, layers, o)
  local inplanes = 64
  self.conv1 = nn.Conv2d(o.in_chans, 64, 7, {stride = 2, padding = 3, bias = false})
  self.bn1 = nn.BatchNorm2d(64)
  self.relu = nn.ReLU()
  self.maxpool = nn.MaxPool2d(3, {stride = 2, padding = 1})
  for i, n in ipairs(layers) do
    local planes, stage = 64 << (i - 1), nn.Sequential()
    for b = 0, n - 1 do
      stage:append(block(inplanes, planes, b == 0 and i > 1 and 2 or 1, o.groups, o.width_per_group))
      inplanes = planes * block.expansion
    end
    self["layer" .. i] = stage
  end
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.fc = nn.Linear(inplanes, o.num_classes)
end

function ResNet:forward(x)
  x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
  x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
  return self.fc(nn.functional.flatten(self.avgpool(x), 1))
end

-- torchvision's initialisation: He's normal, fan out, for convolutions; the last BatchNorm of each block 0 if asked.
local function reset(m, zero_init_residual)
  for sub in m:modules() do
    if getmetatable(sub) == nn.Conv2d then
      nn.init.kaiming_normal_(sub.weight, {mode = "fan_out", nonlinearity = "relu"})
    end
    if zero_init_residual and getmetatable(sub).expansion then nn.init.zeros_((sub.bn3 or sub.bn2).weight) end
  end
  m.fc:reset_parameters()
end

local function variant(block, layers, v1, v2, o)
  return {
    block = block, layers = layers, groups = o and o.groups or 1, width = o and o.width or 64,
    weights = v1 and {torchvision.set("IMAGENET1K_V1", v1[1], v1), v2 and torchvision.set("IMAGENET1K_V2", v2[1], v2)},
  }
end

-- A published file, the share of pictures that it names rightly, its size; V2 weights were made for pictures resized to
-- 232.
local function v1(file, accuracy, megabytes, also)
  return {file, accuracy = accuracy, megabytes = megabytes, also = also}
end
local function v2(file, accuracy, megabytes) return {file, accuracy = accuracy, megabytes = megabytes, resize = 232} end

local variants = {
  resnet18 = variant(BasicBlock, {2, 2, 2, 2}, v1("resnet18-f37072fd.pth", 69.758, 44.7, {"resnet18-5c106cde.pth"})),
  resnet34 = variant(BasicBlock, {3, 4, 6, 3}, v1("resnet34-b627a593.pth", 73.314, 83.3, {"resnet34-333f7ec4.pth"})),
  resnet50 = variant(Bottleneck, {3, 4, 6, 3}, v1("resnet50-0676ba61.pth", 76.130, 97.8, {"resnet50-19c8e357.pth"}),
    v2("resnet50-11ad3fa6.pth", 80.858, 97.8)),
  resnet101 = variant(Bottleneck, {3, 4, 23, 3},
    v1("resnet101-63fe2227.pth", 77.374, 170.5, {"resnet101-5d3b4d8f.pth"}),
    v2("resnet101-cd907fc2.pth", 81.886, 170.5)),
  resnet152 = variant(Bottleneck, {3, 8, 36, 3},
    v1("resnet152-394f9c45.pth", 78.312, 230.4, {"resnet152-b121ed2d.pth"}),
    v2("resnet152-f82ba261.pth", 82.284, 230.5)),
  resnext50_32x4d = variant(Bottleneck, {3, 4, 6, 3}, v1("resnext50_32x4d-7cdf4587.pth", 77.618, 95.8),
    v2("resnext50_32x4d-1a0047aa.pth", 81.198, 95.8), {groups = 32, width = 4}),
  resnext101_32x8d = variant(Bottleneck, {3, 4, 23, 3}, v1("resnext101_32x8d-8ba56ff5.pth", 79.312, 339.6),
    v2("resnext101_32x8d-110c445d.pth", 82.834, 339.7), {groups = 32, width = 8}),
  wide_resnet50_2 = variant(Bottleneck, {3, 4, 6, 3}, v1("wide_resnet50_2-95faca4d.pth", 78.468, 131.8),
    v2("wide_resnet50_2-9ba9bcbe.pth", 81.602, 263.1), {width = 128}),
  wide_resnet101_2 = variant(Bottleneck, {3, 4, 23, 3}, v1("wide_resnet101_2-32ee1156.pth", 78.848, 242.9),
    v2("wide_resnet101_2-d733dc28.pth", 82.510, 484.7), {width = 128}),
}

local function build(spec, given)
  local o = {num_classes = given.num_classes, in_chans = given.in_chans, groups = spec.groups,
    width_per_group = spec.width}
  local m = nn.init.skip(function() return ResNet(spec.block, spec.layers, o) end)
  reset(m, given.zero_init_residual)
  return m
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  resnet18 = {11689512, 122, 1814073344},
  resnet34 = {21797672, 218, 3663761408},
  resnet50 = {25557032, 320, 4089184256},
  resnet101 = {44549160, 626, 7801405440},
  resnet152 = {60192808, 932, 11513626624},
  resnext50_32x4d = {25028904, 320, 4230479872},
  resnext101_32x8d = {88791336, 626, 16414015488},
  wide_resnet50_2 = {68883240, 320, 11398021120},
  wide_resnet101_2 = {126886696, 626, 22753050624},
}

return {
  counted = counted, variants = variants,
  parts = {BasicBlock, Bottleneck}, build = build, stem = "conv1", head = "fc", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std, options = "zero_init_residual:bool=false",
  test = {parity = {last = {"bn3", "bn2"}}},
  variant = variant, BasicBlock = BasicBlock, Bottleneck = Bottleneck, -- for zoo/se_resnet.lua
}
