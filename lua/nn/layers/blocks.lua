--- Blocks for surgery: what published architectures sew in around a few layers.
local F = require "suture.nn.functional"
local activation = require "suture.nn.layers.activation"
local containers = require "suture.nn.containers"
local conv = require "suture.nn.layers.conv"
local fault = require "suture.base.fault"
local layer = require "suture.nn.layer"
local Module = require "suture.nn.module"
local pool = require "suture.nn.layers.pool"
local raw = require("suture.core").tensor

local blocks = {}
local declare = layer.into(blocks)

declare "SqueezeExcitation" {
  doc = [[nn.SqueezeExcitation(input_channels, squeeze_channels[, activation (nn.ReLU), scale_activation (nn.Sigmoid)]):
channel attention. Each channel of (N, C, H, W) is averaged over its places (avgpool), the averages go through a
bottleneck of squeeze_channels (fc1, activation, fc2, scale_activation), and what comes out scales the channels. Papers
name the reduction C / squeeze_channels, often 16 or 4. Hu et al. 2018, arXiv:1709.01507; as
torchvision.ops.SqueezeExcitation.]],
  fields = "input_channels:count squeeze_channels:count activation:fn=nil scale_activation:fn=nil",
  build = function(self, a)
    self.avgpool = pool.AdaptiveAvgPool2d(1)
    self.fc1 = conv.Conv2d(a.input_channels, a.squeeze_channels, 1)
    self.fc2 = conv.Conv2d(a.squeeze_channels, a.input_channels, 1)
    self.activation = (a.activation or activation.ReLU)()
    self.scale_activation = (a.scale_activation or activation.Sigmoid)()
  end,
  forward = function(self, x)
    local scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
    return self.scale_activation(scale) * x
  end,
}

declare "GAP" {
  doc = [[nn.GAP(): global average pooling, (N, C, H, W) → (N, C): what stands between the last convolution and a
linear head. Lin et al. 2013, arXiv:1312.4400.]],
  forward = function(_, x)
    if not raw.is(x) or raw.rank(x) ~= 4 then
      fault("GAP expects (N, C, H, W), got %s", raw.is(x) and tostring(raw.shape(x)) or type(x))
    end
    return F.flatten(F.adaptive_avg_pool2d(x, 1), 1)
  end,
}

local ResidualBlock = declare "ResidualBlock" {
  doc = [[nn.ResidualBlock(body[, {shortcut =, activation =}]): activation(shortcut(x) + body(x)), each a module;
without a shortcut x itself is added, without an activation the sum is the result. body may also be a list:
nn.ResidualBlock{conv, bn, relu}. A body that changes the shape needs a shortcut that does the same. m.body, m.shortcut
and m.activation can be replaced and taken away (= nil). He et al. 2015, arXiv:1512.03385.]],
  fields = "body:module=nil shortcut:module=nil activation:module=nil",
  forward = function(self, x)
    local parts = self._children
    if not parts.body then fault "ResidualBlock has no body: nn.ResidualBlock(body), or assign m.body" end
    local y, skip = parts.body(x), parts.shortcut and parts.shortcut(x) or x
    if raw.shape(y) ~= raw.shape(skip) then
      fault("ResidualBlock: the body gives %s, the %s %s: a shortcut module that gives the same shape can join them",
        raw.shape(y), parts.shortcut and "shortcut gives" or "input is", raw.shape(skip))
    end
    y = skip + y
    return parts.activation and parts.activation(y) or y
  end,
}
ResidualBlock._container = true

local make = ResidualBlock.init
function ResidualBlock:init(body, ...)
  if type(body) == "table" and not getmetatable(body) and Module.is_module(body[1]) then
    body = containers.Sequential(body)
  end
  make(self, body, ...)
end

return blocks
