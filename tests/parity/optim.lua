-- Twenty steps of every optimizer for tests/parity/optim.py: arguments DIR; reads DIR/{x,y,w,b}.npy, writes DIR/KIND_{w,b}.npy.
local dir = arg[1]
local function array(name) return load_tensor(dir .. "/" .. name .. ".npy") end
local x, y = array "x", array "y"
for line in io.lines(dir .. "/kinds") do
  local kind, name, options = line:match "^(%S+) (%S+) (.*)$"
  local w, b = array "w", array "b"
  w.requires_grad, b.requires_grad = true, true
  local opt = optim[name]({w, b}, assert(load("return " .. options))())
  for _ = 1, 20 do
    opt:zero_grad()
    local off = (x:matmul(w) + b):tanh() - y
    off:square():mean():backward()
    opt:step()
  end
  save_tensor(w:detach(), ("%s/%s_w.npy"):format(dir, kind))
  save_tensor(b:detach(), ("%s/%s_b.npy"):format(dir, kind))
end
