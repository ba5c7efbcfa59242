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
