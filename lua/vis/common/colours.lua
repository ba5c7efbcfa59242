--- Numbers as colours: viridis and magma, perceptually uniform and rising in lightness, so that a grey print says the
-- same. Smith & van der Walt 2015, matplotlib's maps (CC0), here through ten of their points. signed: numbers below 0
-- blue, 0 white, above it red; Harrower & Brewer 2003, ColorBrewer's RdBu.
local tensor = require "suture.tensor"
local colours = {}

local maps = {
  viridis = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
  magma = "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
  grey = "000000 ffffff",
  signed = "2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b",
}
local points = {}
for name, text in pairs(maps) do
  local list = {}
  for hex in text:gmatch "%x+" do
    local v = tonumber(hex, 16)
    list[#list + 1] = {(v >> 16) / 255, (v >> 8 & 255) / 255, (v & 255) / 255}
  end
  points[name] = list
end

--- The colours of curves, bars and classes, 0xAARRGGBB, told apart by those who see no red or green too: Okabe & Ito
-- 2008.
colours.cycle = {0xff0072b2, 0xffd55e00, 0xff009e73, 0xffcc79a7, 0xffe69f00, 0xff56b4e9, 0xff000000, 0xfff0e442}

--- colours.at(name, v): the colour of v (0 … 1, clipped) in a map ("viridis", "magma", "grey", "signed"), 0xAARRGGBB.
function colours.at(name, v)
  local list = points[name]
  v = (v ~= v and 0 or math.max(0, math.min(1, v))) * (#list - 1)
  local i = math.min(#list - 1, math.floor(v) + 1)
  local a, b, f, c = list[i], list[i + 1], v - (i - 1), 0xff
  for k = 1, 3 do c = c << 8 | math.floor((a[k] + (b[k] - a[k]) * f) * 255 + 0.5) end
  return c
end

--- colours.dark(c): whether white is read on a colour better than black.
function colours.dark(c)
  return 0.299 * (c >> 16 & 255) + 0.587 * (c >> 8 & 255) + 0.114 * (c & 255) < 140
end

--- colours.map(x, name): a tensor (H, W) of 0 … 1 as a picture (3, H, W). Linear between the map's points: each point
-- has the weight max(0, 1 - distance).
function colours.map(x, name)
  local list = points[name]
  local h, w, n = x.shape[1], x.shape[2], #list
  local place = (x:clamp(0, 1) * (n - 1)):reshape(h * w, 1)
  local weight = (1 - (place - tensor.arange(0.0, n):reshape(1, n)):abs()):clamp(0, 1)
  return weight:matmul(tensor.tensor(list)):t():reshape(3, h, w)
end

--- colours.blend(picture, map, name[, strength (0.5)]): the map's colours over the picture (3, H, W), made grey first,
-- so that colour is the map's alone.
function colours.blend(picture, map, name, strength)
  local s = strength or 0.5
  local grey = picture:mean(0, true):expand(3, -1, -1)
  return (grey * (1 - s) + colours.map(map, name) * s):clamp(0, 1)
end

return colours
