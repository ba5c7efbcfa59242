-- One zoo model for tests/parity/models.py: loads DIR/start.pth, writes what PyTorch's is compared with.
local name, dir = arg[1], arg[2]
local m = zoo[name]()

local save = dofile "tests/parity/write.lua"
local function write(name, tensors) save(dir .. "/" .. name .. ".pth", tensors) end

local function start() return open(dir .. "/start.pth", {model = m}) end

start()
write("start_ours", m:state_dict())
local x, y = load_tensor(dir .. "/x.npy"), tensor {1, 3, 5, 7}
m:eval()
save_tensor(no_grad(function() return m(x) end), dir .. "/eval.npy")
m:train()

local function backward(x)
  local logits = m(x)
  F.cross_entropy(logits, y):backward()
  local grads = require("suture.base.ordered").dict()
  for n, p in m:named_parameters() do grads[n], p.grad = p.grad, nil end
  return grads, logits
end

local grads, logits = backward(x)
save_tensor(logits, dir .. "/train.npy")
write("grads", grads)
write("after", m:state_dict())

local relus = {}
for parent in m:modules() do
  for name, child in parent:named_children() do
    if getmetatable(child) == nn.ReLU then relus[#relus + 1] = {parent, name} end
  end
end
for _, r in ipairs(relus) do r[1][r[2]] = nn.SiLU() end
F.relu = F.silu
start()
write("grads_smooth", (backward(x)))

local optimizers = {
  sgd = function(p) return optim.SGD(p, {lr = 1e-4, momentum = 0.9, weight_decay = 1e-4, nesterov = true}) end,
  adam = function(p) return optim.Adam(p, {lr = 1e-5, weight_decay = 1e-4}) end,
  adamw = function(p) return optim.AdamW(p, {lr = 1e-5, weight_decay = 1e-2}) end,
}
for kind, make in pairs(optimizers) do
  start()
  local opt = make(m:parameters())
  for _ = 1, 5 do
    opt:zero_grad()
    F.cross_entropy(m(x), y):backward()
    opt:step()
  end
  write(kind, m:state_dict())
end
