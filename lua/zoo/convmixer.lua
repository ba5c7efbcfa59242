--- ConvMixer, with timm's names: Trockman & Kolter 2022 (arXiv:2201.09792). Patches as in vision transformers, then
-- blocks of one shape at one resolution: a depthwise convolution with a large kernel mixes places, a 1 × 1 convolution
-- mixes channels. An architecture is called by its width and depth, as in the paper's table 1. No weights are published
-- under these names here.
-- Options: dropout (0), before the head.
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"

local Residual = nn.class "Residual"

--- Residual(fn): x + fn(x).
function Residual:init(fn) self.fn = fn end
function Residual:forward(x) return self.fn(x) + x end

local ConvMixer = nn.class "ConvMixer"

function ConvMixer:init(spec, o)
  local dim, act = spec.dim, spec.act
  self.stem = nn.Sequential(nn.Conv2d(o.in_chans, dim, spec.patch, {stride = spec.patch}), act(), nn.BatchNorm2d(dim))
  self.blocks = nn.Sequential()
  for _ = 1, spec.depth do
    local depthwise = nn.Conv2d(dim, dim, spec.kernel, {groups = dim, padding = spec.kernel // 2})
    self.blocks:append(nn.Sequential(Residual(nn.Sequential(depthwise, act(), nn.BatchNorm2d(dim))),
      nn.Conv2d(dim, dim, 1), act(), nn.BatchNorm2d(dim)))
  end
  self.pooling = nn.AdaptiveAvgPool2d(1)
  self.head_drop = nn.Dropout(o.dropout)
  self.head = nn.Linear(dim, o.num_classes)
end

function ConvMixer:forward(x)
  x = self.pooling(self.blocks(self.stem(x)))
  return self.head(self.head_drop(nn.functional.flatten(x, 1)))
end

local variants = {
  convmixer_768_32 = {dim = 768, depth = 32, kernel = 7, patch = 7, act = nn.ReLU},
  convmixer_1024_20_ks9_p14 = {dim = 1024, depth = 20, kernel = 9, patch = 14, act = nn.GELU},
  convmixer_1536_20 = {dim = 1536, depth = 20, kernel = 9, patch = 7, act = nn.GELU},
}

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  convmixer_768_32 = {21110248, 457, 20676851712},
  convmixer_1024_20_ks9_p14 = {24383464, 289, 5948547072},
  convmixer_1536_20 = {51625960, 289, 51099168768},
}

return {
  counted = counted, variants = variants,
  parts = {Residual}, stem = "stem.0", head = "head", classes = 1000, size = 224,
  build = function(spec, o) return ConvMixer(spec, o) end, -- as layers begin
  mean = torchvision.mean, std = torchvision.std, options = "dropout:prob=0", test = {parity = {last = {"0.fn.2"}}},
}
