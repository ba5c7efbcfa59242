#!/usr/bin/env suture
-- Distillation (Hinton et al. 2015, arXiv:1503.02531): a small network learns what a large one thinks of the pictures,
-- beside what they are. (fit{teacher = m2} does the same; here the loss is written out.)
local setup = require "setup"
local o = setup.options({about = "A small network, with a teacher and without.",
  {"temperature:positive=4", "of the softmax of both"}, {"weight:prob=0.9", "of the teacher"}}, 60, 15, 3)

local teacher = setup.network()
local train, val = setup.pictures(o, teacher, "source")
if o.data then
  teacher:reset_head(#train.classes)
  fit(teacher, train, {epochs = o.epochs, seed = 0, quiet = true})
end
teacher:freeze():eval()
local found = results{by = "taught", save = o.save}

-- On the teacher's first layer, which stands still: what both make of a picture up to there is computed once.
local function student()
  local stem = teacher:clone()
  stem:cut "layer1"
  return nn.Sequential(stem, nn.Conv2d(16, 24, 3, {stride = 2}), nn.BatchNorm2d(24), nn.ReLU(),
    nn.Conv2d(24, 32, 3, {stride = 2}), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    nn.Linear(32, #train.classes))
end

local T, w = o.temperature, o.weight
local function taught(m, x, y)
  local z, t = m(x), no_grad(function() return teacher(x) end)
  local kl = (F.softmax(t / T, 1) * (F.log_softmax(t / T, 1) - F.log_softmax(z / T, 1))):sum(1):mean()
  return (1 - w) * F.cross_entropy(z, y) + w * T * T * kl, z
end

seeds(o.seeds, function(s)
  for _, how in ipairs {"no", "yes"} do
    seed(s)
    local m = student()
    fit(m, train, {epochs = o.epochs, batch = 16, lr = 0.02, seed = s, quiet = true,
      loss = how == "yes" and taught or "cross_entropy"})
    found:add{taught = how, seed = s, val_acc = evaluate(m, val).acc}
  end
end, {jobs = o.jobs})
print("the teacher: " .. evaluate(teacher, val).acc)
print(found)

-- What it found, the mean ± the standard deviation over seeds:
--   taught  val acc
--   no      0.295 ± 0.035
--   yes     0.3833 ± 0.06
