--- ShuffleNet V2 with torchvision's names: Ma et al. 2018 (arXiv:1807.11164), table 5 and figure 3 (c, d).
local nn = require "suture.nn"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"

local function conv1x1(i, o) return nn.Conv2d(i, o, 1, {bias = false}) end
local function depthwise(c, stride)
  return nn.Conv2d(c, c, 3, {stride = stride, padding = 1, groups = c, bias = false})
end

-- The channels of two halves in turn: (N, 2 · C, H, W) as a table of 2 rows and C columns, read by columns.
local function shuffle(x)
  local n, c, h, w = table.unpack(x.shape)
  return x:reshape(n, 2, c // 2, h, w):transpose(1, 2):reshape(n, c, h, w)
end

local InvertedResidual = nn.class "InvertedResidual"

--- InvertedResidual(inplanes, planes, stride): stride 1: half of the channels pass through branch2, the others pass by
-- (where torchvision has an empty branch1); stride 2: all go through both branches. Then the channels of both halves
-- are shuffled.
function InvertedResidual:init(inplanes, planes, stride)
  local half = planes // 2
  self.branch1 = stride > 1 and nn.Sequential(depthwise(inplanes, stride), nn.BatchNorm2d(inplanes),
    conv1x1(inplanes, half), nn.BatchNorm2d(half), nn.ReLU()) or nil
  self.branch2 = nn.Sequential(conv1x1(stride > 1 and inplanes or half, half), nn.BatchNorm2d(half), nn.ReLU(),
    depthwise(half, stride), nn.BatchNorm2d(half), conv1x1(half, half), nn.BatchNorm2d(half), nn.ReLU())
end

function InvertedResidual:forward(x)
  local left, right = x, x
  if self.branch1 then left = self.branch1(x) else left, right = table.unpack(x:chunk(2, 1)) end
  return shuffle(tensor.cat({left, self.branch2(right)}, 1))
end

local ShuffleNetV2 = nn.class "ShuffleNetV2"

function ShuffleNetV2:init(widths, o)
  local function conv(i, w, kernel, stride)
    return nn.Sequential(nn.Conv2d(i, w, kernel, {stride = stride, padding = kernel // 2, bias = false}),
      nn.BatchNorm2d(w), nn.ReLU())
  end
  local i = widths[1]
  self.conv1 = conv(o.in_chans, i, 3, 2)
  self.maxpool = nn.MaxPool2d(3, 2, {padding = 1})
  for s, n in ipairs {4, 8, 4} do
    local stage, w = nn.Sequential(), widths[s + 1]
    for b = 1, n do
      stage:append(InvertedResidual(i, w, b == 1 and 2 or 1))
      i = w
    end
    self["stage" .. s + 1] = stage
  end
  self.conv5 = conv(i, widths[5], 1, 1)
  self.fc = nn.Linear(widths[5], o.num_classes)
end

function ShuffleNetV2:forward(x)
  x = self.maxpool(self.conv1(x))
  x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
  return self.fc(x:mean {2, 3})
end

local function variant(widths, file, accuracy, megabytes, resize)
  local set = torchvision.set("IMAGENET1K_V1", file, {accuracy = accuracy, megabytes = megabytes, resize = resize})
  return {widths = widths, weights = {set}}
end

local variants = {
  shufflenet_v2_x0_5 = variant({24, 48, 96, 192, 1024}, "shufflenetv2_x0.5-f707e7126e.pth", 60.552, 5.3),
  shufflenet_v2_x1_0 = variant({24, 116, 232, 464, 1024}, "shufflenetv2_x1-5666bf0f80.pth", 69.362, 8.8),
  shufflenet_v2_x1_5 = variant({24, 176, 352, 704, 1024}, "shufflenetv2_x1_5-3c479a10.pth", 72.996, 13.6, 232),
  shufflenet_v2_x2_0 = variant({24, 244, 488, 976, 2048}, "shufflenetv2_x2_0-8be3c8ee.pth", 76.230, 28.4, 232),
}

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  shufflenet_v2_x0_5 = {1366792, 338, 40476448},
  shufflenet_v2_x1_0 = {2278604, 338, 144907992},
  shufflenet_v2_x1_5 = {3503624, 338, 295759392},
  shufflenet_v2_x2_0 = {7393996, 338, 583253464},
}

return {
  counted = counted, variants = variants,
  parts = {InvertedResidual}, stem = "conv1.0", head = "fc", classes = 1000, size = 224,
  build = function(spec, o) return ShuffleNetV2(spec.widths, o) end, -- as layers begin
  mean = torchvision.mean, std = torchvision.std,
}
