-- For tests/parity/checkpoints.py: goes on training from the checkpoint that PyTorch wrote (arg[1] KIND.pth in the folder
-- arg[2]), as it does, and writes one of its own for PyTorch to go on from.
local kind, folder = arg[1], arg[2]
local c = open(folder .. "/" .. kind .. ".pth", {state = "all"})

-- BatchNorm by hand, as in d2l.ai's book.
local Norm = nn.class "Norm"
function Norm:init(n)
  self.gamma = nn.Parameter(ones(1, n))
  self.beta = nn.Parameter(zeros(1, n))
  self:register_buffer("mean", zeros(1, n))
  self:register_buffer("var", ones(1, n))
end
function Norm:forward(x)
  if not self.training then return self.gamma * (x - self.mean) / (self.var + 1e-5):sqrt() + self.beta end
  local mean = x:mean{dim = 0, keepdim = true}
  local var = ((x - mean) ^ 2):mean{dim = 0, keepdim = true}
  no_grad(function()
    self.mean:mul_(0.9):add_(0.1 * mean:detach())
    self.var = 0.9 * self.var + 0.1 * var.data
  end)
  return self.gamma * (x - mean) / (var + 1e-5):sqrt() + self.beta
end
local Net = nn.class "Net"
function Net:init()
  self.fc1 = nn.Linear(6, 5, {bias = false}) -- whose gradient before a BatchNorm would be noise
  self.norm = Norm(5)
  self.fc2 = nn.Linear(5, 3)
end
function Net:forward(x)
  local a = self.norm(self.fc1(x))
  return self.fc2(F.relu(a) + (a:round() - a):detach())
end

local m = Net()
m:load_state_dict(c.model)
local opt = optim[kind](m:parameters(), {lr = 1})
opt:load_state_dict(c.optimizer)
local function train(steps)
  for i = 1, steps do
    opt:zero_grad()
    F.cross_entropy(m(c.x), c.y):backward()
    opt:step()
  end
end
train(3)
save({model = m:state_dict(), optimizer = opt:state_dict(), epoch = c.epoch + 1, best = c.best, views = {c.x, c.x[1], c.x:t()},
  note = c.note}, folder .. "/" .. kind .. "-suture.pth")
train(2)
save({model = m:state_dict(), eval = no_grad(function() return m:eval()(c.x) end)}, folder .. "/" .. kind .. "-end.pth")

-- PyTorch's ImageNet example keeps its best accuracy beside the state dict, a tensor.
local r = open(folder .. "/resnet.pth")
print(getmetatable(r).__name, r.fc.out_features)
