-- For tests/parity/explain.py. "pictures" DIR PATH…: the pictures as DIR/0.npy, … Else arg: model ("tiny_vgg" or a name of
-- the zoo), DIR, the folder of tiny_vgg: DIR/asked has lines of x.npy, path, unit, place; for each the number that
-- vis.explain gives, the sum of its parts, the sum of what it shows.
local name, dir = arg[1], arg[2]
if name == "pictures" then
  for i = 3, #arg do save_tensor(image.load(arg[i]), ("%s/%d.npy"):format(dir, i - 3)) end
  return
end

local Tiny = nn.class "Tiny"
local layers = {"conv_1_1", "relu_1_1", "conv_1_2", "relu_1_2", "max_pool_1", "conv_2_1", "relu_2_1", "conv_2_2", "relu_2_2",
  "max_pool_2"}
function Tiny:init()
  for _, layer in ipairs(layers) do
    self[layer] = layer:find "conv" and nn.Conv2d(layer == "conv_1_1" and 3 or 10, 10, 3)
      or layer:find "pool" and nn.MaxPool2d(2) or nn.ReLU()
  end
  self.output = nn.Linear(1690, 10)
end
function Tiny:forward(x)
  for _, layer in ipairs(layers) do x = self[layer](x) end
  return self.output(x:flatten(1))
end

local m
if name == "tiny_vgg" then
  local trunk = Tiny()
  open(arg[3] .. "/tiny_vgg.safetensors", {model = trunk})
  m = trunk
else
  m = zoo[name]()
  open(dir .. "/state.pth", {model = m})
end
m:freeze() -- in training mode as it was made
local shares = nn.class "Shares" -- the softmax behind it
function shares:init() self.net, self.share = m, nn.Softmax(1) end
function shares:forward(x) return self.share(self.net(x)) end
local behind = shares()

for line in io.lines(dir .. "/asked") do
  local file, path, unit, at = line:match "^(.-)\t(.-)\t(.-)\t(.*)$"
  local place = {}
  for v in at:gmatch "%d+" do place[#place + 1] = math.tointeger(v) end
  local opts = {unit = math.tointeger(unit)}
  if #place > 0 then opts.at = place end
  local e = vis.explain(path == "share" and behind or m, load_tensor(file), path, opts)
  print(("%.9g %.9g %.9g"):format(e.value, e.terms:sum():item(), e.shown))
end
