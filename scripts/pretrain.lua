#!/usr/bin/env suture
-- Makes examples/shapes-resnet20.safetensors, the network that `make demo` operates on: the CIFAR ResNet-20 (He et al. 2015,
-- section 4.2) trained on the shapes that the program draws itself. Remake both with
--   ./suture scripts/pretrain.lua 2>&1 | tee examples/shapes-resnet20.log
-- AdamW, as SGD with lr 0.05, momentum 0.9 and weight_decay 5e-4 learnt far slower (0.744 on val where AdamW had 0.993).
local PATH = arg[1] or "examples/shapes-resnet20.safetensors"
local EPOCHS = math.tointeger(tonumber(arg[2] or 16))
local SEED = 1

seed(SEED)
local m = zoo.cifar_resnet20{num_classes = 8}
local train = data.shapes{domain = "source", n = 800, split = "train", augment = {flip = true}, transform = m}
local val = data.shapes{domain = "source", n = 100, split = "val", transform = m}
local test = data.shapes{domain = "source", n = 100, split = "test", transform = m}

print(("cifar_resnet20 on data.shapes, domain source: %d pictures to train, %d to validate, %d to test")
  :format(#train, #val, #test))
print("classes " .. table.concat(train.classes, ", "))
print(("AdamW lr 0.003 weight_decay 0.01, cosine over %d epochs, batch 32, flips, seed %d, %d threads"):format(
  EPOCHS, SEED, suture.threads()))

local r = fit(m, train, {val = val, epochs = EPOCHS, batch = 32, optimizer = "adamw", lr = 0.003,
  weight_decay = 0.01, schedule = "cosine", seed = SEED})

-- The last epoch's weights: the validation pictures chose nothing, the test pictures were not seen before.
print("trained " .. tostring(r))
print("val     " .. tostring(evaluate(m, val)))
print("test    " .. tostring(evaluate(m, test)))
m:save(PATH)
print("saved   " .. PATH)
