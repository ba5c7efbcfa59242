-- The zoo's models for tests/parity/zoo.py. `list`: their names, each with what its family's file tells (parity in `test`, see
-- suture.zoo). `shapes NAME…`: the names and shapes of their tensors. `run NAME DIR PART…`: loads DIR/start.pth, writes what
-- PyTorch's is compared with, without these parts of the model; `train NAME DIR PART…`: the same, in training.
local what = arg[1]

if what == "list" then
  local catalogue, facts = require "suture.zoo.common.catalogue", {}
  for name in zoo.list() do
    local family, _, at = catalogue.find(name)
    local test = family.test or {}
    facts[name] = {family = at, also = test.also}
    for k, v in pairs(test.parity or {}) do facts[name][k] = v end
  end
  print(require("suture.core").json.encode(facts))
  return
end

if what == "shapes" then
  for i = 2, #arg do
    local m = nn.init.skip(zoo[arg[i]])
    local learns = {}
    for name in m:named_parameters() do learns[name] = true end
    print("model", arg[i])
    for name, t in m:state_dict() do print(learns[name] and "parameter" or "buffer", name, table.concat(t.shape, " ")) end
    m = nil
    collectgarbage()
  end
  return
end

local dir = arg[3]

local save = dofile "tests/parity/write.lua"
local function write(name, tensors) save(dir .. "/" .. name .. ".pth", tensors) end

local m = nn.init.skip(zoo[arg[2]])
for i = 4, #arg do m[arg[i]] = nil end
open(dir .. "/start.pth", {model = m})
local x = load_tensor(dir .. "/x.npy")
if what == "run" then
  m:eval()
  save_tensor(no_grad(function() return m(x) end), dir .. "/eval.npy")
else
  m:train()
  for sub in m:modules() do -- what drops at random
    local class = getmetatable(sub)
    if class == nn.Dropout or class == nn.Dropout2d or class == nn.StochasticDepth then sub.p = 0 end
  end
  local logits = m(x)
  save_tensor(logits, dir .. "/train.npy")
  F.cross_entropy(logits, load_tensor(dir .. "/y.npy")):backward()
  local grads = require("suture.base.ordered").dict()
  for n, p in m:named_parameters() do grads[n] = p.grad end
  write("grads", grads)
  write("after", m:state_dict())
end
