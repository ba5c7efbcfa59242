-- For tests/parity/optim.py. "kinds": a line for each optimizer there is: its name and options as name=default. Else
-- DIR: twenty steps of those in DIR/cases; reads DIR/{x,y,w,b}.npy, writes DIR/CASE_{w,b}.npy.
if arg[1] == "kinds" then
  for _, kind in pairs(optim._kinds) do -- those that ask for the loss: tests/parity/recipes.py
    if not kind.closure then print(kind.name, (kind.options:gsub(":%w+", ""):gsub("%s+", " "))) end
  end
  return
end
local dir = arg[1]
local function array(name) return load_tensor(dir .. "/" .. name .. ".npy") end
local x, y = array "x", array "y"
for line in io.lines(dir .. "/cases") do
  local case, name, options = line:match "^(%S+) (%S+) (.*)$"
  local w, b = array "w", array "b"
  w.requires_grad, b.requires_grad = true, true
  local opt = optim[name]({w, b}, assert(load("return " .. options))())
  for _ = 1, 20 do
    opt:zero_grad()
    local off = (x:matmul(w) + b):tanh() - y
    off:square():mean():backward()
    opt:step()
  end
  save_tensor(w:detach(), ("%s/%s_w.npy"):format(dir, case))
  save_tensor(b:detach(), ("%s/%s_b.npy"):format(dir, case))
end
