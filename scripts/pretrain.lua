#!/usr/bin/env suture
-- Makes examples/shapes-resnet20.safetensors, the network that `make demo` operates on: the CIFAR ResNet-20 (He et al. 2015,
-- section 4.2) trained on the shapes that the program draws itself. Remake both with
--   ./suture scripts/pretrain.lua 2>&1 | tee examples/shapes-resnet20.log
-- AdamW, as SGD with lr 0.05, momentum 0.9 and weight_decay 5e-4 learnt far slower (0.744 on val where AdamW had 0.993).
-- With the cross entropy alone all that a border's neighbourhood says is spread around the shape: less than half of a
-- class activation map lies in it. So from half of the epochs on the loss counts, times FEW, the entropy of the places
-- where evidence for the right class is found: a network that sees a shape in few places. No mask is told to it.
local PATH = arg[1] or "examples/shapes-resnet20.safetensors"
local EPOCHS = math.tointeger(tonumber(arg[2] or 20))
local FEW = tonumber(arg[3] or 0.05)
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
print(("loss: cross entropy, from epoch %d on + %g × entropy of the places of the evidence"):format(EPOCHS // 2 + 1, FEW))

local maps, epoch = nil, 1
local handle = m.layer3:register_forward_hook(function(_, _, out) maps = out end)

-- The class activation map of the right class (Zhou et al. 2016, arXiv:1512.04150) is what the head sums: as shares of
-- what speaks for the class, their entropy in nats, the mean of a batch.
local function spread(target)
  local weight = m.linear.weight:index_select(0, target):unsqueeze(-1):unsqueeze(-1)
  local evidence = F.relu((maps * weight):sum(1)):flatten(1)
  local share = evidence / (evidence:sum(1, true) + 1e-6)
  return -(share * (share + 1e-8):log()):sum(1):mean()
end

local function loss(net, x, target)
  local logits = net(x)
  local l = F.cross_entropy(logits, target)
  return epoch > EPOCHS // 2 and l + spread(target) * FEW or l, logits
end

local r = fit(m, train, {val = val, epochs = EPOCHS, batch = 32, optimizer = "adamw", lr = 0.003,
  weight_decay = 0.01, schedule = "cosine", seed = SEED, loss = loss, on_epoch = function(row) epoch = row.epoch + 1 end})
handle:remove()

-- The last epoch's weights: the validation pictures chose nothing, the test pictures were not seen before.
print("trained " .. tostring(r))
print("val     " .. tostring(evaluate(m, val)))
print("test    " .. tostring(evaluate(m, test)))
m:save(PATH)
print("saved   " .. PATH)
