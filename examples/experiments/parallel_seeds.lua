#!/usr/bin/env suture
-- The same training with other seeds, side by side: by how much do two results have to differ to mean anything
-- (Bouthillier et al. 2021, arXiv:2103.03098)? Here for three rates.
local setup = require "setup"
local o = setup.options({about = "The spread of a result over seeds, for some rates.",
  {"lrs:nums=0.003,0.03,0.3", "rates"}}, 8, 8, 8)

local network = setup.network()
local train, val = setup.pictures(o, network)
local found = results{by = "lr", save = o.save}

for _, lr in ipairs(o.lrs) do
  local runs = seeds(o.seeds, function(s)
    local m = network:clone()
    m:reset_head(#train.classes)
    fit(m, train, {epochs = o.epochs, batch = 16, lr = lr, seed = s, quiet = true})
    local r = evaluate(m, val)
    found:add{lr = lr, seed = s, val_acc = r.acc, val_loss = r.loss}
    return r.acc
  end, {jobs = o.jobs})
  print(("lr %g"):format(lr))
  print(runs)
end
print(found)

-- What it found, the mean ± the standard deviation over seeds; PyTorch: the same pictures and settings, its own draws:
--   lr     val acc         PyTorch
--   0.003  0.8837 ± 0.014  0.8806 ± 0.015
--   0.03   0.8187 ± 0.061  0.8525 ± 0.035
--   0.3    0.1344 ± 0.027  0.1194 ± 0.012
