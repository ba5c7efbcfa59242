--- data.mnist: handwritten digits.
local idx = require "suture.data.idx"

--- MNIST from its published files: `data.mnist("mnist", {split = "test"})`.
-- The folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the t10k- ones, as they are or with .gz.
-- Pictures have 1 channel; `channels = 3` repeats it. `split` is "train" (default) or "test". Other options: see
-- `data`. `augment = true` means a random crop of the picture with 2 black pixels around (a digit in a mirror is none).
local function mnist(path, opts)
  local classes = {}
  for i = 0, 9 do classes[i + 1] = tostring(i) end
  return idx.open("mnist", path, opts, classes, {crop_pad = 2})
end

return mnist
