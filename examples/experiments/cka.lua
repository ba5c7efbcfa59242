#!/usr/bin/env suture
-- Centered kernel alignment (Kornblith et al. 2019, arXiv:1905.00414): how alike are the layers of two networks, here
-- one before and after it has learnt something else?
local setup = require "setup"
local o = setup.options({about = "How alike layers are, before and after fine-tuning."}, 12, 8, 3)

local before = setup.network()
local train, val = setup.pictures(o, before)
local found = results{by = {"before", "after"}, save = o.save}
local places = {"bn1", "layer1", "layer2", "layer3"}

local all = {}
for i = 1, #val do all[i] = i - 1 end

-- The inner products of all samples, with the mean taken out: as much as the layer says of which are alike.
local function gram(m, path)
  local x = features(m, val, {at = path}):batch(all):reshape(#val, -1)
  x = x - x:mean(0, true)
  return x:matmul(x:t())
end

-- ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖), by the kernels K = XXᵀ and L = YYᵀ
local function cka(k, l)
  return (k * l):sum() / (k:square():sum():sqrt() * l:square():sum():sqrt())
end

local function grams(m)
  local out = {}
  for i, path in ipairs(places) do out[i] = gram(m, path) end
  return out
end

local first = grams(before)
seeds(o.seeds, function(s)
  local m = before:clone()
  m:reset_head(#train.classes)
  fit(m, train, {epochs = o.epochs, batch = 16, lr = 0.01, seed = s, quiet = true})
  local second = grams(m)
  for i, a in ipairs(places) do
    for j, b in ipairs(places) do
      found:add{before = a, after = b, seed = s, cka = cka(first[i], second[j])}
    end
  end
end, {jobs = o.jobs})
print(found)

-- What it found, the mean ± the standard deviation over seeds; PyTorch: the same pictures and settings, its own draws:
--   before  after   cka               PyTorch
--   bn1     bn1     0.9915 ± 0.0036   0.9878 ± 0.0065
--   bn1     layer1  0.5007 ± 0.02     0.4969 ± 0.024
--   bn1     layer2  0.2519 ± 0.01     0.2432 ± 0.0066
--   bn1     layer3  0.1098 ± 0.0066   0.1078 ± 0.0043
--   layer1  bn1     0.3994 ± 0.0099   0.3874 ± 0.02
--   layer1  layer1  0.95 ± 0.008      0.9429 ± 0.03
--   layer1  layer2  0.823 ± 0.0031    0.8202 ± 0.0044
--   layer1  layer3  0.3801 ± 0.01     0.3831 ± 0.0081
--   layer2  bn1     0.2159 ± 0.0053   0.209 ± 0.014
--   layer2  layer1  0.7903 ± 0.012    0.7868 ± 0.035
--   layer2  layer2  0.9557 ± 0.0043   0.9504 ± 0.019
--   layer2  layer3  0.5038 ± 0.0074   0.5053 ± 0.012
--   layer3  bn1     0.08803 ± 0.0022  0.08485 ± 0.0072
--   layer3  layer1  0.3664 ± 0.0079   0.3655 ± 0.015
--   layer3  layer2  0.5308 ± 0.0044   0.5278 ± 0.015
--   layer3  layer3  0.8691 ± 0.0077   0.8633 ± 0.0087
