-- The pictures and the network of examples/experiments, for studies.py: suture pictures.lua FOLDER
local at = arg[1]
local m = open(arg[0]:match "^(.*/)" .. "../../../examples/shapes-resnet20.safetensors"):eval()
m:save(at .. "/network.pth")
local function put(name, ds)
  local all = {}
  for i = 1, #ds do all[i] = i - 1 end
  local x, y = ds:batch(all)
  save_tensor(x, ("%s/%s-x.npy"):format(at, name))
  save_tensor(y, ("%s/%s-y.npy"):format(at, name))
  return x
end
for _, domain in ipairs {"source", "outline", "classes"} do
  for _, n in ipairs {8, 12, 16, 20, 60} do
    put(("%s-%d"):format(domain, n), data.shapes{domain = domain, n = n, transform = m})
  end
  put(domain .. "-val", data.shapes{domain = domain, n = 25, split = "val", transform = m})
end
local x = put("raw-val", data.shapes{domain = "source", n = 25, split = "val"})
print(table.concat(m.preprocess.mean, " "))
print(table.concat(m.preprocess.std, " "))
