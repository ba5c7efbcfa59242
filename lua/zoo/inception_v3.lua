--- Inception v3 with torchvision's names, those of TensorFlow: Szegedy et al. 2015 (arXiv:1512.00567), table 1, for
-- pictures of 299.
-- Options: aux_logits (true): whether there is an auxiliary head, which runs in training alone and
-- trains with m.aux_weight. transform_input (false; with weights: true): whether pictures are renormalised to what
-- TensorFlow's weights want. dropout (0.5).
local inception = require "suture.zoo.common.inception"
local nn = require "suture.nn"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"
local F, conv = nn.functional, inception.BasicConv2d()

-- The blocks: branches side by side, joined along the channels. Their names count the convolutions of a branch.

local InceptionA = nn.class "InceptionA"

--- InceptionA(inplanes, pool): 1 × 1; 5 × 5; 3 × 3 twice; pooling (figure 5).
function InceptionA:init(inplanes, pool)
  self.branch1x1 = conv(inplanes, 64, 1)
  self.branch5x5_1 = conv(inplanes, 48, 1)
  self.branch5x5_2 = conv(48, 64, 5, {padding = 2})
  self.branch3x3dbl_1 = conv(inplanes, 64, 1)
  self.branch3x3dbl_2 = conv(64, 96, 3, {padding = 1})
  self.branch3x3dbl_3 = conv(96, 96, 3, {padding = 1})
  self.branch_pool = conv(inplanes, pool, 1)
end

local function pooled(x) return F.avg_pool2d(x, 3, 1, 1) end

function InceptionA:forward(x)
  return tensor.cat({self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)),
    self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))), self.branch_pool(pooled(x))}, 1)
end

local InceptionB = nn.class "InceptionB"

--- InceptionB(inplanes): half the picture: 3 × 3; 3 × 3 twice; pooling (figure 10).
function InceptionB:init(inplanes)
  self.branch3x3 = conv(inplanes, 384, 3, {stride = 2})
  self.branch3x3dbl_1 = conv(inplanes, 64, 1)
  self.branch3x3dbl_2 = conv(64, 96, 3, {padding = 1})
  self.branch3x3dbl_3 = conv(96, 96, 3, {stride = 2})
end

function InceptionB:forward(x)
  return tensor.cat({
    self.branch3x3(x), self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))), F.max_pool2d(x, 3, 2),
  }, 1)
end

local InceptionC = nn.class "InceptionC"
local row, column = {padding = {0, 3}}, {padding = {3, 0}}

--- InceptionC(inplanes, c7): 7 × 7 as 1 × 7 and 7 × 1, once and twice, with c7 channels inside (figure 6).
function InceptionC:init(inplanes, c7)
  self.branch1x1 = conv(inplanes, 192, 1)
  self.branch7x7_1 = conv(inplanes, c7, 1)
  self.branch7x7_2 = conv(c7, c7, {1, 7}, row)
  self.branch7x7_3 = conv(c7, 192, {7, 1}, column)
  self.branch7x7dbl_1 = conv(inplanes, c7, 1)
  self.branch7x7dbl_2 = conv(c7, c7, {7, 1}, column)
  self.branch7x7dbl_3 = conv(c7, c7, {1, 7}, row)
  self.branch7x7dbl_4 = conv(c7, c7, {7, 1}, column)
  self.branch7x7dbl_5 = conv(c7, 192, {1, 7}, row)
  self.branch_pool = conv(inplanes, 192, 1)
end

function InceptionC:forward(x)
  local twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
  return tensor.cat({self.branch1x1(x), self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
    self.branch7x7dbl_5(self.branch7x7dbl_4(twice)), self.branch_pool(pooled(x))}, 1)
end

local InceptionD = nn.class "InceptionD"

--- InceptionD(inplanes): half the picture: 3 × 3; 1 × 7, 7 × 1 and 3 × 3; pooling.
function InceptionD:init(inplanes)
  self.branch3x3_1 = conv(inplanes, 192, 1)
  self.branch3x3_2 = conv(192, 320, 3, {stride = 2})
  self.branch7x7x3_1 = conv(inplanes, 192, 1)
  self.branch7x7x3_2 = conv(192, 192, {1, 7}, row)
  self.branch7x7x3_3 = conv(192, 192, {7, 1}, column)
  self.branch7x7x3_4 = conv(192, 192, 3, {stride = 2})
end

function InceptionD:forward(x)
  return tensor.cat({self.branch3x3_2(self.branch3x3_1(x)),
    self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))), F.max_pool2d(x, 3, 2)}, 1)
end

local InceptionE = nn.class "InceptionE"

--- InceptionE(inplanes): 1 × 3 and 3 × 1 side by side at the ends of two branches (figure 7).
function InceptionE:init(inplanes)
  self.branch1x1 = conv(inplanes, 320, 1)
  self.branch3x3_1 = conv(inplanes, 384, 1)
  self.branch3x3_2a = conv(384, 384, {1, 3}, {padding = {0, 1}})
  self.branch3x3_2b = conv(384, 384, {3, 1}, {padding = {1, 0}})
  self.branch3x3dbl_1 = conv(inplanes, 448, 1)
  self.branch3x3dbl_2 = conv(448, 384, 3, {padding = 1})
  self.branch3x3dbl_3a = conv(384, 384, {1, 3}, {padding = {0, 1}})
  self.branch3x3dbl_3b = conv(384, 384, {3, 1}, {padding = {1, 0}})
  self.branch_pool = conv(inplanes, 192, 1)
end

function InceptionE:forward(x)
  local once, twice = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
  return tensor.cat({self.branch1x1(x), self.branch3x3_2a(once), self.branch3x3_2b(once), self.branch3x3dbl_3a(twice),
    self.branch3x3dbl_3b(twice), self.branch_pool(pooled(x))}, 1)
end

local InceptionAux = nn.class "InceptionAux"

--- InceptionAux(inplanes, num_classes): a classifier half-way, which steadies the layers below it in training.
function InceptionAux:init(inplanes, num_classes)
  self.conv0 = conv(inplanes, 128, 1)
  self.conv1 = conv(128, 768, 5)
  self.fc = nn.Linear(768, num_classes)
end

function InceptionAux:forward(x)
  x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))
  return self.fc(F.flatten(F.adaptive_avg_pool2d(x, 1), 1))
end

local Inception3 = nn.class "Inception3"
--- m.aux_weight: what the auxiliary head's loss counts in fit, beside 1 for the main one: 0.4, as the authors' code has
-- it.
Inception3.aux_weight = 0.4
Inception3.aux_heads = {"AuxLogits.fc"}

function Inception3:init(o)
  self.transform_input = o.transform_input and o.in_chans == 3 -- of other channels nothing is known
  self.Conv2d_1a_3x3 = conv(o.in_chans, 32, 3, {stride = 2})
  self.Conv2d_2a_3x3 = conv(32, 32, 3)
  self.Conv2d_2b_3x3 = conv(32, 64, 3, {padding = 1})
  self.maxpool1 = nn.MaxPool2d(3, 2)
  self.Conv2d_3b_1x1 = conv(64, 80, 1)
  self.Conv2d_4a_3x3 = conv(80, 192, 3)
  self.maxpool2 = nn.MaxPool2d(3, 2)
  self.Mixed_5b = InceptionA(192, 32)
  self.Mixed_5c = InceptionA(256, 64)
  self.Mixed_5d = InceptionA(288, 64)
  self.Mixed_6a = InceptionB(288)
  self.Mixed_6b = InceptionC(768, 128)
  self.Mixed_6c = InceptionC(768, 160)
  self.Mixed_6d = InceptionC(768, 160)
  self.Mixed_6e = InceptionC(768, 192)
  self.AuxLogits = o.aux_logits and InceptionAux(768, o.num_classes) or nil
  self.Mixed_7a = InceptionD(768)
  self.Mixed_7b = InceptionE(1280)
  self.Mixed_7c = InceptionE(2048)
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.dropout = nn.Dropout(o.dropout)
  self.fc = nn.Linear(2048, o.num_classes)
end

-- In training: the logits, and those of the auxiliary head where there is one. Otherwise the logits.
function Inception3:forward(x)
  local aux
  if self.transform_input then x = inception.recolour(x) end
  x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
  x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
  x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
  x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
  if self.AuxLogits and self:_aux_runs(self.AuxLogits) then aux = self.AuxLogits(x) end
  x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
  x = self.fc(F.flatten(self.dropout(self.avgpool(x)), 1))
  if aux then return x, aux end
  return x
end

local function build(_, o)
  local m = nn.init.skip(Inception3, o)
  inception.draw(m, function(path) return path == "AuxLogits.fc" and 0.001 or 0.1 end)
  return m
end

-- Files do not say whether their pictures were recoloured: see `options` of the published set. Those of other channels
-- were not.
local function options_from(shapes)
  local o = {aux_logits = shapes:has "AuxLogits."}
  if shapes:dim("Conv2d_1a_3x3.conv.weight", 2) ~= 3 then o.transform_input = false end
  return o
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  inception_v3 = {27161264, 580, 5718899296},
}

return {
  counted = counted,
  variants = {inception_v3 = {weights = {torchvision.set("IMAGENET1K_V1", "inception_v3_google-0cc3c7bd.pth",
    {accuracy = 77.294, megabytes = 103.9, resize = 342, crop = 299, also = {"inception_v3_google-1a9a5a14.pth"},
      options = {transform_input = true}})}}},
  parts = {InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux, conv}, build = build,
  stem = "Conv2d_1a_3x3.conv", head = "fc", classes = 1000, size = 299,
  mean = torchvision.mean, std = torchvision.std,
  options = "aux_logits:bool=true transform_input:bool=false dropout:prob=0.5",
  options_from = options_from,
  test = {options = {aux_logits = false}, size = 96, -- the auxiliary head wants pictures of 299
    parity = {size = 139, without = {"AuxLogits"}, arguments = {init_weights = false}}},
}
