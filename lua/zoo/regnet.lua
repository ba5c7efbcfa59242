--- RegNets, with torchvision's names: Radosavovic et al. 2020 (arXiv:2003.13678). The widths of all blocks follow one
-- rule of four numbers, found by looking at whole populations of networks; Y is X with channel attention.
local blocks = require "suture.zoo.common.blocks"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local torchvision = require "suture.zoo.common.torchvision"

local STEM = 32 -- channels

local ResBottleneckBlock = nn.class "ResBottleneckBlock"

--- ResBottleneckBlock(i, o[, {stride = 1, group_width = o, squeeze =}]): relu(x + f(x)), f: 1 × 1, 3 × 3 in groups of
-- group_width channels, channel attention through `squeeze` channels (none: none), 1 × 1. proj is the way past f where
-- the shape changes.
function ResBottleneckBlock:init(i, o, opts)
  opts = opts or {}
  local stride = opts.stride or 1
  self.proj = (i ~= o or stride ~= 1) and blocks.conv_norm_act(i, o, 1, {stride = stride, act = false}) or nil
  local groups = o // (opts.group_width or o)
  local f = {
    {"a", blocks.conv_norm_act(i, o, 1)}, {"b", blocks.conv_norm_act(o, o, 3, {stride = stride, groups = groups})},
  }
  if opts.squeeze then f[#f + 1] = {"se", nn.SqueezeExcitation(o, opts.squeeze)} end
  f[#f + 1] = {"c", blocks.conv_norm_act(o, o, 1, {act = false})}
  self.f = nn.Sequential(f)
  self.activation = nn.ReLU()
end

function ResBottleneckBlock:forward(x)
  local proj = self.proj
  return self.activation((proj and proj(x) or x) + self.f(x))
end

local RegNet = nn.class "RegNet"

-- spec: stages of {width =, depth =, group_width =}, squeezed (whether there is attention, through a quarter of the
-- channels that come in).
function RegNet:init(spec, o)
  self.stem = blocks.conv_norm_act(o.in_chans, STEM, 3, {stride = 2})
  self.trunk_output = nn.Sequential()
  local width = STEM
  for k, s in ipairs(spec.stages) do
    local stage = nn.Sequential()
    for b = 0, s.depth - 1 do
      stage:add_module(("block%d-%d"):format(k, b), ResBottleneckBlock(width, s.width,
        {stride = b == 0 and 2 or 1, group_width = s.group_width, squeeze = spec.squeezed and width // 4 or nil}))
      width = s.width
    end
    self.trunk_output:add_module("block" .. k, stage)
  end
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.fc = nn.Linear(width, o.num_classes)
end

function RegNet:forward(x)
  return self.fc(nn.functional.flatten(self.avgpool(self.trunk_output(self.stem(x))), 1))
end

-- To the nearest whole number, of two the even one.
local function round(v)
  local n = math.floor(v + 0.5)
  return n - v == 0.5 and n % 2 == 1 and n - 1 or n
end

-- The rule (section 3.3): block j is to be w_0 + w_a · j wide; that is moved to the nearest w_0 · w_mᵏ, k whole, and
-- that to a multiple of 8. Neighbours of one width make a stage, whose width is then fitted to whole groups.
local function stages(depth, w_0, w_a, w_m, group_width)
  local out, last = {}, nil
  for j = 0, depth - 1 do
    local k = round(math.log((w_0 + w_a * j) / w_0) / math.log(w_m))
    local width = 8 * round(w_0 * w_m ^ k / 8)
    if width ~= last then out[#out + 1] = {width = width, depth = 0} end
    last = width
    out[#out].depth = out[#out].depth + 1
  end
  for _, s in ipairs(out) do
    s.group_width = math.min(group_width, s.width)
    s.width = blocks.divisible(s.width, s.group_width)
  end
  return out
end

local function variant(rule, squeezed, weights)
  return {stages = stages(table.unpack(rule)), squeezed = squeezed, weights = weights}
end

-- Published sets: files and accuracies; sizes in megabytes. V2 weights were made for pictures resized to 232.
local function v1(file, accuracy, megabytes)
  return torchvision.set("IMAGENET1K_V1", file, {accuracy = accuracy, megabytes = megabytes})
end
local function v2(file, accuracy, megabytes)
  return torchvision.set("IMAGENET1K_V2", file, {accuracy = accuracy, megabytes = megabytes, resize = 232})
end
-- Trained on 3.6 billion pictures with hashtags (Singh et al. 2022, arXiv:2201.08371), then on ImageNet: all of it
-- (E2E), or the last layer alone.
local function swag(file, accuracy, megabytes, size)
  return torchvision.set(size == 384 and "IMAGENET1K_SWAG_E2E_V1" or "IMAGENET1K_SWAG_LINEAR_V1", file, {
    accuracy = accuracy, megabytes = megabytes, resize = size, crop = size, interpolation = "bicubic",
    license = "CC-BY-NC-4.0 (SWAG)",
  })
end

-- Rules: depth, w_0, w_a, w_m, group width.
local variants = {
  regnet_x_400mf = variant({22, 24, 24.48, 2.54, 16}, false,
    {v1("regnet_x_400mf-adf1edd5.pth", 72.834, 21.3), v2("regnet_x_400mf-62229a5f.pth", 74.864, 21.3)}),
  regnet_x_800mf = variant({16, 56, 35.73, 2.28, 16}, false,
    {v1("regnet_x_800mf-ad17e45c.pth", 75.212, 27.9), v2("regnet_x_800mf-94a99ebd.pth", 77.522, 27.9)}),
  regnet_x_1_6gf = variant({18, 80, 34.01, 2.25, 24}, false,
    {v1("regnet_x_1_6gf-e3633e7f.pth", 77.040, 35.3), v2("regnet_x_1_6gf-a12f2b72.pth", 79.668, 35.3)}),
  regnet_x_3_2gf = variant({25, 88, 26.31, 2.25, 48}, false,
    {v1("regnet_x_3_2gf-f342aeae.pth", 78.364, 58.8), v2("regnet_x_3_2gf-7071aa85.pth", 81.196, 58.8)}),
  regnet_x_8gf = variant({23, 80, 49.56, 2.88, 120}, false,
    {v1("regnet_x_8gf-03ceed89.pth", 79.344, 151.5), v2("regnet_x_8gf-2b70d774.pth", 81.682, 151.5)}),
  regnet_x_16gf = variant({22, 216, 55.59, 2.1, 128}, false,
    {v1("regnet_x_16gf-2007eb11.pth", 80.058, 207.6), v2("regnet_x_16gf-ba3796d7.pth", 82.716, 207.6)}),
  regnet_x_32gf = variant({23, 320, 69.86, 2.0, 168}, false,
    {v1("regnet_x_32gf-9d47f8d0.pth", 80.622, 412.0), v2("regnet_x_32gf-6eb8fdc6.pth", 83.014, 412.0)}),
  regnet_y_400mf = variant({16, 48, 27.89, 2.09, 8}, true,
    {v1("regnet_y_400mf-c65dace8.pth", 74.046, 16.8), v2("regnet_y_400mf-e6988f5f.pth", 75.804, 16.8)}),
  regnet_y_800mf = variant({14, 56, 38.84, 2.4, 16}, true,
    {v1("regnet_y_800mf-1b27b58c.pth", 76.420, 24.8), v2("regnet_y_800mf-58fc7688.pth", 78.828, 24.8)}),
  regnet_y_1_6gf = variant({27, 48, 20.71, 2.65, 24}, true,
    {v1("regnet_y_1_6gf-b11a554e.pth", 77.950, 43.2), v2("regnet_y_1_6gf-0d7bc02a.pth", 80.876, 43.2)}),
  regnet_y_3_2gf = variant({21, 80, 42.63, 2.66, 24}, true,
    {v1("regnet_y_3_2gf-b5a9779c.pth", 78.948, 74.6), v2("regnet_y_3_2gf-9180c971.pth", 81.982, 74.6)}),
  regnet_y_8gf = variant({17, 192, 76.82, 2.19, 56}, true,
    {v1("regnet_y_8gf-d0d0e4a8.pth", 80.032, 150.7), v2("regnet_y_8gf-dc2b1b54.pth", 82.828, 150.7)}),
  regnet_y_16gf = variant({18, 200, 106.23, 2.48, 112}, true,
    {v1("regnet_y_16gf-9e6ed7dd.pth", 80.424, 319.5), v2("regnet_y_16gf-3e4a00f9.pth", 82.886, 319.5),
      swag("regnet_y_16gf_swag-43afe44d.pth", 86.012, 319.5, 384),
      swag("regnet_y_16gf_lc_swag-f3ec0043.pth", 83.976, 319.5, 224)}),
  regnet_y_32gf = variant({20, 232, 115.89, 2.53, 232}, true,
    {v1("regnet_y_32gf-4dee3f7a.pth", 80.878, 554.1), v2("regnet_y_32gf-8db6d4b5.pth", 83.368, 554.1),
      swag("regnet_y_32gf_swag-04fdfa75.pth", 86.838, 554.1, 384),
      swag("regnet_y_32gf_lc_swag-e1583746.pth", 84.622, 554.1, 224)}),
  regnet_y_128gf = variant({27, 456, 160.83, 2.52, 264}, true,
    {swag("regnet_y_128gf_swag-c8ce3e52.pth", 88.228, 2461.6, 384),
      swag("regnet_y_128gf_lc_swag-cbe8ce12.pth", 86.068, 2461.6, 224)}),
}

local function build(spec, o)
  local m = nn.init.skip(function() return RegNet(spec, o) end)
  blocks.reset_convolutions(m)
  blocks.reset_linear(m.fc)
  return m
end

-- Names in timm (regnet.py), where blocks count from 1.
local part = {conv1 = "f.a", conv2 = "f.b", conv3 = "f.c", downsample = "proj"}
local place = {conv = 0, bn = 1}
local theirs = {
  {"^stem%.(%a+)%.", function(kind) return place[kind] and ("stem.%d."):format(place[kind]) end},
  {"^s(%d)%.b(%d+)%.(%w+)%.(%w+)%.", function(s, b, layer, kind)
    local block = ("trunk_output.block%d.block%d-%d."):format(s, s, b - 1)
    if layer == "se" then return block .. "f.se." .. kind .. "." end
    return part[layer] and place[kind] and ("%s%s.%d."):format(block, part[layer], place[kind])
  end},
  {"^head%.fc%.", "fc."},
}

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  regnet_x_1_6gf = {9190136, 356, 1602849792},
  regnet_x_3_2gf = {15296552, 482, 3176621952},
  regnet_x_8gf = {39572648, 446, 7995132416},
  regnet_x_16gf = {54278536, 428, 15940755456},
  regnet_x_32gf = {107811560, 446, 31735929792},
  regnet_x_400mf = {5495976, 428, 413812608},
  regnet_x_800mf = {7259656, 320, 799699712},
  regnet_y_1_6gf = {11202430, 626, 1612076160},
  regnet_y_3_2gf = {19436338, 494, 3176482752},
  regnet_y_8gf = {39381472, 406, 8473070592},
  regnet_y_16gf = {83590140, 428, 15911510272},
  regnet_y_32gf = {145046770, 472, 32279552832},
  regnet_y_128gf = {644812894, 626, 374570006400},
  regnet_y_400mf = {4344144, 384, 401842848},
  regnet_y_800mf = {6432512, 340, 833856256},
}

return {
  counted = counted, variants = variants,
  parts = {ResBottleneckBlock}, build = build,
  rename = function(name) return names.first(name, theirs) or name end, stem = "stem.0", head = "fc", classes = 1000,
  size = 224, mean = torchvision.mean, std = torchvision.std,
  test = {parity = {last = {"f.c.1"}}},
}
