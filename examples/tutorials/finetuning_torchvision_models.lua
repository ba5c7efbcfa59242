#!/usr/bin/env suture
-- Fine-tuning torchvision's models, after the PyTorch tutorial of that name (by Nathan Inkawhich).
--
--   suture examples/tutorials/finetuning_torchvision_models.lua              drawn shapes, random weights: only the steps
--   suture examples/tutorials/finetuning_torchvision_models.lua DIR [NAME…]  DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg, and
--                                                                            published weights of these models of the zoo
--
-- Every architecture keeps its classifier in another place and shape: `fc` of a ResNet is a linear layer, SqueezeNet
-- classifies by a convolution, DenseNet calls its layer `classifier`. The steps are the same for all of them:
--   initialise the network · give it a head for our classes · say what shall train · run the training.
local dir = arg[1]
local names = {table.unpack(arg, 2)}
if #names == 0 then names = {"resnet18", "squeezenet1_1", "densenet121"} end
local EPOCHS, BATCH, SIDE = 2, 8, dir and 224 or 64

-- True: train the new head alone. False: fine-tune the whole network.
local feature_extract = true

-- ---- the data ----
local view = {resize = {SIDE, SIDE}, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
if dir then
  train = data.folder(dir .. "/train", view):with{augment = {random_resized_crop = true, flip = true}}
  val = data.folder(dir .. "/val", view)
else
  local function shapes(split, n)
    return data.shapes{n = n, size = SIDE, split = split, mean = view.mean, std = view.std}
        :filter(function(s) return s.class == "circle" or s.class == "star" end)
        :align{"circle", "star"}
  end
  train, val = shapes("train", 12), shapes("val", 12)
end
local classes = #train.classes

-- ---- initialise and reshape ----

-- As in the tutorial: a parameter that does not require a gradient is not trained. The running statistics of BatchNorm go
-- on moving; m:freeze() would hold those as well.
local function set_parameter_requires_grad(m, feature_extracting)
  if feature_extracting then
    for p in m:parameters() do p.requires_grad = false end
  end
end

local function initialize_model(name, feature_extracting)
  local m = zoo[name]{pretrained = dir ~= nil}
  set_parameter_requires_grad(m, feature_extracting)
  m:reset_head(classes) -- finds the classifier, whatever it is; a fresh layer requires gradients
  return m
end

-- ---- train ----
for _, name in ipairs(names) do
  seed(2)
  model = initialize_model(name, feature_extract)
  local path, head = model:head()
  print(("\n%s: its head, %s, is %s"):format(name, path, head))

  print "Params to learn:"
  local params = {}
  for path_of, p in model:named_parameters() do
    if p.requires_grad then
      params[#params + 1] = p
      print("  " .. path_of)
    end
  end
  local optimizer = optim.SGD(params, {lr = 0.001, momentum = 0.9})

  local before = evaluate(model, val)
  print(("epoch 0  val loss %.4f acc %.4f"):format(before.loss, before.acc))
  fit(model, train, {val = val, epochs = EPOCHS, batch = BATCH, optimizer = optimizer, best = "acc", seed = 2, quiet = true,
    on_epoch = function(row)
      print(("epoch %d  train loss %.4f acc %.4f  val loss %.4f acc %.4f"):format(row.epoch, row.loss, row.acc, row.val_loss,
        row.val_acc))
    end})
end

-- ---- the same network from scratch, for comparison ----
print(("\n%s from scratch"):format(names[1]))
seed(2)
scratch = zoo[names[1]]{num_classes = classes}
fit(scratch, train, {val = val, epochs = 1, batch = BATCH, lr = 0.001, momentum = 0.9, seed = 2, quiet = true,
  on_epoch = function(row)
    print(("epoch %d  train loss %.4f acc %.4f  val loss %.4f acc %.4f"):format(row.epoch, row.loss, row.acc, row.val_loss,
      row.val_acc))
  end})
