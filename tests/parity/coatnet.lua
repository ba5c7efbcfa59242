-- For tests/parity/coatnet.py: the state of zoo.NAME as JSON names and shapes; with DIR/state.pth there, logits of DIR/x.npy.
local name, dir = arg[1], arg[2]
local m = zoo[name]()
local names = io.open(dir .. "/names.txt", "w")
for k, t in m:state_dict() do names:write(k, " ", table.concat(t.shape, ","), " ", t.dtype, "\n") end
names:close()
local file = io.open(dir .. "/state.pth")
if not file then return end
file:close()
open(dir .. "/state.pth", {model = m}):eval()
save_tensor(no_grad(function() return m(load_tensor(dir .. "/x.npy")) end), dir .. "/logits.npy")
