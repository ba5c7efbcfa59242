--- What several of torchvision's families are built of.
local fault = require "suture.base.fault"
local nn = require "suture.nn"

local blocks = {}

--- blocks.conv_norm_act(i, o, kernel[, {stride =, groups =, dilation =, padding =, norm =, act =, bias =}]):
-- nn.Sequential of a convolution "0", its normalisation "1" and an activation "2", torchvision's Conv2dNormActivation.
-- padding: (default) as keeps the size at stride 1. norm: a function of the channels (nn.BatchNorm2d), act: a class
-- (nn.ReLU); false: none. bias: only where there is no norm.
function blocks.conv_norm_act(i, o, kernel, opts)
  local a = opts or {}
  local dilation, norm, act, bias = a.dilation or 1, a.norm, a.act, a.bias
  if norm == nil then norm = nn.BatchNorm2d end
  if act == nil then act = nn.ReLU end
  if bias == nil then bias = not norm end
  local m = nn.Sequential(nn.Conv2d(i, o, kernel, {
    stride = a.stride or 1, padding = a.padding or (kernel - 1) // 2 * dilation,
    groups = a.groups or 1, dilation = dilation, bias = bias,
  }))
  if norm then m:append(norm(o)) end
  if act then m:append(act()) end
  return m
end

--- blocks.divisible(v[, by (8), least (by)]): the multiple of `by` nearest to v, at least `least` and not more than a
-- tenth below v, as widths are rounded since MobileNet.
function blocks.divisible(v, by, least)
  by = by or 8
  local n = math.max(least or by, math.floor(v + by / 2) // by * by)
  return math.tointeger(n < 0.9 * v and n + by or n)
end

--- blocks.reset_convolutions(m): He's normal initialisation, fan out, for the convolutions of m, biases 0, as most of
-- torchvision's convolutional networks begin.
function blocks.reset_convolutions(m)
  for conv in m:modules() do
    if getmetatable(conv) == nn.Conv2d then
      nn.init.kaiming_normal_(conv.weight, {mode = "fan_out"})
      if conv.bias then nn.init.zeros_(conv.bias) end
    end
  end
end

--- blocks.reset_linear(linear): a normal distribution of deviation 0.01, bias 0, as classifiers of convolutional
-- networks begin.
function blocks.reset_linear(linear)
  nn.init.normal_(linear.weight, 0, 0.01)
  nn.init.zeros_(linear.bias)
end

--- blocks.depths(what, o, spec): o.depths, blocks of each stage, one number for each of spec.depths; by default those.
-- what: the name in front of the error for another number of stages.
function blocks.depths(what, o, spec)
  local depths = o.depths or spec.depths
  if #depths ~= #spec.depths then
    fault("%s: depths expects %d numbers, one for each stage, got %d", what, #spec.depths, #depths)
  end
  return depths
end

return blocks
