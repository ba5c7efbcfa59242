--- Tensors: making them, arithmetic, shapes, reductions, gradients. Names, argument order and defaults are PyTorch's;
-- dims and indices count from 0, shapes read N, C, H, W. The face of this room: what is here is what others use.
local absent = require "suture.base.absent"
local base = require "suture.tensor.base"
local tensor, T = base.tensor, base.T

for _, part in ipairs {"making", "properties", "arithmetic", "shape", "reductions", "index", "inplace", "printing"} do
  require("suture.tensor." .. part)
end

tensor._op = base.op -- for layers and their functions
tensor._root = base.root

require "suture.base.method"(T, {is = base.is, what = "a tensor", name = "x"})

-- tensor.roll(x, …) is x:roll(…): the method that looks at its object first.
local docs = require "suture.base.docs"
for name, f in pairs(tensor) do
  if type(f) == "function" and docs[T[name] or false] == f then tensor[name] = T[name] end
end

require "suture.base.stray".guard(tensor)

tensor.tensor = tensor
setmetatable(tensor, {__call = function(_, ...) return tensor.new(...) end, __name = "tensor module"})
return absent.table(tensor, "tensor")
