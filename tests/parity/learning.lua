-- The transfer recipe of tests/parity/learning.py, in Suture: arguments DATA WEIGHTS MODE SEEDS; prints one accuracy a seed.
local folder, weights, mode, seeds = arg[1], arg[2], arg[3], tonumber(arg[4])
local view = {resize = 72, crop = 64, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
local val = data.folder(folder .. "/val", view)
view.augment = {flip = true}
local train = data.folder(folder .. "/train", view)

for s = 0, seeds - 1 do
  seed(s)
  local m = mode == "scratch" and zoo.cifar_resnet20 {} or open(weights)
  m.linear = nn.Linear(m.linear.in_features, 2)
  if mode == "head" or mode == "stage" then m:freeze() m:unfreeze "linear" end
  if mode == "stage" then m:unfreeze "layer3" end
  fit(m, train, {epochs = 15, batch = 16, lr = mode == "scratch" and 0.05 or 0.01, momentum = 0.9, weight_decay = 1e-4,
    schedule = "cosine", seed = s, quiet = true})
  print(evaluate(m, val).acc)
end
