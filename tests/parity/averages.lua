-- For tests/parity/averages.py: DIR holds x.npy, y.npy; FN is empty, "ema" or "buffers". Trains 12 steps, averaging behind
-- each 3rd, estimates BatchNorm anew, and writes the start to DIR/start.pth, the average to DIR/average.pth, before update_bn to
-- DIR/before.pth.
local dir, fn = arg[1], arg[2]
local U = optim.swa_utils
local x, y = load_tensor(dir .. "/x.npy"), load_tensor(dir .. "/y.npy"):long()
seed(3)
local m = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 4))
m:save(dir .. "/start.pth")
local given = {}
if fn == "ema" then given = {avg_fn = function(a, p, n) return a * 0.7 + p * 0.3 * (1 + n * 0) end}
elseif fn == "buffers" then given = {use_buffers = true} end
local average = U.AveragedModel(m, given)
local opt = optim.SGD(m:parameters(), {lr = 0.05, momentum = 0.9})
local rates = U.SWALR(opt, {swa_lr = 0.01, anneal_epochs = 3})
for k = 1, 12 do
  opt:zero_grad()
  F.cross_entropy(m(x), y):backward()
  opt:step()
  if k % 3 == 0 then
    average:update_parameters(m)
    rates:step()
  end
end
average.module:save(dir .. "/before.pth")
U.update_bn({x[{"0:8"}], {x[{"8:16"}], y[{"8:16"}]}}, average.module)
average.module:save(dir .. "/average.pth")
print(average.n_averaged:item(), opt.param_groups[1].lr)
