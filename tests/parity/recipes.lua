-- For tests/parity/recipes.py: DIR holds x.npy, y.npy, val_x.npy, val_y.npy, the starts NET.pth, and cases: a line for each:
-- number, network, and the options of fit as Lua. Writes the order of all epochs to DIR/order, and for each case the
-- loss of every step, the losses on val, and the losses of what the model is in the end to DIR/NUMBER. "kinds": the
-- optimizers there are; "schedules": those.
local dir = arg[1]
if dir == "kinds" then
  for _, kind in pairs(optim._kinds) do print(kind.name) end
  return
end
if dir == "schedules" then
  for _, kind in pairs(require "suture.optim.lr_scheduler"._kinds) do print(kind.fit.name) end
  return
end
local function array(name) return load_tensor(dir .. "/" .. name .. ".npy") end
local names = {"a", "b", "c", "d"}
local ds = data.tensors(array "x", array("y"):long(), {classes = names})
local val = data.tensors(array "val_x", array("val_y"):long(), {classes = names})

local nets = {
  plain = function()
    return nn.Sequential(nn.Conv2d(3, 8, 3, {stride = 2}), nn.Tanh(), nn.Flatten(), nn.Linear(200, 4))
  end,
  flat = function() return nn.Sequential(nn.Flatten(), nn.Linear(432, 4)) end,
  normed = function()
    return nn.Sequential(nn.Conv2d(3, 8, 3, {stride = 2}), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(200, 4))
  end,
}
for name, make in pairs(nets) do
  seed(3)
  make():save(("%s/%s.pth"):format(dir, name))
end
local epochs, batch = 10, 16
local out = assert(io.open(dir .. "/order", "w"))
for epoch = 1, epochs do
  for _, places in ipairs(ds:order(batch, {shuffle = true, seed = 5, epoch = epoch})) do
    out:write(table.concat(places, " "), "\n")
  end
end
out:close()
for line in io.lines(dir .. "/cases") do
  local number, net, options = line:match "^(%S+) (%S+) (.*)$"
  seed(3) -- the start that was saved
  local m, seen = nets[net](), {}
  local env = setmetatable({m = m, keep = function(x, y) -- not those of val, whose targets are classes
    if #y.shape == 2 then seen[#seen + 1] = {x, y} end
  end}, {__index = _G})
  local o = assert(load("return " .. options, "=options", "t", env))()
  o.epochs, o.batch, o.seed, o.quiet, o.val = o.epochs or epochs, o.batch or batch, 5, true, val
  local steps = {}
  function o.on_step(row) steps[#steps + 1] = ("%.9g"):format(row.loss) end
  local r = fit(m, ds, o)
  local vals = {}
  for i, row in ipairs(r.history) do vals[i] = ("%.9g"):format(row.val_loss) end
  local ended = evaluate(m, val).loss
  local f = assert(io.open(dir .. "/" .. number, "w"))
  f:write(table.concat(steps, " "), "\n", table.concat(vals, " "), "\n", ("%.9g"):format(ended), "\n")
  f:close()
  for i, pair in ipairs(seen) do
    save_tensor(pair[1], ("%s/%s_x%d.npy"):format(dir, number, i - 1))
    save_tensor(pair[2], ("%s/%s_y%d.npy"):format(dir, number, i - 1))
  end
end
