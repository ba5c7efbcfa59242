#!/usr/bin/env suture
-- How long is a step of training, by the size of the batch and by what is frozen?
local setup = require "setup"
local o = setup.options({about = "Times of training steps.", {"batches:ints=1,8,32,128", "sizes of a batch"},
  {"seconds:positive=1", "for each"}}, 16, 0, 1)

local network = setup.network()
local train = setup.pictures(o, network)
local found = results{by = {"trains", "batch"}, save = o.save}

for _, what in ipairs {"all", "layer3 and head", "head"} do
  local m = network:clone()
  m:reset_head(#train.classes)
  if what ~= "all" then m:freeze("conv1", "bn1", "layer1*", "layer2*") end
  if what == "head" then m:freeze("layer3*") end
  local opt = optim.SGD(m:parameters(), {lr = 0.01, momentum = 0.9})
  for _, n in ipairs(o.batches) do
    local x, y
    for a, b in train:batches(n) do
      x, y = a, b
      break
    end
    if x.shape[1] < n then break end -- there are no more pictures
    local t = timeit(function()
      opt:zero_grad()
      local loss = F.cross_entropy(m(x), y)
      loss:backward()
      opt:step()
      return loss
    end, {seconds = o.seconds})
    found:add{trains = what, batch = n, ms = t.median * 1e3, low = t.low * 1e3, high = t.high * 1e3,
      cpu_ms = t.cpu * 1e3, threads = t.threads}
  end
end
print(found)

-- What it found, processor's milliseconds of a step, one thread; PyTorch: the same steps:
--   trains           batch  cpu ms  PyTorch
--   all              1      2.043   27.34
--   all              8      7.951   22.95
--   all              32     26.45   77.16
--   all              128    112.6   339.1
--   layer3 and head  1      1.16    13.85
--   layer3 and head  8      3.88    11.35
--   layer3 and head  32     11.73   33.79
--   layer3 and head  128    47.51   132.3
--   head             1      0.7183  7.177
--   head             8      2.488   7.242
--   head             32     8.405   23.38
--   head             128    31.11   90.23
