#!/usr/bin/env suture
-- Fine-tunes a network on a folder of photographs, one folder for each class.
local USAGE = [[
usage: suture examples/finetune.lua --data DIR [options]
  --data DIR      DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, or DIR/CLASS/*.jpg (a fifth of it validates)
  --epochs N      passes over the pictures (default 5)
  --model NAME    a zoo name with published weights (default resnet18), or the path of a file of weights
  --head-only     train the new head alone; the rest is frozen, and computed once per picture
  --lr X          learning rate (default 0.01 with --head-only, else 0.001)
  --batch N       pictures in a step (default 16)
  --size N        side of the pictures in pixels (default: what belongs to the weights)
  --seed N        of the head, the order and the split (default 1)
  --save PATH     write the result: .safetensors (with the surgery) or .pth (for torch.load)
  --help          this text]]

local function usage(problem)
  io.stderr:write("finetune: ", problem, "\n", USAGE, "\n")
  os.exit(2)
end

-- ---- options ----
local kinds = {data = "text", model = "text", save = "text", epochs = "count", batch = "count", size = "count", seed = "whole",
  lr = "rate", ["head-only"] = "flag", help = "flag"}
local expects = {count = "a whole number above 0", whole = "a whole number, 0 or above", rate = "a number above 0"}
local o = {epochs = 5, model = "resnet18", batch = 16, seed = 1}

local i = 1
while i <= #arg do
  local name, value = arg[i]:match "^%-%-([%w-]+)=?(.*)$"
  local kind = name and kinds[name]
  if not kind then usage(("no option %s"):format(arg[i])) end
  local glued = arg[i]:find("=", 1, true)
  if kind == "flag" then
    if glued then usage(("--%s takes no value"):format(name)) end
    o[name] = true
  else
    if not glued then
      i = i + 1
      value = arg[i]
    end
    if not value or value == "" then usage(("--%s needs a value"):format(name)) end
    if kind == "text" then o[name] = value
    else
      local v = tonumber(value)
      if kind ~= "rate" then v = v and math.tointeger(v) end
      if not v or v < 0 or (kind ~= "whole" and v == 0) then
        usage(("--%s expects %s, got %s"):format(name, expects[kind], value))
      end
      o[name] = v
    end
  end
  i = i + 1
end
if o.help then print(USAGE) os.exit(0) end
if not o.data then usage "--data is missing" end
if o.save and not o.save:match "%.safetensors$" and not o.save:match "%.pth?$" then
  usage(("--save expects a name that ends in .safetensors, .pth or .pt, got %s"):format(o.save))
end

-- ---- the network ----
seed(o.seed)
local from_file = o.model:find "[/.]"
if not from_file and not zoo.has(o.model) then usage(("the zoo has no %s"):format(o.model)) end
local m = from_file and open(o.model) or zoo[o.model]{pretrained = true}

-- ---- the pictures ----
local function has(name)
  return os.rename(o.data .. "/" .. name, o.data .. "/" .. name) == true
end
local view = {transform = m, size = o.size}
if not o.size and not (m.preprocess and (m.preprocess.crop or m.preprocess.resize)) and m.input_shape then
  view.size = m.input_shape[3]
end
local train, val
if has "train" then
  local other = has "val" and "val" or has "valid" and "valid" or has "validation" and "validation" or has "test" and "test"
  if not other then usage(o.data .. " has a folder train but no folder val") end
  train, val = data.folder(o.data .. "/train", view), data.folder(o.data .. "/" .. other, view)
  if table.concat(train.classes, "/") ~= table.concat(val.classes, "/") then
    usage(("the classes of train (%s) and %s (%s) differ"):format(table.concat(train.classes, ", "), other,
      table.concat(val.classes, ", ")))
  end
else
  train, val = data.folder(o.data, view):split(0.8, {seed = o.seed})
end
-- Flips make each epoch's pictures new; a frozen trunk is computed once per picture only when they are not.
if not o["head-only"] then train = train:with{augment = {flip = true}} end
print(train)
print(val)

-- ---- surgery and training ----
if o["head-only"] then m:freeze() end
m:reset_head(#train.classes)
fit(m, train, {val = val, epochs = o.epochs, batch = o.batch, lr = o.lr or (o["head-only"] and 0.01 or 0.001), momentum = 0.9,
  seed = o.seed})
print(confusion(m, val))
if o.save then
  m:save(o.save)
  print("saved " .. o.save)
end
