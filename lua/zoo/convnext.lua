--- ConvNeXts, with torchvision's names: Liu et al. 2022 (arXiv:2201.03545), a ResNet modernised step by step after the
-- vision transformers: patches at the stem, depthwise 7 × 7, LayerNorm, GELU, an inverted bottleneck of linear layers.
-- Options: stochastic_depth_prob (of the last block, falling to 0 at the first; as the variant's), layer_scale (1e-6;
-- what each block's factors begin as).
local blocks = require "suture.zoo.common.blocks"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"
local ones = require("suture.tensor").ones

local EPS = 1e-6 -- of every LayerNorm

local CNBlock = nn.class "CNBlock"

--- CNBlock(dim[, {layer_scale = 1e-6, drop = 0}]): x + layer_scale · (depthwise 7 × 7, LayerNorm, linear to 4 · dim,
-- GELU, linear back). layer_scale: one learned number per channel, and what it begins as; drop: how often training
-- skips the block.
function CNBlock:init(dim, opts)
  opts = opts or {}
  self.block = nn.Sequential(
    nn.Conv2d(dim, dim, 7, {padding = 3, groups = dim}),
    nn.Permute {0, 2, 3, 1}, -- the linear layers work on channels that lie last
    nn.LayerNorm(dim, EPS),
    nn.Linear(dim, 4 * dim),
    nn.GELU(),
    nn.Linear(4 * dim, dim),
    nn.Permute {0, 3, 1, 2})
  self.layer_scale = nn.Parameter(ones(dim, 1, 1) * (opts.layer_scale or 1e-6))
  self.stochastic_depth = nn.StochasticDepth(opts.drop or 0, "row")
end

function CNBlock:forward(x) return self.stochastic_depth(self.layer_scale * self.block(x)) + x end

local ConvNeXt = nn.class "ConvNeXt"

-- widths, layers: of the four stages. o: num_classes, in_chans, stochastic_depth_prob, layer_scale.
function ConvNeXt:init(widths, layers, o)
  local total, past = 0, 0
  for _, n in ipairs(layers) do total = total + n end
  self.features = nn.Sequential(blocks.conv_norm_act(o.in_chans, widths[1], 4, {
    stride = 4, padding = 0, bias = true, act = false, norm = function(c) return nn.LayerNorm2d(c, EPS) end,
  }))
  for i, width in ipairs(widths) do
    local stage = nn.Sequential()
    for _ = 1, layers[i] do
      stage:append(CNBlock(width, {layer_scale = o.layer_scale, drop = o.stochastic_depth_prob * past / (total - 1)}))
      past = past + 1
    end
    self.features:append(stage)
    if widths[i + 1] then -- half the size, in a layer of its own
      self.features:append(nn.Sequential(nn.LayerNorm2d(width, EPS), nn.Conv2d(width, widths[i + 1], 2, {stride = 2})))
    end
  end
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.classifier = nn.Sequential(nn.LayerNorm2d(widths[4], EPS), nn.Flatten(), nn.Linear(widths[4], o.num_classes))
end

function ConvNeXt:forward(x) return self.classifier(self.avgpool(self.features(x))) end

local function variant(widths, layers, drop, file, set)
  return {widths = widths, layers = layers, drop = drop, weights = {torchvision.set("IMAGENET1K_V1", file, set)}}
end

local variants = {
  convnext_tiny = variant({96, 192, 384, 768}, {3, 3, 9, 3}, 0.1, "convnext_tiny-983f1562.pth",
    {resize = 236, accuracy = 82.520, megabytes = 109.1}),
  convnext_small = variant({96, 192, 384, 768}, {3, 3, 27, 3}, 0.4, "convnext_small-0c510722.pth",
    {resize = 230, accuracy = 83.616, megabytes = 191.7}),
  convnext_base = variant({128, 256, 512, 1024}, {3, 3, 27, 3}, 0.5, "convnext_base-6075fbad.pth",
    {resize = 232, accuracy = 84.062, megabytes = 338.1}),
  convnext_large = variant({192, 384, 768, 1536}, {3, 3, 27, 3}, 0.5, "convnext_large-ea097f82.pth",
    {resize = 232, accuracy = 84.414, megabytes = 754.5}),
}

local function build(spec, o)
  o.stochastic_depth_prob = o.stochastic_depth_prob or spec.drop
  local m = nn.init.skip(function() return ConvNeXt(spec.widths, spec.layers, o) end)
  for sub in m:modules() do
    if getmetatable(sub) == nn.Conv2d or getmetatable(sub) == nn.Linear then
      nn.init.trunc_normal_(sub.weight, 0, 0.02)
      nn.init.zeros_(sub.bias)
    end
  end
  return m
end

-- Names in timm (convnext.py), and in the paper's own files.
local function stage_of(step) return function(s, rest) return ("features.%d.%s"):format(2 * s + step, rest) end end
local theirs = {
  {"^stem%.(.+)$", "features.0.%1"}, {"^stages%.(%d)%.blocks%.(.+)$", stage_of(1)},
  {"^stages%.(%d)%.downsample%.(.+)$", stage_of(0)},
  {"^head%.norm%.(.+)$", "classifier.0.%1"}, {"^head%.fc%.(.+)$", "classifier.2.%1"},
  {"^downsample_layers%.(%d)%.(.+)$", stage_of(0)}, {"^stages%.(%d)%.(%d.+)$", stage_of(1)},
  {"^norm%.(%w+)$", "classifier.0.%1"},
  {"^head%.(%w+)$", "classifier.2.%1"},
}
local parts = { -- of a block
  gamma = "layer_scale", conv_dw = "block.0", dwconv = "block.0", norm = "block.2",
  ["mlp.fc1"] = "block.3", pwconv1 = "block.3", ["mlp.fc2"] = "block.5", pwconv2 = "block.5",
}
local function rename(name)
  local new = names.first(name, theirs)
  if not new then return name end
  local block, rest = new:match "^(features%.%d%.%d+)%.(.+)$"
  if not block then return new end
  local part, kind = rest:match "^(.+)(%.%a+)$"
  if not part then part, kind = rest, "" end
  return parts[part] and block .. "." .. parts[part] .. kind or new
end

local function adapt(_, given, wanted) return names.squeezed(given, wanted) end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  convnext_base = {88591464, 344, 15354729472},
  convnext_large = {197767336, 344, 34361433600},
  convnext_small = {50223688, 344, 8683712256},
  convnext_tiny = {28589128, 182, 4455531264},
}

return {
  counted = counted, variants = variants,
  parts = {CNBlock}, build = build, rename = rename, adapt = adapt, stem = "features.0.0", head = "classifier.2",
  classes = 1000, size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "stochastic_depth_prob:prob=nil layer_scale:num=1e-6",
}
