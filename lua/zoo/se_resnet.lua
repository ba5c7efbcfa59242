--- ResNets with channel attention: Hu et al. 2018 (arXiv:1709.01507). Each block's residual goes through squeeze and
-- excitation before it is added. Names are those of timm's seresnet18 and seresnet50; no weights are published under
-- them here.
-- Options: zero_init_residual (false): the last BatchNorm of each block begins at 0.
local blocks = require "suture.zoo.common.blocks"
local nn = require "suture.nn"
local resnet = require "suture.zoo.resnet"

-- The block `Plain` with attention: `reduction` times fewer channels in the bottleneck, but at least 8.
local function squeezed(Plain)
  local Block = nn.class("SE" .. Plain.__name, Plain)
  Block.reduction = 16

  function Block:init(inplanes, planes, ...)
    Plain.init(self, inplanes, planes, ...)
    local channels = planes * Block.expansion
    self.se = nn.SqueezeExcitation(channels, blocks.divisible(channels / Block.reduction))
  end

  function Block:residual(x) return self.se(Plain.residual(self, x)) end
  return Block
end

local SEBasicBlock, SEBottleneck = squeezed(resnet.BasicBlock), squeezed(resnet.Bottleneck)

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  se_resnet18 = {11779624, 154, 1814161408},
  se_resnet50 = {28088024, 384, 4091699200},
}

return {
  counted = counted,
  variants = {
    se_resnet18 = resnet.variant(SEBasicBlock, {2, 2, 2, 2}),
    se_resnet50 = resnet.variant(SEBottleneck, {3, 4, 6, 3}),
  },
  parts = {SEBasicBlock, SEBottleneck}, build = resnet.build, stem = resnet.stem, head = resnet.head,
  classes = resnet.classes, size = resnet.size, mean = resnet.mean, std = resnet.std, options = resnet.options,
}
