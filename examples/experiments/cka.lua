#!/usr/bin/env suture
-- Centered kernel alignment (Kornblith et al. 2019, arXiv:1905.00414): how alike are the layers of two networks, here
-- one before and after it has learnt something else?
local setup = require "setup"
local o = setup.options({about = "How alike layers are, before and after fine-tuning."}, 12, 8, 1)

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
  fit(m, train, {epochs = o.epochs, batch = 16, lr = 0.05, seed = s, quiet = true})
  local second = grams(m)
  for i, a in ipairs(places) do
    for j, b in ipairs(places) do
      found:add{before = a, after = b, seed = s, cka = cka(first[i], second[j])}
    end
  end
end, {jobs = o.jobs})
print(found)
