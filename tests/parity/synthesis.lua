-- For tests/parity/synthesis.py: pictures that vis.maximize and vis.dream make without moving them, and what they began with.
-- arg: weights, DIR, a unit of layer2.
local dir, unit = arg[2], math.tointeger(tonumber(arg[3]))
local m = open(arg[1], {model = zoo.cifar_resnet32()})
m.preprocess = {mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
local still = {jitter = 0, rotate = 0, scale = 0, quiet = true, seed = 3}
local function with(more)
  for k, v in pairs(still) do more[k] = v end
  return more
end
seed(3 * 1000003)
save_tensor(randn(3, 64, 17) * 0.01, dir .. "/noise.npy")
save_tensor(vis.maximize(m, "layer3", with {unit = 17, steps = 6}):tensor(), dir .. "/channel.npy")
save_tensor(vis.maximize(m, "layer2", with {unit = unit, position = {5, 9}, steps = 6, tv = 2}):tensor(), dir .. "/place.npy")
save_tensor(vis.class_image(m, 3, with {steps = 6}):tensor(), dir .. "/class.npy")
seed(5)
local x = randn(3, 40, 36)
save_tensor(x, dir .. "/x.npy")
save_tensor(vis.dream(m, x, with {layer = "layer3", octaves = 2, steps = 2, rate = 0.05}):tensor(), dir .. "/dream.npy")
