-- trains, with a run's folder, goes on with it
seed(1)
local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8))
local train, val = data.shapes {n = 1, size = 16}, data.shapes {n = 1, size = 16, split = "val"}
local r = fit(m, train, {val = val, epochs = 2, batch = 4, quiet = true, run = "first"})
print(("%.6f %.6f"):format(r.history[2].loss, r.history[2].val_loss))
print(confusion(m, val))
local x, y = val:batch {0, 1}
local opt = optim.Adam(m:parameters(), {lr = 0.01})
opt:zero_grad()
local loss = F.cross_entropy(m(x), y)
loss:backward()
opt:step()
print(("%.6f"):format(loss:item()))
m:save("model.safetensors")
print(#runs())
