#!/usr/bin/env suture
-- The lottery ticket (Frankle, Carbin 2019, arXiv:1803.03635): a trained network's smallest weights are cut off, the
-- others go back to where they began, and learn again. Are they better than as many weights at random places? Here of a
-- perceptron that reads what the shipped network's layer2 makes of the pictures.
local setup = require "setup"
local o = setup.options({about = "Winning tickets: few weights, from where they began.",
  {"keep:nums=0.5,0.2,0.1,0.05", "parts of the weights that are kept"}}, 12, 40, 3)

local network = setup.network()
local train, val = setup.pictures(o, network, "classes")
local function pooled(ds)
  return features(network, ds, {at = "layer2"}):map(function(x) return x:mean({1, 2}) end)
end
local x, measured = pooled(train), pooled(val)
local found = results{by = {"ticket", "kept"}, save = o.save}

local function net()
  return nn.Sequential(nn.BatchNorm1d(32, {affine = false}), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
    nn.Linear(64, #train.classes))
end

-- The weights by name: no biases.
local function weights(m)
  local out = {}
  for name, p in m:named_parameters() do if #p.shape > 1 then out[name] = p end end
  return out
end

-- 1 for the `part` of all scores that is largest, else 0.
local function largest(score, part)
  return score:ge(score:reshape(-1):topk(math.max(1, math.floor(part * score:numel()))):min()):float()
end

local function learn(m, mask, s)
  for name, p in pairs(mask and weights(m) or {}) do no_grad(function() p:mul_(mask[name]) end) end
  fit(m, x, {epochs = o.epochs, batch = 16, lr = 0.02, seed = s, quiet = true, reduce = function()
    for name, p in pairs(mask and weights(m) or {}) do p.grad = p.grad * mask[name] end -- what is cut off stays so
  end})
  return evaluate(m, measured).acc
end

seeds(o.seeds, function(s)
  local start = net()
  local dense = start:clone()
  found:add{ticket = "dense", kept = 1, seed = s, val_acc = learn(dense, nil, s)}
  for _, part in ipairs(o.keep) do
    local mask, random = {}, {}
    for name, p in pairs(weights(dense)) do
      mask[name], random[name] = largest(p:detach():abs(), part), largest(rand(table.unpack(p.shape)), part)
    end
    found:add{ticket = "winning", kept = part, seed = s, val_acc = learn(start:clone(), mask, s)}
    found:add{ticket = "random", kept = part, seed = s, val_acc = learn(start:clone(), random, s)}
  end
end, {jobs = o.jobs})
print(found)

-- What it found, the mean ± the standard deviation over seeds; PyTorch: the same pictures and settings, its own draws:
--   ticket   kept  val acc          PyTorch
--   dense    1     0.7817 ± 0.01    0.7733 ± 0.01
--   winning  0.05  0.6617 ± 0.035   0.68 ± 0.026
--   winning  0.1   0.7433 ± 0.0058  0.755 ± 0.005
--   winning  0.2   0.7833 ± 0.0076  0.7817 ± 0.01
--   winning  0.5   0.7867 ± 0.016   0.7717 ± 0.019
--   random   0.05  0.1833 ± 0.031   0.125 ± 0
--   random   0.1   0.26 ± 0.069     0.3133 ± 0.031
--   random   0.2   0.5133 ± 0.026   0.5467 ± 0.055
--   random   0.5   0.7583 ± 0.037   0.7667 ± 0.014
