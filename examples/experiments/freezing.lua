#!/usr/bin/env suture
-- How many layers to freeze? (Yosinski et al. 2014, arXiv:1411.1792.) A network that tells filled shapes apart learns
-- outlines: its first k parts stand still, the others train on. `suture examples/experiments/freezing.lua --help`
local setup = require "setup"
local o = setup.options({about = "How many layers to freeze."}, 8, 8, 3)

local network = setup.network()
local train, val = setup.pictures(o, network)
local parts = network:groups()
local found = results{by = "frozen", save = o.save}

local jobs = {}
for k = 0, #parts - 1 do
  for s = 0, o.seeds - 1 do jobs[#jobs + 1] = {frozen = k, seed = s} end
end
parallel(jobs, function(job)
  seed(job.seed)
  local m = network:clone()
  for k = 1, job.frozen do
    for _, path in ipairs(parts[k].paths) do m:freeze(path) end
  end
  m:reset_head(#train.classes)
  local r = fit(m, train, {val = val, epochs = o.epochs, batch = 16, lr = 0.01, seed = job.seed, quiet = true})
  local last = r.history[#r.history]
  found:add{frozen = job.frozen, seed = job.seed, loss = last.loss, val_acc = last.val_acc, seconds = r.seconds}
end, {jobs = o.jobs})

for k = 0, #parts - 1 do print(k, k == 0 and "nothing frozen" or "up to " .. parts[k].name) end
print(found)

-- What it found, the mean ± the standard deviation over seeds; PyTorch: the same pictures and settings, its own draws:
--   frozen  loss            val acc          PyTorch
--   0       0.1351 ± 0.043  0.8883 ± 0.015   0.8783 ± 0.0029
--   1       0.1445 ± 0.034  0.9067 ± 0.0058  0.9017 ± 0.021
--   2       0.2053 ± 0.026  0.9083 ± 0.0029  0.9117 ± 0.0058
--   3       0.2782 ± 0.033  0.8967 ± 0.0029  0.9017 ± 0.0058
--   4       0.7082 ± 0.012  0.8317 ± 0.0029  0.8333 ± 0.01
