#!/usr/bin/env suture
-- Grad-CAM in ten lines: where a network looks. Selvaraju et al. 2017, arXiv:1610.02391.
--   suture examples/gradcam.lua [OUT.png]
local folder = arg and arg[0] and arg[0]:match "^(.*)/[^/]*$" or "examples"
local m = open(folder .. "/shapes-resnet20.safetensors"):freeze() -- nothing in it requires a gradient
local pictures = data.shapes {n = 1, split = "val", transform = m}
local x, y = pictures:batch {0, 1, 2, 3, 4, 5, 6, 7}

local t = trace(m, x)
local classes = t.output:argmax(1)
local score = (t.output * F.one_hot(classes, t.output.shape[2])):sum() -- of the predicted class of each picture
local a, g = t:value "layer3", t:grad(score, "layer3")
local weights = g:mean({2, 3}, true)
local cam = F.relu((weights * a):sum(1))

local size = cam.shape
for i = 0, size[1] - 1 do
  local map = cam[i] / cam[i]:max()
  print(("%s, taken for %s"):format(m.classes[y[i]:item() + 1], m.classes[classes[i]:item() + 1]))
  for row = 0, size[2] - 1 do
    local line = {}
    for column = 0, size[3] - 1 do
      local v = map[row][column]:item()
      line[column + 1] = v > 0.75 and "##" or v > 0.5 and "++" or v > 0.25 and ".." or "  "
    end
    print("  " .. table.concat(line))
  end
end
