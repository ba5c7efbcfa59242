--- data.fashion_mnist: clothes in MNIST's format.
local idx = require "suture.data.idx"

--- Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747) from its published files: `data.fashion_mnist("fashion", {split =
-- "test"})`. The files have MNIST's names and format: see data.mnist. `augment = true` means a flip and a random crop
-- of the picture with 2 black pixels around.
local function fashion_mnist(path, opts)
  local classes = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot"}
  return idx.open("fashion_mnist", path, opts, classes, {flip = true, crop_pad = 2})
end

return fashion_mnist
