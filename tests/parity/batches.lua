-- What image.batch makes of x.npy, for batches.py: each case in a file.
local at = arg[1]
local x = load_tensor(at .. "/x.npy")
local k = 0
for line in io.lines(at .. "/cases") do
  k = k + 1
  local f = assert(load("local x, b = ... return b." .. line))
  save_tensor(f(x, image.batch), ("%s/%d.npy"):format(at, k))
end
local leaf = x:clone():requires_grad_()
local y = image.batch.rotate(image.batch.gaussian_blur(leaf, 3), 20, "bilinear")
y = image.batch.adjust_saturation(image.batch.adjust_contrast(y, 1.5), 0.5)
y:square():sum():backward()
save_tensor(leaf.grad, at .. "/grad.npy")
