#!/usr/bin/env suture
-- Gradients by depth: how much of the gradient reaches the first layers of a deep network, plain, with BatchNorm, and
-- with skips (He et al. 2015, arXiv:1512.03385)?
local setup = require "setup"
local o = setup.options({about = "The gradient's norm by depth, at the beginning.",
  {"depth:count=16", "layers"}, {"width:count=16", "channels"}}, 8, 0, 3)

local train = setup.pictures(o, setup.network(), "source")
local found = results{by = {"net", "layer"}, save = o.save}

local Block = nn.class "Block"
function Block:init(c, norm, skip)
  self.conv = nn.Conv2d(c, c, 3, {padding = 1, bias = false})
  self.norm = norm and nn.BatchNorm2d(c) or nn.Identity()
  self.skip = skip
end
function Block:forward(x)
  local y = F.relu(self.norm(self.conv(x)))
  return self.skip and y + x or y
end

local function net(norm, skip)
  local m = nn.Sequential(nn.Conv2d(3, o.width, 3, {padding = 1, bias = false}), nn.ReLU())
  for _ = 2, o.depth do m:append(Block(o.width, norm, skip)) end
  for _, layer in ipairs {nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(o.width, #train.classes)} do m:append(layer) end
  return m
end

local x, y
for a, b in train:batches(64) do
  x, y = a, b
  break
end
seeds(o.seeds, function(s)
  for _, one in ipairs {{"plain"}, {"batchnorm", true}, {"skips", true, true}} do
    seed(s)
    local m, layer = net(one[2], one[3]), 0
    F.cross_entropy(m(x), y):backward()
    for name, p in m:named_parameters() do
      if name:find "conv.weight" or name == "0.weight" then
        layer = layer + 1
        if (layer - 1) % 5 == 0 then found:add{net = one[1], layer = layer, seed = s, norm = p.grad:square():sum():sqrt()} end
      end
    end
  end
end)
print(found)

-- What it found, norms; PyTorch: the same pictures and settings, its own draws:
--   net        layer  norm                 PyTorch
--   plain      1      1.388e-07 ± 1.3e-07  1.916e-07 ± 6.1e-08
--   plain      6      2.73e-07 ± 3.3e-07   3.795e-07 ± 1.8e-07
--   plain      11     2.202e-07 ± 1.9e-07  2.218e-07 ± 8.1e-08
--   plain      16     3.612e-07 ± 3.1e-07  2.905e-07 ± 9.4e-08
--   batchnorm  1      0.2949 ± 0.033       0.3495 ± 0.008
--   batchnorm  6      0.2355 ± 0.025       0.306 ± 0.042
--   batchnorm  11     0.1172 ± 0.011       0.1376 ± 0.042
--   batchnorm  16     0.2009 ± 0.11        0.2194 ± 0.052
--   skips      1      1.825 ± 0.49         1.987 ± 0.32
--   skips      6      0.8927 ± 0.13        0.841 ± 0.13
--   skips      11     0.767 ± 0.24         0.5221 ± 0.061
--   skips      16     0.5725 ± 0.11        0.4204 ± 0.076
