#!/usr/bin/env suture
-- The lottery ticket (Frankle, Carbin 2019, arXiv:1803.03635): a trained network's smallest weights are cut off, the
-- others go back to where they began, and learn again. Are they better than as many weights at random places?
local setup = require "setup"
local o = setup.options({about = "Winning tickets: few weights, from where they began.",
  {"keep:nums=0.5,0.2,0.1", "parts of the weights that are kept"}}, 40, 10, 3)

local train, val = setup.pictures(o, setup.network(), "source")
local found = results{by = {"ticket", "kept"}, save = o.save}

local function net()
  return nn.Sequential(nn.Conv2d(3, 16, 5, {stride = 2}), nn.ReLU(), nn.Conv2d(16, 32, 5, {stride = 2}), nn.ReLU(),
    nn.Flatten(), nn.Linear(800, 64), nn.ReLU(), nn.Linear(64, #train.classes))
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
  local function cut()
    no_grad(function()
      for name, p in pairs(mask and weights(m) or {}) do p:mul_(mask[name]) end
    end)
  end
  cut()
  local r = fit(m, train, {val = val, epochs = o.epochs, batch = 32, lr = 0.02, seed = s, quiet = true,
    reduce = function() -- what is cut off stays so
      for name, p in pairs(mask and weights(m) or {}) do p.grad = p.grad * mask[name] end
    end})
  return r.history[#r.history].val_acc
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
