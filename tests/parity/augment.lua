-- For tests/parity/augment.py: DIR/cases holds a line of Lua for each case, a picture as values 0 to 1; writes DIR/CASE.npy.
local dir = arg[1]
local core = require("suture.core").image
local pictures = {}
local function picture(name)
  pictures[name] = pictures[name] or image.load(("%s/%s.png"):format(dir, name))
  return pictures[name]
end
-- What a data set with this augmentation gives for the picture, for seeds from 1 to n, one upon the other.
local function drawn(name, augment, n)
  local o = require("suture.data.options").read("drawn", {augment = augment})
  local list = {}
  for i = 1, n do list[i] = core.preprocess(picture(name), o.core, 4, i, 0, 0) end
  return tensor.cat(list, 0)
end
local i = 0
for line in io.lines(dir .. "/cases") do
  local x = assert(load("local picture, drawn, core = ... return " .. line))(picture, drawn, core)
  save_tensor(x, ("%s/%d.npy"):format(dir, i))
  i = i + 1
end
local out = assert(io.open(dir .. "/strengths", "w"))
for line in io.lines(dir .. "/asked") do
  local name, level, bins, wide, h, w = line:match "(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)"
  local s, signed = core.strength(name, tonumber(level), tonumber(bins), wide == "1", tonumber(h), tonumber(w))
  out:write(("%.17g %s\n"):format(s, signed))
end
out:close()
