#!/usr/bin/env suture
-- Learning curves: how many pictures of a class does it take, with what was learnt elsewhere and without?
local setup = require "setup"
local o = setup.options({about = "Accuracy by the number of pictures, transferred and from scratch.",
  {"counts:ints=2,5,10,20", "pictures of a class"}}, 20, 15, 3)

local network = setup.network()
local all, val = setup.pictures(o, network)
local found = results{by = {"from", "pictures"}, save = o.save}

-- The first k pictures of each class.
local function few(k)
  local count = {}
  return all:filter(function(s)
    count[s.class] = (count[s.class] or 0) + 1
    return count[s.class] <= k
  end)
end

seeds(o.seeds, function(s)
  for _, k in ipairs(o.counts) do
    local train = few(k)
    for _, from in ipairs {"transfer", "scratch"} do
      local m = from == "transfer" and network:clone() or zoo.cifar_resnet20{num_classes = #all.classes}
      if from == "transfer" then m:reset_head(#all.classes) end
      fit(m, train, {epochs = o.epochs, batch = 16, lr = from == "transfer" and 0.01 or 0.1, seed = s, quiet = true})
      found:add{from = from, pictures = k, seed = s, val_acc = evaluate(m, val).acc}
    end
  end
end, {jobs = o.jobs})
print(found)

-- What it found, the mean ± the standard deviation over seeds:
--   from      pictures  val acc
--   transfer  2         0.8483 ± 0.0076
--   transfer  5         0.8867 ± 0.01
--   transfer  10        0.9017 ± 0.015
--   transfer  20        0.9317 ± 0.02
--   scratch   2         0.1283 ± 0.0058
--   scratch   5         0.1467 ± 0.023
--   scratch   10        0.1217 ± 0.034
--   scratch   20        0.1067 ± 0.018
