#!/usr/bin/env suture
-- "What is torch.nn really?", after the PyTorch tutorial of that name (by Jeremy Howard, Rachel Thomas, Francisco Ingham).
--
--   suture examples/tutorials/what_is_torch_nn.lua         the ten digits of a clock under noise, 16 by 16, made here
--   suture examples/tutorials/what_is_torch_nn.lua DIR     MNIST, from its published files in DIR
--
-- A network is trained with nothing but tensors and their gradients first. Then one thing after another is taken from nn,
-- F, optim and data, and what was written by hand gets shorter, while the numbers stay what they were.
local dir = arg[1]
local bs, lr, epochs = 16, 0.1, 5

-- ---- the data: rows of pixels, and their classes ----
-- The seven bars of a clock's digit, {top, left, height, width} each, and which of them are lit.
local bars = {{2, 5, 1, 6}, {3, 4, 4, 1}, {3, 11, 4, 1}, {7, 5, 1, 6}, {8, 4, 4, 1}, {8, 11, 4, 1}, {12, 5, 1, 6}}
local lit = {"1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011"}
local function digit(k)
  local picture = {}
  for row = 1, 16 do
    picture[row] = {}
    for column = 1, 16 do picture[row][column] = 0 end
  end
  for b, bar in ipairs(bars) do
    local top, left, height, width = table.unpack(bar)
    for row = top + 1, top + height do
      for column = left + 1, left + width do
        if lit[k + 1]:sub(b, b) == "1" then picture[row][column] = 1 end
      end
    end
  end
  return picture
end
local function digits(n)
  local drawn = {}
  for k = 0, 9 do drawn[k + 1] = digit(k) end
  local y = (arange(n) % 10):long()
  return (tensor(drawn):index_select(0, y) * 0.6 + rand(n, 16, 16) * 0.4):flatten(1), y
end
local function mnist(split)
  local all, ds = {}, data.mnist(dir, {split = split}):shuffle(0)
  for i = 1, #ds do all[i] = i - 1 end
  local x, y = ds:batch(all)
  return x:flatten(1), y
end
seed(5)
local x_train, y_train = (dir and mnist or digits)(dir and "train" or 1000)
local x_valid, y_valid = (dir and mnist or digits)(dir and "test" or 200)
local n, d, c = x_train.shape[1], x_train.shape[2], 10
local side = math.tointeger(math.sqrt(d))
print(("%d pictures of %d pixels, %d classes, from %g to %g"):format(n, d, c, x_train:min():item(), x_train:max():item()))

-- ---- a network from nothing ----
-- Weights as of Xavier: random numbers by 1/√d. requires_grad comes after, so that this is no part of the gradient.
seed(5)
weights = randn(d, c) / math.sqrt(d)
weights.requires_grad = true
bias = zeros(c)
bias.requires_grad = true

local function log_softmax(x) return x - x:exp():sum(1, true):log() end
local function net(xb) return log_softmax(xb:matmul(weights) + bias) end

-- The negative log-likelihood: minus the entry of the right class, on average.
local function nll(input, target) return -(input * F.one_hot(target, c)):sum(1):mean() end
local function accuracy(out, yb) return out:argmax(1):eq(yb):float():mean() end

local function rows(t, from) return t:narrow(0, from, math.min(bs, n - from)) end
print(("before training: loss %.4f, accuracy %.4f"):format(nll(net(x_train), y_train):item(),
  accuracy(net(x_train), y_train):item()))

-- The loop: pick a batch, predict, compute the loss, step against the gradient.
for _ = 1, epochs do
  for from = 0, n - 1, bs do
    local loss = nll(net(rows(x_train, from)), rows(y_train, from))
    loss:backward()
    no_grad(function() -- the update itself is not to be recorded
      weights:sub_(weights.grad * lr)
      bias:sub_(bias.grad * lr)
      weights.grad, bias.grad = nil, nil
    end)
  end
end
print(("by hand: loss %.4f, accuracy %.4f"):format(nll(net(x_train), y_train):item(), accuracy(net(x_train), y_train):item()))

-- ---- F.cross_entropy: log_softmax and the likelihood in one ----
local loss_func = F.cross_entropy
print(("F.cross_entropy: loss %.4f"):format(loss_func(x_train:matmul(weights) + bias, y_train):item()))

-- ---- nn: a module holds its parameters, a layer makes them ----
Logistic = nn.class "Logistic"
function Logistic:init() self.lin = nn.Linear(d, c) end
function Logistic:forward(xb) return self.lin(xb) end

-- ---- data: a data set gives batches ----
local train_ds, valid_ds = data.tensors(x_train, y_train), data.tensors(x_valid, y_valid)

-- ---- fit: a step on a batch, an epoch of steps, a validation ----
-- With an optimizer a batch is trained on; without, the loss is only computed.
local function loss_batch(m, xb, yb, opt)
  local loss = loss_func(m(xb), yb)
  if opt then
    loss:backward()
    opt:step()
    opt:zero_grad()
  end
  return loss:item(), xb:size(0)
end

local function run(name, m, opt)
  for epoch = 1, epochs do
    m:train()
    for xb, yb in train_ds:batches(bs, {shuffle = true, seed = 4, epoch = epoch}) do loss_batch(m, xb, yb, opt) end
    m:eval()
    local sum, count = 0, 0
    no_grad(function()
      for xb, yb in valid_ds:batches(2 * bs) do
        local loss, size = loss_batch(m, xb, yb)
        sum, count = sum + loss * size, count + size
      end
    end)
    print(("%s: epoch %d, validation loss %.4f"):format(name, epoch, sum / count))
  end
end

seed(5)
logistic = Logistic()
run("logistic regression", logistic, optim.SGD(logistic:parameters(), {lr = lr}))

-- ---- a convolutional network: the same loop trains it ----
-- nn.Sequential puts layers one after another; a function becomes one as a small class.
Lambda = nn.class "Lambda"
function Lambda:init(f) self.func = f end
function Lambda:forward(x) return self.func(x) end

seed(5)
cnn = nn.Sequential(
  Lambda(function(x) return x:view(-1, 1, side, side) end),
  nn.Conv2d(1, 16, 3, {stride = 2, padding = 1}),
  nn.ReLU(),
  nn.Conv2d(16, 16, 3, {stride = 2, padding = 1}),
  nn.ReLU(),
  nn.Conv2d(16, 10, 3, {stride = 2, padding = 1}),
  nn.ReLU(),
  nn.AdaptiveAvgPool2d(1),
  Lambda(function(x) return x:view(x:size(0), -1) end))
run("convolutions", cnn, optim.SGD(cnn:parameters(), {lr = 0.05, momentum = 0.9}))

-- ---- and what the library has of this already ----
seed(5)
short = nn.Linear(d, c)
print(fit(short, train_ds, {val = valid_ds, epochs = epochs, batch = bs, lr = lr, momentum = 0, seed = 4, quiet = true}))
