-- The transfer recipe of tests/parity/learning.py, in Suture: arguments DATA WEIGHTS MODE SEED DIR; leaves in DIR where it
-- starts (start.pth) and every batch of every epoch (x_E_K.npy, y_E_K.npy), and prints the accuracy it reaches.
local folder, weights, mode, s, dir = arg[1], arg[2], arg[3], tonumber(arg[4]), arg[5]
local EPOCHS, BATCH = 15, 16
local view = {resize = 72, crop = 64, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
local val = data.folder(folder .. "/val", view)
view.augment = {flip = true}
local train = data.folder(folder .. "/train", view)

seed(s)
local m = mode == "scratch" and zoo.cifar_resnet20 {} or open(weights)
m.linear = nn.Linear(m.linear.in_features, 2)
if mode == "head" or mode == "stage" then m:freeze() m:unfreeze "linear" end
if mode == "stage" then m:unfreeze "layer3" end
m:save(dir .. "/start.pth")
for epoch = 1, EPOCHS do
  local k = 0
  for x, y in train:batches(BATCH, {shuffle = true, seed = s, epoch = epoch}) do
    save_tensor(x, ("%s/x_%d_%d.npy"):format(dir, epoch, k))
    save_tensor(y, ("%s/y_%d_%d.npy"):format(dir, epoch, k))
    k = k + 1
  end
end
fit(m, train, {epochs = EPOCHS, batch = BATCH, lr = mode == "scratch" and 0.05 or 0.01, momentum = 0.9, weight_decay = 1e-4,
  schedule = "cosine", seed = s, quiet = true})
print(evaluate(m, val).acc)
