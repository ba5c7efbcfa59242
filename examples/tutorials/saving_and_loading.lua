#!/usr/bin/env suture
-- Saving and loading models, after the PyTorch tutorial of that name (by Matthew Inkawhich).
--
--   suture examples/tutorials/saving_and_loading.lua [DIR]     writes its files into DIR (default: a temporary folder)
--
-- Four things are all there is to know:
--   m:save(path)                writes a model: its numbers, and how it was made and operated on
--   save(table, path)           writes several things: a model's numbers, its optimizer's, the step
--   open(path)                  gives back what was saved; of a published file the model; open(path, {state = true}) the numbers
--   m:load_state_dict(numbers)  puts numbers into a model that is there
local dir = arg[1] or os.tmpname() .. ".d"
os.execute(("mkdir -p '%s'"):format(dir))
local function file(name) return dir .. "/" .. name end

-- ---- what is a state dict? ----
-- A table from the name of each parameter and buffer to its tensor, in the order in which they were made.
TheModelClass = nn.class "TheModelClass"
function TheModelClass:init()
  self.conv1 = nn.Conv2d(3, 6, 5)
  self.pool = nn.MaxPool2d(2, 2)
  self.conv2 = nn.Conv2d(6, 16, 5)
  self.fc1 = nn.Linear(16 * 5 * 5, 120)
  self.fc2 = nn.Linear(120, 84)
  self.fc3 = nn.Linear(84, 10)
end
function TheModelClass:forward(x)
  x = self.pool(F.relu(self.conv1(x)))
  x = self.pool(F.relu(self.conv2(x)))
  x = x:view(-1, 16 * 5 * 5)
  x = F.relu(self.fc1(x))
  x = F.relu(self.fc2(x))
  return self.fc3(x)
end

seed(6)
model = TheModelClass()
local optimizer = optim.SGD(model:parameters(), {lr = 0.01, momentum = 0.9})
print "Model's state_dict:"
for name, t in pairs(model:state_dict()) do print(("  %-14s %s"):format(name, t.shape)) end
print "Optimizer's state_dict:"
print(("  %s, lr %g, momentum %g"):format(optimizer.kind, optimizer.param_groups[1].lr, optimizer.param_groups[1].momentum))

-- What a training step is, on eight pictures of noise.
local x, y = randn(8, 3, 32, 32), arange(8):long()
local function step(m, opt)
  local loss = F.cross_entropy(m(x), y)
  opt:zero_grad()
  loss:backward()
  opt:step()
  return loss:item()
end
save_tensor(x, file "x.npy")

-- ---- save and load the state dict (recommended in PyTorch) ----
-- The ending says the format: torch.load reads .pth, and there it is a state dict. Loading wants the model made first.
model:save(file "weights.pth")
local other = TheModelClass()
other:load_state_dict(open(file "weights.pth", {state = true}))
other:eval() -- dropout and BatchNorm behave otherwise in training; forgetting this gives other results
print(("state dict: the outputs differ by %g"):format((other(x) - model(x)):abs():max():item()))

-- ---- save and load the entire model ----
-- No need to make it first: the file tells what it is. A class of your own must have been defined, as in PyTorch.
model:save(file "model.safetensors")
local whole = open(file "model.safetensors"):eval()
print(("entire model: the outputs differ by %g"):format((whole(x) - model(x)):abs():max():item()))

-- ---- a checkpoint, to go on training ----
-- The weights alone are not enough: the optimizer remembers too (here, the momentum of every parameter), and training
-- without that memory takes another way. What belongs together goes into one file: a table of tensors, numbers, strings
-- and further tables. PyTorch's torch.load reads it as the same dict.
local loss
for i = 1, 3 do
  loss = step(model, optimizer)
  print(("step %d: loss %.4f"):format(i, loss))
end
save({
  step = 3,
  model_state_dict = model:state_dict(),
  optimizer_state_dict = optimizer:state_dict(),
  loss = loss,
}, file "checkpoint.pth")
local straight = {}
for i = 4, 6 do straight[i] = step(model, optimizer) end

local resumed = TheModelClass()
local opt = optim.SGD(resumed:parameters(), {lr = 0.01, momentum = 0.9})
local checkpoint = open(file "checkpoint.pth")
resumed:load_state_dict(checkpoint.model_state_dict)
opt:load_state_dict(checkpoint.optimizer_state_dict)
print(("the checkpoint is of step %d, its loss was %.4f"):format(checkpoint.step, checkpoint.loss))
for i = checkpoint.step + 1, 6 do
  print(("step %d: loss %.4f, without a break %.4f"):format(i, step(resumed, opt), straight[i]))
end

-- ---- several models in one file ----
-- State dicts, as PyTorch has them; or the models themselves, which come back as they are, surgery and all.
local modelA, modelB = TheModelClass(), nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
save({modelA_state_dict = modelA:state_dict(), modelB_state_dict = modelB:state_dict()}, file "states.pth")
local states = open(file "states.pth")
local again = TheModelClass()
again:load_state_dict(states.modelA_state_dict)
save({a = modelA, b = modelB, note = "trained together"}, file "models.pth")
local models = open(file "models.pth")
print(("several models: %s, the outputs differ by %g, %g and %g"):format(models.note,
  (again(x) - modelA(x)):abs():max():item(), (models.a(x) - modelA(x)):abs():max():item(),
  (models.b(x) - modelB(x)):abs():max():item()))

-- ---- warmstarting: parameters from a different model ----
-- strict = false leaves names out that one of the two has not. Here the new model has another head.
Other = nn.class("Other", TheModelClass)
function Other:init()
  TheModelClass.init(self)
  self.fc3 = nil
  self.head = nn.Linear(84, 4)
end
function Other:forward(v)
  v = self.pool(F.relu(self.conv1(v)))
  v = self.pool(F.relu(self.conv2(v)))
  v = F.relu(self.fc1(v:flatten(1)))
  return self.head(F.relu(self.fc2(v)))
end
local warm = open(file "weights.pth", {model = Other(), strict = false})
print(("warm start: conv1 is %s, the head is new: %s"):format(
  warm.conv1.weight:equal(other.conv1.weight) and "the file's" or "another", warm.head))

-- ---- surgery is saved with the model ----
-- What was frozen, replaced or cut off is in the file as well.
whole:freeze()
whole.fc3 = nn.Linear(84, 2)
whole:save(file "operated.safetensors")
print(open(file "operated.safetensors"))
if not arg[1] then os.execute(("rm -r '%s'"):format(dir)) end
