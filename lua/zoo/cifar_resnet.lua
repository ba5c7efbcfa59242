--- ResNets for 32 × 32 images, with the names of Y. Idelbayev's pytorch_resnet_cifar10: He et al. 2015
-- (arXiv:1512.03385), section 4.2. 3 × 3 stem of 16, stages of 16, 32 and 64 channels, shortcuts without parameters
-- (option A), head `linear`.
local nn = require "suture.nn"
local F = nn.functional

local Shortcut = nn.class "Shortcut"

--- Shortcut(inplanes, planes): every second pixel; the new channels are zeros, half before and half behind.
function Shortcut:init(inplanes, planes) self.inplanes, self.planes = inplanes, planes end
function Shortcut:forward(x)
  local more = self.planes - self.inplanes
  return F.pad(x:slice(2, 0, nil, 2):slice(3, 0, nil, 2), {0, 0, 0, 0, more // 2, more - more // 2})
end
function Shortcut:extra() return ("%d → %d, every second pixel"):format(self.inplanes, self.planes) end

local BasicBlock = nn.class "BasicBlock"

--- BasicBlock(inplanes, planes[, stride]): two 3 × 3 convolutions around a shortcut.
function BasicBlock:init(inplanes, planes, stride)
  stride = stride or 1
  self.conv1 = nn.Conv2d(inplanes, planes, 3, {stride = stride, padding = 1, bias = false})
  self.bn1 = nn.BatchNorm2d(planes)
  self.conv2 = nn.Conv2d(planes, planes, 3, {padding = 1, bias = false})
  self.bn2 = nn.BatchNorm2d(planes)
  self.shortcut = (stride ~= 1 or inplanes ~= planes) and Shortcut(inplanes, planes) or nil
end

function BasicBlock:forward(x)
  local y = F.relu(self.bn1(self.conv1(x)))
  y = self.bn2(self.conv2(y))
  local shortcut = self.shortcut
  return F.relu(y + (shortcut and shortcut(x) or x))
end

local CifarResNet = nn.class "CifarResNet"

function CifarResNet:init(count, o)
  self.conv1 = nn.Conv2d(o.in_chans, 16, 3, {padding = 1, bias = false})
  self.bn1 = nn.BatchNorm2d(16)
  local inplanes = 16
  for i, planes in ipairs {16, 32, 64} do
    local stage = nn.Sequential()
    for b = 0, count - 1 do
      stage:append(BasicBlock(inplanes, planes, b == 0 and i > 1 and 2 or 1))
      inplanes = planes
    end
    self["layer" .. i] = stage
  end
  self.linear = nn.Linear(64, o.num_classes)
end

function CifarResNet:forward(x)
  x = F.relu(self.bn1(self.conv1(x)))
  x = self.layer3(self.layer2(self.layer1(x)))
  x = F.adaptive_avg_pool2d(x, 1)
  return self.linear(F.flatten(x, 1))
end

local CLASSES = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
local MEAN, STD = {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}

local variants = {}
for depth, set in pairs { -- file, accuracy (100 - test error as published), megabytes
  [20] = {"resnet20-12fca82f.th", 91.73, 1.0}, [32] = {"resnet32-d509ac18.th", 92.63, 1.8},
  [44] = {"resnet44-014dd654.th", 93.10, 2.6}, [56] = {"resnet56-4bfd9763.th", 93.39, 3.3},
  [110] = {"resnet110-1d1ed7c2.th", 93.68, 6.7},
} do
  local file = set[1]
  variants["cifar_resnet" .. depth] = {
    blocks = (depth - 2) // 6,
    weights = {{
      name = "CIFAR10", file = file, accuracy = set[2], megabytes = set[3], classes = 10, class_names = CLASSES,
      crop = 32, mean = MEAN, std = STD, interpolation = "bilinear",
      url = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/" .. file,
      license = "BSD-2-Clause (Y. Idelbayev)",
    }},
  }
end

local function build(spec, o)
  local m = nn.init.skip(function() return CifarResNet(spec.blocks, o) end)
  for sub in m:modules() do
    if sub.weight and (getmetatable(sub) == nn.Conv2d or getmetatable(sub) == nn.Linear) then
      nn.init.kaiming_normal_(sub.weight)
    end
  end
  local bound = 1 / math.sqrt(m.linear.in_features)
  nn.init.uniform_(m.linear.bias, -bound, bound)
  return m
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  cifar_resnet20 = {269722, 116, 40551040},
  cifar_resnet32 = {464154, 188, 68862592},
  cifar_resnet44 = {658586, 260, 97174144},
  cifar_resnet56 = {853018, 332, 125485696},
  cifar_resnet110 = {1727962, 656, 252887680},
}

return {
  counted = counted, variants = variants,
  parts = {BasicBlock, Shortcut}, build = build, stem = "conv1", head = "linear", classes = 10, size = 32,
  mean = MEAN, std = STD,
}
