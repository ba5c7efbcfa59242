#!/usr/bin/env suture
-- Linear probes (Alain, Bengio 2016, arXiv:1610.01644): what can a linear layer read off each part of a network, and
-- what off one that has learnt nothing?
local setup = require "setup"
local o = setup.options({about = "What a linear layer reads off each part."}, 12, 60, 3)

local network = setup.network()
local train, val = setup.pictures(o, network, "classes")
local found = results{by = {"network", "part"}, save = o.save}
local places = {"bn1", "layer1", "layer2", "layer3"}

-- The means of each channel of what the module at this path gives, as a data set.
local function pooled(m, ds, path)
  return features(m, ds, {at = path}):map(function(x) return x:mean({1, 2}) end)
end

local nets = {learnt = network, random = zoo.cifar_resnet20{num_classes = #train.classes}}
for _, which in ipairs {"learnt", "random"} do
  for depth, path in ipairs(places) do
    local a, b = pooled(nets[which], train, path), pooled(nets[which], val, path)
    seeds(o.seeds, function(s)
      local probe = nn.Sequential(nn.BatchNorm1d(a:get(0).shape[1], {affine = false}),
        nn.Linear(a:get(0).shape[1], #train.classes))
      fit(probe, a, {epochs = o.epochs, batch = 32, optimizer = "adam", lr = 0.01, seed = s, quiet = true})
      found:add{network = which, part = depth .. " " .. path, seed = s, val_acc = evaluate(probe, b).acc}
    end)
  end
end
print(found)

-- What it found, the mean ± the standard deviation over seeds; PyTorch: the same pictures and settings, its own draws:
--   network  part      val acc          PyTorch
--   learnt   1 bn1     0.1433 ± 0.0058  0.1533 ± 0.01
--   learnt   2 layer1  0.305 ± 0.013    0.3083 ± 0.015
--   learnt   3 layer2  0.765 ± 0.0087   0.765 ± 0.013
--   learnt   4 layer3  0.955 ± 0.005    0.9567 ± 0.0029
--   random   1 bn1     0.14 ± 0.0087    0.1333 ± 0.0058
--   random   2 layer1  0.12 ± 0.005     0.1317 ± 0.0076
--   random   3 layer2  0.1283 ± 0.0076  0.1617 ± 0.013
--   random   4 layer3  0.145 ± 0.005    0.21 ± 0.013
