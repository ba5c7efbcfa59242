#!/usr/bin/env suture
-- Robustness (Hendrycks, Dietterich 2019, arXiv:1903.12261): how much of its accuracy does a network keep on pictures
-- that are blurred, noisy, turned, pale or dark?
local setup = require "setup"
local o = setup.options({about = "Accuracy on pictures that are not as they were in training."}, 25, 0, 3)

local m = setup.network():eval()
local _, val = setup.pictures(o, m, "source")
if o.data then m:reset_head(#val.classes) end
val = val:with{mean = 0, std = 1} -- 0 … 1, as image.batch takes them
local found = results{by = {"change", "strength"}, save = o.save}

local b = image.batch
local changes = {
  {"none", {0}, function(x) return x end},
  {"noise", {0.05, 0.1, 0.2}, function(x, k) return (x + k * randn(table.unpack(x.shape))):clamp(0, 1) end},
  {"blur", {0.5, 1, 2}, function(x, k) return b.gaussian_blur(x, 7, k) end},
  {"turned", {10, 30, 90}, function(x, k) return b.rotate(x, k, "bilinear") end},
  {"contrast", {0.6, 0.3, 0.1}, b.adjust_contrast},
  {"brightness", {1.5, 0.5, 0.2}, b.adjust_brightness},
  {"hue", {0.1, 0.25, 0.5}, b.adjust_hue},
}

local function accuracy(change, k)
  local right, n = 0, 0
  for x, y in val:batches(100) do
    local z = m(b.normalize(change(x, k), m.preprocess.mean, m.preprocess.std))
    right, n = right + z:argmax(1):eq(y):sum():item(), n + y.shape[1]
  end
  return right / n
end

seeds(o.seeds, function(s)
  no_grad(function()
    for _, one in ipairs(changes) do
      for _, k in ipairs(one[2]) do
        if s == 0 or one[1] == "noise" then -- the others draw nothing
          found:add{change = one[1], strength = k, seed = s, acc = accuracy(one[3], k)}
        end
      end
    end
  end)
end, {jobs = o.jobs})
print(found)

-- What it found, the mean ± the standard deviation over seeds; PyTorch: the same pictures and settings, its own draws:
--   change      strength  acc              PyTorch
--   none        0         1                1
--   noise       0.05      0.995 ± 0.005    0.9983 ± 0.0029
--   noise       0.1       0.8433 ± 0.0076  0.8383 ± 0.019
--   noise       0.2       0.265 ± 0.005    0.27 ± 0.013
--   blur        0.5       1                1
--   blur        1         0.995            0.995
--   blur        2         0.7              0.7
--   turned      10        0.99             0.99
--   turned      30        0.945            0.945
--   turned      90        0.995            0.995
--   contrast    0.1       0.145            0.145
--   contrast    0.3       0.93             0.93
--   contrast    0.6       1                1
--   brightness  0.2       0.18             0.18
--   brightness  0.5       0.97             0.97
--   brightness  1.5       1                1
--   hue         0.1       1                1
--   hue         0.25      1                1
--   hue         0.5       1                1
