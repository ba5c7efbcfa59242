--- SqueezeNet with torchvision's names: Iandola et al. 2016 (arXiv:1602.07360); 1_1 is the authors' later one, of 2.4
-- times less work. The head is a convolution; global pooling comes behind it.
-- Options: dropout (0.5), before the head.
local nn = require "suture.nn"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"

local Fire = nn.class "Fire"

--- Fire(inplanes, squeeze, expand): a 1 × 1 convolution to `squeeze` channels, then 1 × 1 and 3 × 3 side by side to
-- `expand` each.
function Fire:init(inplanes, squeeze, expand)
  self.squeeze = nn.Conv2d(inplanes, squeeze, 1)
  self.squeeze_activation = nn.ReLU()
  self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
  self.expand1x1_activation = nn.ReLU()
  self.expand3x3 = nn.Conv2d(squeeze, expand, 3, {padding = 1})
  self.expand3x3_activation = nn.ReLU()
end

function Fire:forward(x)
  x = self.squeeze_activation(self.squeeze(x))
  return tensor.cat({self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))}, 1)
end

local SqueezeNet = nn.class "SqueezeNet"

-- v: the variant; "pool" among its parts stands for a pooling that halves the picture.
function SqueezeNet:init(v, o)
  self.features = nn.Sequential(nn.Conv2d(o.in_chans, v.stem[1], v.stem[2], {stride = 2}), nn.ReLU())
  local i = v.stem[1]
  for _, part in ipairs(v.parts) do
    if part == "pool" then self.features:append(nn.MaxPool2d(3, 2, {ceil_mode = true}))
    else
      local squeeze, expand = part[1], part[2]
      self.features:append(Fire(i, squeeze, expand))
      i = 2 * expand
    end
  end
  self.classifier = nn.Sequential(nn.Dropout(o.dropout), nn.Conv2d(512, o.num_classes, 1), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1))
end

function SqueezeNet:forward(x) return nn.functional.flatten(self.classifier(self.features(x)), 1) end

local variants = {
  squeezenet1_0 = {
    stem = {96, 7},
    parts = {
      "pool", {16, 64}, {16, 64}, {32, 128}, "pool", {32, 128}, {48, 192}, {48, 192}, {64, 256}, "pool", {64, 256},
    },
    weights = {torchvision.set("IMAGENET1K_V1", "squeezenet1_0-b66bff10.pth",
      {accuracy = 58.092, megabytes = 4.8, also = {"squeezenet1_0-a815701f.pth"}})},
  },
  squeezenet1_1 = {
    stem = {64, 3},
    parts = {
      "pool", {16, 64}, {16, 64}, "pool", {32, 128}, {32, 128}, "pool", {48, 192}, {48, 192}, {64, 256}, {64, 256},
    },
    weights = {torchvision.set("IMAGENET1K_V1", "squeezenet1_1-b8a52dc0.pth",
      {accuracy = 58.178, megabytes = 4.7, also = {"squeezenet1_1-f364aa15.pth"}})},
  },
}

local function build(spec, o)
  local m = nn.init.skip(SqueezeNet, spec, o)
  local head = m.classifier[1]
  for _, conv in m:find(nn.Conv2d) do
    if conv == head then nn.init.normal_(conv.weight, 0, 0.01) else nn.init.kaiming_uniform_(conv.weight) end
    nn.init.zeros_(conv.bias)
  end
  return m
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  squeezenet1_0 = {1248424, 52, 818924576},
  squeezenet1_1 = {1235496, 52, 349151936},
}

return {
  counted = counted, variants = variants,
  parts = {Fire}, build = build, stem = "features.0", head = "classifier.1", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std,
  options = "dropout:prob=0.5",
  test = {lr = 1e-3, falls = 0.995}, -- of a random head little passes the ReLU behind it
}
