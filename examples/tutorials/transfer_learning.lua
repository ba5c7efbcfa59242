#!/usr/bin/env suture
-- Transfer learning for computer vision, after the PyTorch tutorial of that name (by Sasank Chilamkurthy).
--
--   suture examples/tutorials/transfer_learning.lua                  drawn shapes, in seconds, without a download
--   suture examples/tutorials/transfer_learning.lua DIR [WEIGHTS]    photographs: DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg
--
-- In practice few people train a network from random weights: they rarely have enough pictures. They take one that has
-- learned from many, and use it in one of two ways:
--   1. fine-tuning: begin with its weights in place of random ones, give it a new head, and train all of it;
--   2. as a feature extractor: freeze all its weights, and train nothing but the new head.
local dir, weights = arg[1], arg[2]
local here = arg[0]:match "^(.*/)" or ""

-- 1. A network that knows something else. Without WEIGHTS: a ResNet-18 that knows ImageNet, or, without DIR too, a small
-- ResNet that tells drawn circles from hearts and stars.
local function pretrained()
  if weights then return open(weights) end
  if dir then return zoo.resnet18{pretrained = true} end
  return open(here .. "../shapes-resnet20.safetensors")
end
seed(1)
model = pretrained()

-- 2. Pictures. Training sees each picture cut and mirrored at random; validation sees its middle. The normalisation is the
-- one the weights were trained with: `transform = model` takes it from the model.
local side = model.preprocess.crop or 32
local view = {transform = model, resize = side * 8 // 7, crop = side}
if dir then
  train, val = data.folder(dir .. "/train", view), data.folder(dir .. "/val", view)
else -- the same shapes, but only their outline: a network that has never seen those must learn anew
  view.domain, view.n = "outline", 12
  train = data.shapes(view)
  view.split = "val"
  val = data.shapes(view)
end
train = train:with{augment = {random_resized_crop = {scale = {0.5, 1}}, flip = true}}
print(train)
print(val)

-- 3. What both ways share: SGD with momentum, a rate that falls to a tenth every 7 epochs, and the weights of the epoch
-- that was most accurate on `val`.
local recipe = {val = val, epochs = 4, batch = 8, lr = 0.005, momentum = 0.9, schedule = "step", step_size = 7, gamma = 0.1,
  best = "acc", seed = 1, quiet = true}
function recipe.on_epoch(row)
  print(("epoch %d  train loss %.4f acc %.4f  val loss %.4f acc %.4f"):format(row.epoch, row.loss, row.acc, row.val_loss,
    row.val_acc))
end

-- 4. Fine-tuning: a new head for our classes, and everything trains.
print "\nFine-tuning the whole network"
model:reset_head(#train.classes)
print(fit(model, train, recipe))

-- What it says of a few pictures it has not trained on:
for _, i in ipairs {0, #val // 2, #val - 1} do
  local x, y = val:get(i)
  print(("  it is %s: predicted %s"):format(val.classes[y + 1], predict(model, x, 1)[1][1].class))
end

-- 5. The network as a fixed feature extractor: freeze() holds its weights and the statistics of its BatchNorm, the head
-- that is sewn on afterwards is not frozen. (In PyTorch, requires_grad = False leaves the statistics moving.)
print "\nTraining a new head alone"
extractor = pretrained()
extractor:freeze()
extractor:reset_head(#train.classes)
print(plan(extractor, train, {batch = recipe.batch}).first .. " is the first part that has a gradient")
print(fit(extractor, train, recipe))
print(confusion(extractor, val))
