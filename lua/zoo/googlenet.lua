--- GoogLeNet (Inception v1) with torchvision's names: Szegedy et al. 2014 (arXiv:1409.4842), table 1, with BatchNorm in
-- place of local response normalisation, and 3 × 3 where the paper has 5 × 5.
-- Options: aux_logits (true; with weights: false): whether there are auxiliary heads, which run in training alone and
-- train with m.aux_weight. transform_input (false; with weights: true): whether pictures are renormalised to what
-- TensorFlow's weights want. dropout (0.2), dropout_aux (0.7): in front of the heads.
local inception = require "suture.zoo.common.inception"
local nn = require "suture.nn"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"
local F, conv = nn.functional, inception.BasicConv2d()

local Inception = nn.class "Inception"

--- Inception(inplanes, n1, {reduce, n3}, {reduce, n5}, pool): four branches side by side, joined along the channels: 1
-- × 1; 1 × 1 and 3 × 3; once more; pooling and 1 × 1.
function Inception:init(inplanes, n1, n3, n5, pool)
  self.branch1 = conv(inplanes, n1, 1)
  self.branch2 = nn.Sequential(conv(inplanes, n3[1], 1), conv(n3[1], n3[2], 3, {padding = 1}))
  self.branch3 = nn.Sequential(conv(inplanes, n5[1], 1), conv(n5[1], n5[2], 3, {padding = 1}))
  self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, {padding = 1, ceil_mode = true}), conv(inplanes, pool, 1))
end

function Inception:forward(x)
  return tensor.cat({self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)}, 1)
end

local InceptionAux = nn.class "InceptionAux"

--- InceptionAux(inplanes, num_classes, dropout): a classifier half-way, which carries gradient to the layers below it
-- in training.
function InceptionAux:init(inplanes, num_classes, dropout)
  self.conv = conv(inplanes, 128, 1)
  self.fc1 = nn.Linear(2048, 1024)
  self.fc2 = nn.Linear(1024, num_classes)
  self.dropout = nn.Dropout(dropout)
end

function InceptionAux:forward(x)
  x = F.flatten(self.conv(F.adaptive_avg_pool2d(x, 4)), 1)
  return self.fc2(self.dropout(F.relu(self.fc1(x))))
end

local GoogLeNet = nn.class "GoogLeNet"
--- m.aux_weight: what the loss of each auxiliary head counts in fit, beside 1 for the main one: 0.3, section 5 of the
-- paper.
GoogLeNet.aux_weight = 0.3
GoogLeNet.aux_heads = {"aux1.fc2", "aux2.fc2"}

function GoogLeNet:init(o)
  self.transform_input = o.transform_input and o.in_chans == 3 -- of other channels nothing is known
  self.conv1 = conv(o.in_chans, 64, 7, {stride = 2, padding = 3})
  self.maxpool1 = nn.MaxPool2d(3, 2, {ceil_mode = true})
  self.conv2 = conv(64, 64, 1)
  self.conv3 = conv(64, 192, 3, {padding = 1})
  self.maxpool2 = nn.MaxPool2d(3, 2, {ceil_mode = true})
  self.inception3a = Inception(192, 64, {96, 128}, {16, 32}, 32)
  self.inception3b = Inception(256, 128, {128, 192}, {32, 96}, 64)
  self.maxpool3 = nn.MaxPool2d(3, 2, {ceil_mode = true})
  self.inception4a = Inception(480, 192, {96, 208}, {16, 48}, 64)
  self.inception4b = Inception(512, 160, {112, 224}, {24, 64}, 64)
  self.inception4c = Inception(512, 128, {128, 256}, {24, 64}, 64)
  self.inception4d = Inception(512, 112, {144, 288}, {32, 64}, 64)
  self.inception4e = Inception(528, 256, {160, 320}, {32, 128}, 128)
  self.maxpool4 = nn.MaxPool2d(2, 2, {ceil_mode = true})
  self.inception5a = Inception(832, 256, {160, 320}, {32, 128}, 128)
  self.inception5b = Inception(832, 384, {192, 384}, {48, 128}, 128)
  self.aux1 = o.aux_logits and InceptionAux(512, o.num_classes, o.dropout_aux) or nil
  self.aux2 = o.aux_logits and InceptionAux(528, o.num_classes, o.dropout_aux) or nil
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.dropout = nn.Dropout(o.dropout)
  self.fc = nn.Linear(1024, o.num_classes)
end

-- In training: the logits, those of aux2 and those of aux1, where there are auxiliary heads. Otherwise the logits.
function GoogLeNet:forward(x)
  local learns, aux1, aux2 = self:_aux_runs(self.aux1, self.aux2), nil, nil
  if self.transform_input then x = inception.recolour(x) end
  x = self.maxpool1(self.conv1(x))
  x = self.maxpool2(self.conv3(self.conv2(x)))
  x = self.maxpool3(self.inception3b(self.inception3a(x)))
  x = self.inception4a(x)
  if learns and self.aux1 then aux1 = self.aux1(x) end
  x = self.inception4d(self.inception4c(self.inception4b(x)))
  if learns and self.aux2 then aux2 = self.aux2(x) end
  x = self.maxpool4(self.inception4e(x))
  x = self.avgpool(self.inception5b(self.inception5a(x)))
  x = self.fc(self.dropout(F.flatten(x, 1)))
  if aux1 or aux2 then return x, aux2, aux1 end
  return x
end

local function build(_, o)
  local m = nn.init.skip(GoogLeNet, o)
  inception.draw(m, function() return 0.01 end)
  return m
end

-- Files do not say whether their pictures were recoloured: see `options` of the published set. Those of other channels
-- were not.
local function options_from(shapes)
  local o = {aux_logits = shapes:has "aux1."}
  if shapes:dim("conv1.conv.weight", 2) ~= 3 then o.transform_input = false end
  return o
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  googlenet = {13004888, 364, 1506748416},
}

return {
  counted = counted,
  variants = {googlenet = {weights = {torchvision.set("IMAGENET1K_V1", "googlenet-1378be20.pth",
    -- Its heads are untrained.
    {accuracy = 69.778, megabytes = 49.7, options = {transform_input = true, aux_logits = false}})}}},
  parts = {Inception, InceptionAux, conv}, build = build, stem = "conv1.conv", head = "fc", classes = 1000, size = 224,
  mean = torchvision.mean, std = torchvision.std,
  options = "aux_logits:bool=true transform_input:bool=false dropout:prob=0.2 dropout_aux:prob=0.7",
  options_from = options_from, test = {parity = {arguments = {init_weights = false}}},
}
