-- The transfer recipe of tests/parity/learning.py, in Suture: arguments DATA WEIGHTS MODE SEED DIR DEPTH EACH EPOCHS BATCH; leaves
-- in DIR where it starts (start.pth), every batch of every epoch (x_E_K.npy, y_E_K.npy) and what is measured on (val_x.npy,
-- val_y.npy), and prints the accuracy it reaches.
local folder, weights, mode, s, dir = arg[1], arg[2], arg[3], tonumber(arg[4]), arg[5]
local depth, each, epochs, batch = arg[6], tonumber(arg[7]), tonumber(arg[8]), tonumber(arg[9])
local view = {resize = 36, crop = 32, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
local train, val
if each == 0 then
  val = data.folder(folder .. "/val", view)
  train = data.folder(folder .. "/train", view)
else
  view.resize = 32
  train, val = data.folder(folder, view):split(0.8, {seed = 7})
  train = train:take {per_class = each, seed = s}
end
train = train:with {augment = {flip = true}}

seed(s)
local m = mode == "scratch" and zoo["cifar_resnet" .. depth] {} or open(weights)
m.linear = nn.Linear(m.linear.in_features, #train.classes)
if mode == "head" or mode == "stage" then m:freeze() m:unfreeze "linear" end
if mode == "stage" then m:unfreeze "layer3" end
m:save(dir .. "/start.pth")
local function leave(name, x, y)
  save_tensor(x, ("%s/%s.npy"):format(dir, name:format "x"))
  save_tensor(y, ("%s/%s.npy"):format(dir, name:format "y"))
end
for epoch = 1, epochs do
  local k = 0
  for x, y in train:batches(batch, {shuffle = true, seed = s, epoch = epoch}) do
    leave(("%%s_%d_%d"):format(epoch, k), x, y)
    k = k + 1
  end
end
for x, y in val:batches(#val) do leave("val_%s", x, y) end
fit(m, train, {epochs = epochs, batch = batch, lr = mode == "scratch" and 0.05 or 0.01, momentum = 0.9, weight_decay = 1e-4,
  schedule = "cosine", seed = s, quiet = true})
print(evaluate(m, val).acc)
