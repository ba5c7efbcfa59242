-- One file per line "IN OUT" on stdin: opens IN, writes its tensors as OUT.pth, .safetensors, and .npy (the first alone) for
-- formats.py, and prints container, wrapper, prefix and names.
require "suture"
local file = require("suture.core").file
for line in io.lines() do
  local from, to = line:match "^(%S+) (%S+)$"
  local f = file.open(from)
  local names, tensors = {}, {}
  for i, e in ipairs(f.entries) do names[i], tensors[i] = e.name, f:tensor(i) end
  file.save_torch(to .. ".pth", names, tensors, nil, {note = "é \"quoted\""})
  file.save_safetensors(to .. ".safetensors", names, tensors, nil, {note = "é \"quoted\""})
  file.save_npy(to .. ".npy", tensors[1])
  local keys = {}
  for k, v in pairs(f.metadata) do keys[#keys + 1] = k .. "=" .. v end
  table.sort(keys)
  print(table.concat({f.container, f.wrapper or "-", f.prefix or "-", table.concat(keys, ","), table.concat(names, " ")}, "|"))
  f:close()
end
