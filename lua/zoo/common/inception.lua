--- What GoogLeNet and Inception v3 share in torchvision.
local nn = require "suture.nn"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"

local inception = {}

--- inception.BasicConv2d(): a class of modules, for one family: BasicConv2d(in_channels, out_channels, kernel_size[,
-- {stride =, padding =}]) is convolution, BatchNorm, ReLU.
function inception.BasicConv2d()
  local BasicConv2d = nn.class "BasicConv2d"

  function BasicConv2d:init(i, o, kernel, opts)
    opts = opts or {}
    self.conv = nn.Conv2d(i, o, kernel, {stride = opts.stride, padding = opts.padding, bias = false})
    self.bn = nn.BatchNorm2d(o, {eps = 0.001})
  end

  function BasicConv2d:forward(x) return nn.functional.relu(self.bn(self.conv(x))) end
  return BasicConv2d
end

local function per_channel(f)
  local list = {}
  for c = 1, 3 do list[c] = {{f(torchvision.mean[c], torchvision.std[c])}} end
  return tensor.tensor {list}
end
local scale = per_channel(function(_, std) return std / 0.5 end)
local shift = per_channel(function(mean) return (mean - 0.5) / 0.5 end)

--- inception.recolour(x): pictures normalised by ImageNet's mean and deviation, as all of torchvision's are, as if they
-- had been by 0.5 and 0.5: what weights that come from TensorFlow were made for.
function inception.recolour(x) return x * scale + shift end

--- inception.draw(m, deviation): normal distributions for the weights of convolutions and linear maps, deviation(path)
-- wide; biases as layers begin. torchvision cuts them off at ± 2, which is 20 standard deviations and more.
function inception.draw(m, deviation)
  for path, sub in m:named_modules() do
    local class = getmetatable(sub)
    if class == nn.Linear then sub:reset_parameters() end -- for its bias
    if class == nn.Conv2d or class == nn.Linear then nn.init.normal_(sub.weight, 0, deviation(path)) end
  end
end

return inception
