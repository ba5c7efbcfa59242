-- For tests/parity/vis.py: what vis.* gives of DIR/state.pth for the photographs, as DIR/METHOD.npy. arg: model, DIR, the
-- methods ("gradcam,saliency"), pictures…; model is zoo's name.
local name, dir, methods = arg[1], arg[2], arg[3]
local m = zoo[name]()
open(dir .. "/state.pth", {model = m}):freeze() -- nothing requires a gradient; in training mode as it was made
local pictures = {}
for i = 4, #arg do pictures[#pictures + 1] = arg[i] end
local small = m.input_shape[3] == 32
local how = small and {size = 32, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
  or {resize = 224, crop = 224, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
local list = {}
for i, path in ipairs(pictures) do list[i] = image.preprocess(path, how) end
local x = require("suture.tensor").cat(list, 0)
save_tensor(x, dir .. "/x.npy")
seed(0)
save_tensor(randn(4, x.shape[2], x.shape[3], x.shape[4]), dir .. "/noise.npy") -- what SmoothGrad draws for picture 0

local options = {
  integrated_gradients = {steps = 8}, smoothgrad = {n = 4}, occlusion = {size = small and 8 or 64, stride = small and 4 or 48},
}
local one = {smoothgrad = true, attention = true, rollout = true}
for method in methods:gmatch "[^,]+" do
  local p = vis[method](m, one[method] and x[0] or x, options[method])
  local map = p.map
  if #map.shape == 2 then map = map:unsqueeze(0) end
  save_tensor(map, dir .. "/" .. method .. ".npy")
  if p.layer then print(method, p.layer) end
end
