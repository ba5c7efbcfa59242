#!/usr/bin/env suture
-- Training a classifier, after "Deep Learning with PyTorch: A 60 Minute Blitz".
--
--   suture examples/tutorials/classifier.lua          stripes in four directions, made here
--   suture examples/tutorials/classifier.lua DIR      pictures of 32 by 32 in one folder for each class: DIR/CLASS/*.jpg
--
-- 1. Load and normalise the pictures  2. Define a convolutional network  3. Define a loss and an optimizer
-- 4. Train  5. Test
local dir = arg[1]
local path = os.tmpname() .. ".pth"

-- 1. Pictures are read as numbers from 0 to 1; mean and std of 0.5 bring them to −1 … 1.
local view = {size = {32, 32}, mean = 0.5, std = 0.5}
if dir then
  trainset, testset = data.folder(dir, view):shuffle(0):split(0.8)
else
  -- n pictures of stripes, of any width, place and colour, under noise; already from −1 to 1
  local function stripes(n)
    local x, y = zeros(n, 3, 32, 32), zeros(n):long()
    local across, down = arange(32):reshape(1, 32), arange(32):reshape(32, 1)
    local directions = {{0, 1}, {1, 0}, {0.7, 0.7}, {0.7, -0.7}}
    for i = 0, n - 1 do
      local a, b = table.unpack(directions[i % 4 + 1])
      local wave = ((across * a + down * b) * (0.4 + 0.6 * rand(1)) + 6.3 * rand(1)):sin()
      x[i], y[i] = wave * (rand(3, 1, 1) - 0.5) + randn(3, 32, 32) / 10, i % 4
    end
    return data.tensors(x, y, {classes = {"horizontal", "vertical", "rising", "falling"}})
  end
  seed(3)
  trainset, testset = stripes(480), stripes(200)
end
local classes = trainset.classes
print(trainset)

-- 2. Two convolutions, each with a ReLU and a max-pool, and three linear layers.
Net = nn.class "Net"
function Net:init()
  self.conv1 = nn.Conv2d(3, 6, 5)
  self.pool = nn.MaxPool2d(2, 2)
  self.conv2 = nn.Conv2d(6, 16, 5)
  self.fc1 = nn.Linear(16 * 5 * 5, 120)
  self.fc2 = nn.Linear(120, 84)
  self.fc3 = nn.Linear(84, #classes)
end
function Net:forward(x)
  x = self.pool(F.relu(self.conv1(x)))
  x = self.pool(F.relu(self.conv2(x)))
  x = x:flatten(1) -- all dimensions but the batch
  x = F.relu(self.fc1(x))
  x = F.relu(self.fc2(x))
  return self.fc3(x)
end
seed(3)
net = Net()

-- 3. The cross entropy of the classes, and SGD with momentum.
local criterion = nn.CrossEntropyLoss()
local optimizer = optim.SGD(net:parameters(), {lr = dir and 0.004 or 0.02, momentum = 0.9})

-- 4. Two times over the pictures, four at a time.
for epoch = 1, 2 do
  local running_loss, steps = 0, 0
  for inputs, labels in trainset:batches(4, {shuffle = true, seed = 3, epoch = epoch}) do
    optimizer:zero_grad()

    -- forward, backward, optimize
    local outputs = net(inputs)
    local loss = criterion(outputs, labels)
    loss:backward()
    optimizer:step()

    running_loss, steps = running_loss + loss:item(), steps + 1
    if steps % 40 == 0 then -- every 40 batches
      print(("[%d, %5d] loss: %.4f"):format(epoch, steps, running_loss / 40))
      running_loss = 0
    end
  end
end
print "Finished Training"
net:save(path)

-- 5. Test: on one batch first. The file tells the weights; the class is ours.
net = open(path, {model = Net()})
local images, labels = testset:batch{0, #testset // 2}
local _, predicted = net(images):max(1)
for i = 0, 1 do
  print(("GroundTruth: %s  Predicted: %s"):format(classes[labels[i]:item() + 1], classes[predicted[i]:item() + 1]))
end

-- On all of it, with nothing recorded for gradients; and for each class by itself.
local correct, total, of_class, right_of = 0, 0, {}, {}
for i = 1, #classes do of_class[i], right_of[i] = 0, 0 end
no_grad(function()
  for x, y in testset:batches(32) do
    local guess = net(x):argmax(1)
    total = total + y:size(0)
    correct = correct + guess:eq(y):sum():item()
    for i = 0, y:size(0) - 1 do
      local k = y[i]:item() + 1
      of_class[k] = of_class[k] + 1
      if guess[i]:item() == y[i]:item() then right_of[k] = right_of[k] + 1 end
    end
  end
end)
print(("Accuracy of the network on the %d test images: %.4f"):format(total, correct / total))
for k, name in ipairs(classes) do
  print(("Accuracy for class %-10s is %.1f %%"):format(name, 100 * right_of[k] / of_class[k]))
end
os.remove(path)
