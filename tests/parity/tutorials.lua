-- Runs a script of examples/tutorials and leaves in DIR what PyTorch needs to do the same: arguments SCRIPT DIR, and those
-- of the script, which prints its numbers as ever. Files:
--   start_F.pth, x_F_E_K.npy, y_F_E_K.npy      of the F-th fit: the model before it, batch K (from 0) of epoch E
--   val_F_x.npy, val_F_y.npy                   what it validates on; F = 0: the script's global val
--   opt_O_I.npy                                of the O-th optimizer made: its I-th parameter (from 0) as it was then
--   pass_P_K_x.npy, pass_P_K_y.npy             of the P-th shuffled pass over a data set outside fit: batch K
--   tensors_T_x.npy, tensors_T_y.npy           of the T-th data.tensors
--   randn_R.npy                                of the first calls of randn
-- Dropout passes everything on, here and there.
local script, dir = arg[1], arg[2]
arg = {[0] = script, table.unpack(arg, 3)}

local function keep(t, name, ...) save_tensor(t:detach(), ("%s/%s.npy"):format(dir, name:format(...))) end
local inside = false -- fit goes over data sets itself

nn.Dropout = function() return nn.Identity() end

local Dataset = require "suture.data.dataset"
local new, passes = Dataset.new, 0
function Dataset.new(...)
  local ds = new(...)
  local pass_of, go = ds._pass, ds._go
  rawset(ds, "_pass", function(self, size, opts)
    local pass = pass_of(self, size, opts)
    pass.shuffled = opts and opts.shuffle
    return pass
  end)
  rawset(ds, "_go", function(self, pass)
    local step, a, b, closing = go(self, pass)
    if inside or not pass.shuffled then return step, a, b, closing end
    passes = passes + 1
    local p, k = passes, -1
    return function()
      local x, y, places = step()
      if not x then return nil end
      k = k + 1
      keep(x, "pass_%d_%d_x", p, k)
      keep(y, "pass_%d_%d_y", p, k)
      return x, y, places
    end, a, b, closing
  end)
  return ds
end

local tensors_of, sets = data.tensors, 0
function data.tensors(x, y, opts)
  sets = sets + 1
  keep(x, "tensors_%d_x", sets)
  keep(y, "tensors_%d_y", sets)
  return tensors_of(x, y, opts)
end

local made = 0
for _, kind in ipairs {"SGD", "Adam"} do
  local make = optim[kind]
  optim[kind] = function(params, opts)
    local list = {}
    if type(params) == "table" then list = params
    else for p in params do list[#list + 1] = p end end
    made = made + 1
    for i, p in ipairs(list) do keep(p, "opt_%d_%d", made, i - 1) end
    return make(list, opts)
  end
end

local normal, calls = randn, 0
randn = function(...)
  local t = normal(...)
  calls = calls + 1
  if calls <= 3 then keep(t, "randn_%d", calls) end
  return t
end

local function all_of(ds, f)
  local all = {}
  for i = 1, #ds do all[i] = i - 1 end
  local x, y = ds:batch(all)
  keep(x, "val_%d_x", f)
  keep(y, "val_%d_y", f)
end

local train, fits = fit, 0
fit = function(m, ds, opts)
  fits, inside = fits + 1, true
  m:save(("%s/start_%d.pth"):format(dir, fits))
  local r = train(m, ds, opts)
  for epoch = 1, #r.history do
    local k = 0
    for x, y in ds:batches(opts.batch, {shuffle = true, seed = r.seed, epoch = epoch}) do
      keep(x, "x_%d_%d_%d", fits, epoch, k)
      keep(y, "y_%d_%d_%d", fits, epoch, k)
      k = k + 1
    end
  end
  if opts.val then all_of(opts.val, fits) end
  inside = false
  return r
end

dofile(script)
if Dataset.is(rawget(_G, "val")) then all_of(val, 0) end
