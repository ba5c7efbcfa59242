--- MobileNetV3 with torchvision's names: Howard et al. 2019 (arXiv:1905.02244), tables 1 and 2.
-- Options: width_mult (1): factor of all widths. reduced_tail (false): half as many channels in the last blocks.
-- dilated (false): the last blocks dilated instead of halving the picture once more. dropout (0.2), before the head.
-- eps (0.001): BatchNorm's.
local blocks = require "suture.zoo.common.blocks"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local timm = require "suture.zoo.common.timm"
local torchvision = require "suture.zoo.common.torchvision"
local divisible = blocks.divisible

local function conv(i, o, kernel, eps, act, opts)
  opts = opts or {}
  opts.norm, opts.act = function(channels) return nn.BatchNorm2d(channels, {eps = eps, momentum = 0.01}) end, act
  return blocks.conv_norm_act(i, o, kernel, opts)
end

local InvertedResidual = nn.class "InvertedResidual"

--- InvertedResidual(inplanes, planes, {kernel =, expanded =, squeeze =, act =, stride =, dilation =, eps = 0.001}): 1 ×
-- 1 to `expanded` channels, depthwise, channel attention where `squeeze`, 1 × 1 to planes with no activation; what came
-- in is added where it has the same shape. act: "ReLU" or "Hardswish"; eps: BatchNorm's.
function InvertedResidual:init(inplanes, planes, o)
  local act, expanded, eps = nn[o.act], o.expanded, o.eps or 0.001
  self.block = nn.Sequential()
  if expanded ~= inplanes then self.block:append(conv(inplanes, expanded, 1, eps, act)) end
  self.block:append(conv(expanded, expanded, o.kernel, eps, act,
    {stride = o.dilation == 1 and o.stride or 1, groups = expanded, dilation = o.dilation}))
  if o.squeeze then
    self.block:append(nn.SqueezeExcitation(expanded, divisible(expanded // 4), {scale_activation = nn.Hardsigmoid}))
  end
  self.block:append(conv(expanded, planes, 1, eps, false))
  self.adds = o.stride == 1 and inplanes == planes
end

function InvertedResidual:forward(x)
  if self.adds then return self.block(x) + x end
  return self.block(x)
end

local MobileNetV3 = nn.class "MobileNetV3"

function MobileNetV3:init(rows, last, o)
  local function width(channels) return divisible(channels * o.width_mult) end
  local i = width(16)
  self.features = nn.Sequential(conv(o.in_chans, i, 3, o.eps, nn.Hardswish, {stride = 2}))
  for r, row in ipairs(rows) do
    local kernel, expanded, planes, squeeze, act, stride = table.unpack(row)
    -- The last three blocks work on a picture 32 times smaller, or on one 16 times smaller, dilated.
    local tail = r > #rows - 3
    if o.reduced_tail and tail then
      expanded, planes = r > #rows - 2 and expanded // 2 or expanded, planes // 2
    end
    planes = width(planes)
    self.features:append(InvertedResidual(i, planes, {
      kernel = kernel, expanded = width(expanded), squeeze = squeeze, act = act, stride = stride,
      dilation = o.dilated and tail and 2 or 1, eps = o.eps,
    }))
    i = planes
  end
  self.features:append(conv(i, 6 * i, 1, o.eps, nn.Hardswish))
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  local hidden = width(o.reduced_tail and last // 2 or last)
  self.classifier = nn.Sequential(nn.Linear(6 * i, hidden), nn.Hardswish(), nn.Dropout(o.dropout),
    nn.Linear(hidden, o.num_classes))
end

function MobileNetV3:forward(x) return self.classifier(nn.functional.flatten(self.avgpool(self.features(x)), 1)) end

-- Kernel, expanded channels, channels, channel attention, activation, stride.
local RE, HS = "ReLU", "Hardswish"
local variants = {
  mobilenet_v3_large = {last = 1280, rows = {
    {3, 16, 16, false, RE, 1}, {3, 64, 24, false, RE, 2}, {3, 72, 24, false, RE, 1}, {5, 72, 40, true, RE, 2},
    {5, 120, 40, true, RE, 1}, {5, 120, 40, true, RE, 1}, {3, 240, 80, false, HS, 2}, {3, 200, 80, false, HS, 1},
    {3, 184, 80, false, HS, 1}, {3, 184, 80, false, HS, 1}, {3, 480, 112, true, HS, 1}, {3, 672, 112, true, HS, 1},
    {5, 672, 160, true, HS, 2}, {5, 960, 160, true, HS, 1}, {5, 960, 160, true, HS, 1},
  }, weights = {
    torchvision.set("IMAGENET1K_V1", "mobilenet_v3_large-8738ca79.pth", {accuracy = 74.042, megabytes = 21.1}),
    torchvision.set("IMAGENET1K_V2", "mobilenet_v3_large-5c1a4163.pth",
      {accuracy = 75.274, megabytes = 21.1, resize = 232}),
  }},
  mobilenet_v3_small = {last = 1024, rows = {
    {3, 16, 16, true, RE, 2}, {3, 72, 24, false, RE, 2}, {3, 88, 24, false, RE, 1}, {5, 96, 40, true, HS, 2},
    {5, 240, 40, true, HS, 1}, {5, 240, 40, true, HS, 1}, {5, 120, 48, true, HS, 1}, {5, 144, 48, true, HS, 1},
    {5, 288, 96, true, HS, 2}, {5, 576, 96, true, HS, 1}, {5, 576, 96, true, HS, 1},
  }, weights = {
    torchvision.set("IMAGENET1K_V1", "mobilenet_v3_small-047dcff4.pth", {accuracy = 67.668, megabytes = 9.8}),
  }},
}

local function build(spec, o)
  local m = nn.init.skip(MobileNetV3, spec.rows, spec.last, o)
  blocks.reset_convolutions(m)
  for _, linear in m:find(nn.Linear) do blocks.reset_linear(linear) end
  return m
end

-- Names in timm (mobilenetv3.py), where the last hidden layer is a 1 × 1 convolution.
local rename = timm.rename(
  {conv_stem = "features.0.0", bn1 = "features.0.1", conv_head = "classifier.0", classifier = "classifier.3"},
  function(at)
    if at.alone then return ("features.%d.%s%s"):format(at.before + 1, at.part, at.kind) end
    return ("features.%d.block.%d.%s%s"):format(at.before + 1, at.layer, at.part, at.kind)
  end)

-- width_mult among the paper's, and a reduced tail; `dilated` leaves no trace.
local function options_from(shapes, spec)
  local made = {}
  for _, width in ipairs {1, 1.25, 0.75, 0.5, 0.35} do
    for _, reduced in ipairs {1, 2} do made[#made + 1] = {width, reduced} end
  end
  local rows = spec.rows
  local best = shapes:best(made, function(o)
    local width, reduced = o[1], o[2]
    return shapes:is("features.0.0.weight", 1, divisible(16 * width))
      + shapes:is("classifier.0.weight", 1, divisible(spec.last // reduced * width))
      + shapes:is(("features.%d.0.weight"):format(#rows + 1), 2, divisible(rows[#rows][3] // reduced * width))
      + shapes:is("features.2.block.0.0.weight", 1, divisible(rows[2][2] * width))
      + shapes:is("features.3.block.0.0.weight", 1, divisible(rows[3][2] * width))
  end)
  return {width_mult = best[1] ~= 1 and best[1] or nil, reduced_tail = best[2] == 2 or nil}
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  mobilenet_v3_large = {5483032, 312, 216589760},
  mobilenet_v3_small = {2542856, 244, 56510400},
}

return {
  counted = counted, variants = variants,
  parts = {InvertedResidual}, build = build, rename = rename, settings = timm.settings,
  adapt = function(_, given, shape) return names.squeezed(given, shape) end,
  stem = "features.0.0", head = "classifier.3", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=0.2 width_mult:positive=1 reduced_tail:bool=false dilated:bool=false eps:positive=0.001",
  options_from = options_from,
}
