#!/usr/bin/env suture
-- Transfer learning and fine-tuning, after the guide of Keras of that name (by François Chollet).
--
--   suture examples/tutorials/keras_transfer_learning.lua                  drawn shapes, in seconds, without a download
--   suture examples/tutorials/keras_transfer_learning.lua DIR [WEIGHTS]    photographs of two classes: DIR/train/CLASS/*.jpg,
--                                                                          DIR/val/CLASS/*.jpg
--
-- The workflow: take layers from a trained model · freeze them, so that training does not destroy what they know · put new
-- trainable layers on top · train those · and, at the end, unfreeze all and train it again with a very small rate.
local dir, weights = arg[1], arg[2]
local here = arg[0]:match "^(.*/)" or ""

-- ---- freezing: three layers ----
-- Keras' layer.trainable = False is freeze() here: no gradient, and BatchNorm runs in inference mode.
local layer = nn.Linear(3, 4)
local function counts(m)
  local all, trains = 0, 0
  for p in m:parameters() do
    all = all + 1
    if p.requires_grad then trains = trains + 1 end
  end
  return all, trains
end
print(("a dense layer: %d weights, %d of them trainable"):format(counts(layer)))
layer:freeze()
print(("frozen: %d weights, %d of them trainable"):format(counts(layer)))

-- ---- the data: two classes, 40 % for training, as photographs ----
seed(5)
base = weights and open(weights) or dir and zoo.resnet18{pretrained = true} or open(here .. "../shapes-resnet20.safetensors")
local side = base.preprocess.crop or 32
local view = {transform = base, resize = {side, side}}
if dir then
  train, val = data.folder(dir .. "/train", view), data.folder(dir .. "/val", view)
else
  local function shapes(split)
    return data.shapes{domain = "textured", n = 24, split = split, transform = base}
        :filter(function(s) return s.class == "ring" or s.class == "heart" end)
        :align{"ring", "heart"}
  end
  train, val = shapes "train", shapes "val"
end
-- A number for each picture, 0 or 1, and not a class: the model has one output, the logit of the second class.
local function binary(ds)
  return ds:map(function(x) return x end, {target = function(y) return tensor{y}:float() end})
end
-- Random flips and turns make a small set more various.
train = binary(train:with{augment = {flip = true, rotate = 18}})
val = binary(val)
print(train)

-- ---- a model: the base without its top, and a new classifier ----
base:freeze()
local path, top = base:head()
base:replace(path, nn.Identity())
Model = nn.class "Model"
function Model:init()
  self.base = base
  self.dropout = nn.Dropout(0.2) -- regularises
  self.top = nn.Linear(top.in_features, 1)
end
function Model:forward(x) return self.top(self.dropout(self.base(x))) end
model = Model()
print(("%d of %d weights are trainable"):format(select(2, counts(model)), (counts(model))))

-- ---- train the top layer ----
local function right(logits, y) return logits:gt(0):float():eq(y):float():mean():item() end
local function measured()
  local loss, acc, n = 0, 0, 0
  model:eval()
  no_grad(function()
    for x, y in val:batches(16) do
      local out = model(x)
      loss = loss + F.binary_cross_entropy_with_logits(out, y):item() * x:size(0)
      acc, n = acc + right(out, y) * x:size(0), n + x:size(0)
    end
  end)
  return loss / n, acc / n
end
local function train_with(lr, epochs)
  fit(model, train, {loss = "bce_with_logits", optimizer = "adam", lr = lr, epochs = epochs, batch = 8, seed = 5, quiet = true,
    on_epoch = function(row)
      local loss, acc = measured()
      print(("epoch %d  loss %.4f  val loss %.4f  val binary accuracy %.4f"):format(row.epoch, row.loss, loss, acc))
    end})
end
train_with(1e-2, 4)

-- ---- a round of fine-tuning of the entire model ----
-- The base trains too now, with a very small rate. Its BatchNorm stays in inference mode (Keras calls the base with
-- training = False): its statistics would be destroyed by our few pictures.
print "\nFine-tuning"
base:unfreeze()
base:bn_eval()
print(("%d of %d weights are trainable"):format(select(2, counts(model)), (counts(model))))
train_with(1e-5, 2)
