--- EfficientNets, with torchvision's names: Tan & Le 2019 (arXiv:1905.11946) and EfficientNetV2, 2021
-- (arXiv:2104.00298). Inverted residuals (MobileNetV2) with channel attention; B1 to B7 are B0 made wider, deeper and
-- finer by one rule, V2 begins with blocks in which expansion and depthwise convolution are one.
-- Options: dropout (before the head; as the variant's), stochastic_depth_prob (0.2; of the last block, falling to 0 at
-- the first), eps (BatchNorm's; as the variant's).
local blocks = require "suture.zoo.common.blocks"
local nn = require "suture.nn"
local timm = require "suture.zoo.common.timm"
local torchvision = require "suture.zoo.common.torchvision"

-- BatchNorm as a block's options say.
local function norm_of(o)
  return function(channels) return nn.BatchNorm2d(channels, {eps = o.eps or 1e-5, momentum = o.momentum or 0.1}) end
end

-- What both kinds of blocks have around their layers: the way past them, where the shape stays.
local function residual(self, i, o, opts)
  self.passes = (opts.stride or 1) == 1 and i == o
  self.stochastic_depth = nn.StochasticDepth(opts.drop or 0, "row")
end

local function forward(self, x)
  local y = self.block(x)
  return self.passes and self.stochastic_depth(y) + x or y
end

local MBConv = nn.class "MBConv"

--- MBConv(i, o[, {expand = 1, kernel = 3, stride = 1, drop = 0, eps =, momentum =}]): 1 × 1 to i · expand channels, a
-- depthwise convolution, channel attention that squeezes to i / 4, and 1 × 1 to o. drop: how often training skips it;
-- eps, momentum: BatchNorm's.
function MBConv:init(i, o, opts)
  opts = opts or {}
  local norm, wide = norm_of(opts), i * (opts.expand or 1)
  self.block = nn.Sequential()
  if wide ~= i then self.block:append(blocks.conv_norm_act(i, wide, 1, {norm = norm, act = nn.SiLU})) end
  self.block:append(blocks.conv_norm_act(wide, wide, opts.kernel or 3,
    {stride = opts.stride, groups = wide, norm = norm, act = nn.SiLU}))
  self.block:append(nn.SqueezeExcitation(wide, math.max(1, i // 4), {activation = nn.SiLU}))
  self.block:append(blocks.conv_norm_act(wide, o, 1, {norm = norm, act = false}))
  residual(self, i, o, opts)
end
MBConv.forward = forward

local FusedMBConv = nn.class "FusedMBConv"

--- FusedMBConv(i, o[, {expand = 1, kernel = 3, stride = 1, drop = 0, eps =, momentum =}]): one full convolution to i ·
-- expand channels and 1 × 1 to o, or the convolution alone where nothing expands.
function FusedMBConv:init(i, o, opts)
  opts = opts or {}
  local norm, wide = norm_of(opts), i * (opts.expand or 1)
  self.block = nn.Sequential(blocks.conv_norm_act(i, wide ~= i and wide or o, opts.kernel or 3,
    {stride = opts.stride, norm = norm, act = nn.SiLU}))
  if wide ~= i then self.block:append(blocks.conv_norm_act(wide, o, 1, {norm = norm, act = false})) end
  residual(self, i, o, opts)
end
FusedMBConv.forward = forward

local EfficientNet = nn.class "EfficientNet"

-- spec: stages, last (channels before the head), momentum. o: num_classes, in_chans, dropout, stochastic_depth_prob,
-- eps.
function EfficientNet:init(spec, o)
  local norm, total, past = norm_of {eps = o.eps, momentum = spec.momentum}, 0, 0
  for _, s in ipairs(spec.stages) do total = total + s.layers end
  self.features = nn.Sequential(blocks.conv_norm_act(o.in_chans, spec.stages[1].i, 3,
    {stride = 2, norm = norm, act = nn.SiLU}))
  for _, s in ipairs(spec.stages) do
    local stage = nn.Sequential()
    for b = 1, s.layers do
      stage:append(s.block(b == 1 and s.i or s.o, s.o, {
        expand = s.expand, kernel = s.kernel, stride = b == 1 and s.stride or 1,
        drop = o.stochastic_depth_prob * past / total, eps = o.eps, momentum = spec.momentum,
      }))
      past = past + 1
    end
    self.features:append(stage)
  end
  self.features:append(blocks.conv_norm_act(spec.stages[#spec.stages].o, spec.last, 1, {norm = norm, act = nn.SiLU}))
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.classifier = nn.Sequential(nn.Dropout(o.dropout), nn.Linear(spec.last, o.num_classes))
end

function EfficientNet:forward(x)
  return self.classifier(nn.functional.flatten(self.avgpool(self.features(x)), 1))
end

-- Rows: block, expansion, kernel, stride, channels in, channels out, layers. B0 is table 1 of the first paper; B1 to B7
-- have `width` times its channels, in whole eights, and `depth` times its layers.
local B0 = {
  {MBConv, 1, 3, 1, 32, 16, 1}, {MBConv, 6, 3, 2, 16, 24, 2}, {MBConv, 6, 5, 2, 24, 40, 2},
  {MBConv, 6, 3, 2, 40, 80, 3}, {MBConv, 6, 5, 1, 80, 112, 3}, {MBConv, 6, 5, 2, 112, 192, 4},
  {MBConv, 6, 3, 1, 192, 320, 1},
}
local S = { -- table 4 of the second paper, as published in the end
  {FusedMBConv, 1, 3, 1, 24, 24, 2}, {FusedMBConv, 4, 3, 2, 24, 48, 4}, {FusedMBConv, 4, 3, 2, 48, 64, 4},
  {MBConv, 4, 3, 2, 64, 128, 6}, {MBConv, 6, 3, 1, 128, 160, 9}, {MBConv, 6, 3, 2, 160, 256, 15},
}
local M = {
  {FusedMBConv, 1, 3, 1, 24, 24, 3}, {FusedMBConv, 4, 3, 2, 24, 48, 5}, {FusedMBConv, 4, 3, 2, 48, 80, 5},
  {MBConv, 4, 3, 2, 80, 160, 7}, {MBConv, 6, 3, 1, 160, 176, 14}, {MBConv, 6, 3, 2, 176, 304, 18},
  {MBConv, 6, 3, 1, 304, 512, 5},
}
local L = {
  {FusedMBConv, 1, 3, 1, 32, 32, 4}, {FusedMBConv, 4, 3, 2, 32, 64, 7}, {FusedMBConv, 4, 3, 2, 64, 96, 7},
  {MBConv, 4, 3, 2, 96, 192, 10}, {MBConv, 6, 3, 1, 192, 224, 19}, {MBConv, 6, 3, 2, 224, 384, 25},
  {MBConv, 6, 3, 1, 384, 640, 7},
}

local function stages(rows, width, depth)
  local out = {}
  for k, r in ipairs(rows) do
    out[k] = {block = r[1], expand = r[2], kernel = r[3], stride = r[4], i = blocks.divisible(r[5] * width),
      o = blocks.divisible(r[6] * width), layers = math.ceil(r[7] * depth)}
  end
  return out
end

-- Published sets: {file, accuracy, megabytes, resize, crop, interpolation (bicubic unless said), mean, std}.
local function sets(...)
  local out = {}
  for k, s in ipairs {...} do
    s.interpolation = s.interpolation or "bicubic"
    out[k] = torchvision.set("IMAGENET1K_V" .. k, s[1], s)
  end
  return out
end

local function b(width, depth, dropout, ...)
  local s = stages(B0, width, depth)
  return {stages = s, last = 4 * s[#s].o, dropout = dropout, weights = sets(...)}
end

-- The BatchNorm of TensorFlow's training, where the weights come from there.
local function slow(spec)
  spec.eps, spec.momentum = 1e-3, 0.01
  return spec
end

local function v2(rows, dropout, set)
  return {stages = stages(rows, 1, 1), last = 1280, dropout = dropout, eps = 1e-3, weights = sets(set)}
end

local variants = {
  efficientnet_b0 = b(1.0, 1.0, 0.2,
    {"efficientnet_b0_rwightman-3dd342df.pth", accuracy = 77.692, megabytes = 20.5, resize = 256, crop = 224}),
  efficientnet_b1 = b(1.0, 1.1, 0.2,
    {"efficientnet_b1_rwightman-533bc792.pth", accuracy = 78.642, megabytes = 30.1, resize = 256, crop = 240},
    {"efficientnet_b1-c27df63c.pth", accuracy = 79.838, megabytes = 30.1, resize = 255, crop = 240,
      interpolation = "bilinear"}),
  efficientnet_b2 = b(1.1, 1.2, 0.3,
    {"efficientnet_b2_rwightman-bcdf34b7.pth", accuracy = 80.608, megabytes = 35.2, resize = 288, crop = 288}),
  efficientnet_b3 = b(1.2, 1.4, 0.3,
    {"efficientnet_b3_rwightman-cf984f9c.pth", accuracy = 82.008, megabytes = 47.2, resize = 320, crop = 300}),
  efficientnet_b4 = b(1.4, 1.8, 0.4,
    {"efficientnet_b4_rwightman-7eb33cd5.pth", accuracy = 83.384, megabytes = 74.5, resize = 384, crop = 380}),
  efficientnet_b5 = slow(b(1.6, 2.2, 0.4,
    {"efficientnet_b5_lukemelas-b6417697.pth", accuracy = 83.444, megabytes = 116.9, resize = 456, crop = 456})),
  efficientnet_b6 = slow(b(1.8, 2.6, 0.5,
    {"efficientnet_b6_lukemelas-c76e70fd.pth", accuracy = 84.008, megabytes = 165.4, resize = 528, crop = 528})),
  efficientnet_b7 = slow(b(2.0, 3.1, 0.5,
    {"efficientnet_b7_lukemelas-dcc49843.pth", accuracy = 84.122, megabytes = 254.7, resize = 600, crop = 600})),
  efficientnet_v2_s = v2(S, 0.2,
    {"efficientnet_v2_s-dd5fe13b.pth", accuracy = 84.228, megabytes = 82.7, resize = 384, crop = 384,
      interpolation = "bilinear"}),
  efficientnet_v2_m = v2(M, 0.3,
    {"efficientnet_v2_m-dc08266a.pth", accuracy = 85.112, megabytes = 208.0, resize = 480, crop = 480,
      interpolation = "bilinear"}),
  efficientnet_v2_l = v2(L, 0.4,
    {"efficientnet_v2_l-59c71312.pth", accuracy = 85.808, megabytes = 454.6, resize = 480, crop = 480,
      mean = {0.5, 0.5, 0.5}, std = {0.5, 0.5, 0.5}}),
}

local function build(spec, o)
  o.dropout, o.eps = o.dropout or spec.dropout, o.eps or spec.eps
  local m = nn.init.skip(function() return EfficientNet(spec, o) end)
  blocks.reset_convolutions(m)
  local head = m.classifier[1]
  local bound = 1 / math.sqrt(head.out_features)
  nn.init.uniform_(head.weight, -bound, bound)
  nn.init.zeros_(head.bias)
  return m
end

-- Names in timm (efficientnet.py) of B0 to B7. Those it calls tf_efficientnet_… fill up borders another way, which no
-- name tells.
local rename = timm.rename(
  {conv_stem = "features.0.0", bn1 = "features.0.1", conv_head = "features.8.0", bn2 = "features.8.1",
    classifier = "classifier.1"},
  function(at) return ("features.%d.%d.block.%d.%s%s"):format(at.stage + 1, at.block, at.layer, at.part, at.kind) end)

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  efficientnet_b0 = {5288548, 360, 385814752},
  efficientnet_b1 = {7794184, 508, 686802832},
  efficientnet_b2 = {9109994, 508, 1087529456},
  efficientnet_b3 = {12233232, 574, 1827141392},
  efficientnet_b4 = {19341616, 706, 4393771024},
  efficientnet_b5 = {30389784, 854, 10266384752},
  efficientnet_b6 = {43040704, 986, 19067593536},
  efficientnet_b7 = {66347960, 1200, 37745884192},
  efficientnet_v2_l = {118515272, 1548, 56079699008},
  efficientnet_v2_m = {54139356, 1120, 24582460384},
  efficientnet_v2_s = {21458488, 782, 8365617152},
}

return {
  counted = counted, variants = variants,
  parts = {MBConv, FusedMBConv}, build = build, rename = rename, settings = timm.settings,
  stem = "features.0.0", head = "classifier.1",
  classes = 1000, size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=nil stochastic_depth_prob:prob=0.2 eps:positive=nil",
  test = {also = {"efficientnet_v2_s"}, parity = {last = {"block.3.1", "block.2.1", "block.1.1", "block.0.1"}}},
}
