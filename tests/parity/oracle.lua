-- For tests/parity/oracle.py: the names, shapes and types of zoo.NAME, and its logits of DIR/x.npy with DIR/state.pth.
local name, dir = arg[1], arg[2]
local m = zoo[name]()
local names = io.open(dir .. "/names.txt", "w")
for k, t in m:state_dict() do names:write(k, " ", table.concat(t.shape, ","), " ", t.dtype, "\n") end
names:close()
open(dir .. "/state.pth", {model = m}):eval()
save_tensor(no_grad(function() return m(load_tensor(dir .. "/x.npy")) end), dir .. "/logits.npy")
