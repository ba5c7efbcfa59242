--- CoAtNet: convolution first, attention later. Dai et al. 2021 (arXiv:2106.04803): a convolutional stem, two stages of
-- inverted residual blocks (MBConv) and two of transformer blocks whose scores get a learned number for each way
-- between two places. coatnet_0 … coatnet_4 are the paper's (its table 3: L blocks of width D per stage);
-- coatnet_*_rw_224 are timm's, which has weights for them, and differ in what `variants` says. Names are timm's. All
-- linear maps are 1 × 1 convolutions.
-- Options: image_size (224; a multiple of 32), depths (blocks of each of the four
-- stages), stochastic_depth_prob (0; of the last block, falling to 0 at the first).
local blocks = require "suture.zoo.common.blocks"
local fault = require "suture.base.fault"
local nn = require "suture.nn"
local relative = require "suture.zoo.common.relative"
local tensor = require "suture.tensor"
local F = nn.functional

local HEAD = 32 -- channels of one attention head

-- Half as many places down and across, and another number of channels: pooling, then a 1 × 1 convolution.
local Downsample2d = nn.class "Downsample2d"
function Downsample2d:init(i, o, pool, bias)
  self.pool = pool == "max" and nn.MaxPool2d(2) or nn.AvgPool2d(2)
  self.expand = i ~= o and nn.Conv2d(i, o, 1, {bias = bias}) or nil
end
function Downsample2d:forward(x)
  x = self.pool(x)
  return self.expand and self.expand(x) or x
end

-- Channel attention between two 1 × 1 convolutions.
local SEModule = nn.class "SEModule"
function SEModule:init(channels, squeezed, act)
  self.fc1 = nn.Conv2d(channels, squeezed, 1)
  self.act = act()
  self.fc2 = nn.Conv2d(squeezed, channels, 1)
end
function SEModule:forward(x) return x * F.sigmoid(self.fc2(self.act(self.fc1(F.adaptive_avg_pool2d(x, 1))))) end

local MbConvBlock = nn.class "MbConvBlock"

--- MbConvBlock(in, out, stride, config): normalised, widened by a 1 × 1 convolution, a depthwise 3 × 3 one, narrowed by
-- a 1 × 1 one, around a shortcut. config.stride: what halves the size: "pool", the depthwise convolution ("dw") or the
-- first one ("1x1").
function MbConvBlock:init(i, o, stride, c)
  local mid = 4 * (c.expand_output and o or i)
  local at = {pool = 1, ["1x1"] = 1, dw = 1, [c.stride] = stride}
  self.shortcut = stride == 2 and Downsample2d(i, o, c.pool, c.conv_bias) or nil
  self.pre_norm = nn.BatchNorm2d(i)
  self.down = at.pool == 2 and Downsample2d(i, i, c.pool) or nil
  self.conv1_1x1 = nn.Conv2d(i, mid, 1, {stride = at["1x1"], bias = false})
  self.norm1 = nn.BatchNorm2d(mid)
  self.conv2_kxk = nn.Conv2d(mid, mid, 3, {stride = at.dw, padding = 1, groups = mid, bias = false})
  self.se_early = c.se_early and SEModule(mid, mid // 4, c.se_act) or nil
  self.norm2 = nn.BatchNorm2d(mid)
  self.se = not c.se_early and SEModule(mid, (c.expand_output and o or mid) // 4, c.se_act) or nil
  self.conv3_1x1 = nn.Conv2d(mid, o, 1, {bias = c.conv_bias})
  self.act, self.pre_norm_act = c.act(), c.pre_norm_act
  self.drop_path = nn.StochasticDepth(c.drop_path, "row")
end

function MbConvBlock:forward(x)
  local y = self.pre_norm(x)
  if self.pre_norm_act then y = self.act(y) end
  if self.down then y = self.down(y) end
  y = self.conv2_kxk(self.act(self.norm1(self.conv1_1x1(y))))
  if self.se_early then y = self.se_early(y) end
  y = self.act(self.norm2(y))
  if self.se then y = self.se(y) end
  y = self.drop_path(self.conv3_1x1(y))
  return y + (self.shortcut and self.shortcut(x) or x)
end

-- A learned number for each way from one place to another, for each head.
local RelPosBias = nn.class "RelPosBias"
function RelPosBias:init(h, w, heads)
  self.relative_position_bias_table = nn.Parameter(tensor.zeros((2 * h - 1) * (2 * w - 1), heads))
  self:register_buffer("relative_position_index", relative.index(h, w), {persistent = false})
end
function RelPosBias:forward() return relative.bias(self.relative_position_bias_table, self.relative_position_index) end

local Attention2d = nn.class "Attention2d"

--- Attention2d(in, out, size[, expand_first]): each of the size × size places of (N, in, size, size) attends to all. q,
-- k and v have `in` channels, with expand_first `out`; q, k, v of a head follow each other.
function Attention2d:init(i, o, size, expand_first)
  local dim = expand_first and o or i
  self.num_heads = dim // HEAD
  self.qkv = nn.Conv2d(i, 3 * dim, 1)
  self.rel_pos = RelPosBias(size, size, self.num_heads)
  self.proj = nn.Conv2d(dim, o, 1)
end

function Attention2d:forward(x)
  local n, _, h, w = table.unpack(x.shape)
  local qkv = self.qkv(x):permute(0, 2, 3, 1):flatten(1, 2) -- (N, places, 3 · heads · 32), no copy
  local y = F._packed_attention(qkv, self.num_heads, self.rel_pos(), {interleaved = true})
  return self.proj(y:reshape(n, h, w, -1):permute(0, 3, 1, 2))
end

local ConvMlp = nn.class "ConvMlp"
function ConvMlp:init(dim)
  self.fc1 = nn.Conv2d(dim, 4 * dim, 1)
  self.act = nn.GELU()
  self.fc2 = nn.Conv2d(4 * dim, dim, 1)
end
function ConvMlp:forward(x) return self.fc2(self.act(self.fc1(x))) end

local TransformerBlock2d = nn.class "TransformerBlock2d"

--- TransformerBlock2d(in, out, stride, size, config): relative attention and two linear maps, each normalised before
-- and added to what came in. With stride 2 the size is halved before attention by pooling, in the shortcut too.
function TransformerBlock2d:init(i, o, stride, size, c)
  if stride == 2 then
    self.shortcut = Downsample2d(i, o, c.pool, c.transformer_shortcut_bias)
    self.norm1 = nn.Sequential {{"norm", nn.LayerNorm2d(i, 1e-6)}, {"down", Downsample2d(i, i, c.pool)}}
  else
    self.shortcut, self.norm1 = nil, nn.LayerNorm2d(i, 1e-6)
  end
  self.attn = Attention2d(i, o, size, c.expand_output)
  self.drop_path1 = nn.StochasticDepth(c.drop_path, "row")
  self.norm2 = nn.LayerNorm2d(o, 1e-6)
  self.mlp = ConvMlp(o)
  self.drop_path2 = nn.StochasticDepth(c.drop_path, "row")
end

function TransformerBlock2d:forward(x)
  x = (self.shortcut and self.shortcut(x) or x) + self.drop_path1(self.attn(self.norm1(x)))
  return x + self.drop_path2(self.mlp(self.norm2(x)))
end

local Stem = nn.class "Stem"
function Stem:init(i, mid, o, act)
  self.conv1 = nn.Conv2d(i, mid, 3, {stride = 2, padding = 1, bias = false})
  self.norm1 = nn.BatchNorm2d(mid)
  self.act = act()
  self.conv2 = nn.Conv2d(mid, o, 3, {padding = 1, bias = false})
end
function Stem:forward(x) return self.conv2(self.act(self.norm1(self.conv1(x)))) end

local Stage = nn.class "Stage"
function Stage:init(blocks) self.blocks = nn.Sequential(blocks) end
function Stage:forward(x) return self.blocks(x) end

local ClassifierHead = nn.class "ClassifierHead"

--- ClassifierHead(in, classes[, hidden]): the mean over places and a linear map; with hidden normalised, and a linear
-- map and tanh between.
function ClassifierHead:init(i, classes, hidden)
  self.global_pool = nn.AdaptiveAvgPool2d(1)
  self.norm = hidden and nn.LayerNorm2d(i, 1e-6) or nil
  self.pre_logits = hidden and nn.Sequential {{"fc", nn.Linear(i, i)}, {"act", nn.Tanh()}} or nil
  self.fc = nn.Linear(i, classes)
end

function ClassifierHead:forward(x)
  x = self.global_pool(x)
  if self.norm then x = self.norm(x) end
  x = F.flatten(x, 1)
  return self.fc(self.pre_logits and self.pre_logits(x) or x)
end

local CoAtNet = nn.class "CoAtNet"

function CoAtNet:init(spec, o)
  if o.image_size % 32 ~= 0 then fault("coatnet: image_size is a multiple of 32, got %d", o.image_size) end
  self.image_size = o.image_size
  self.stem = Stem(o.in_chans, spec.stem[1], spec.stem[2], spec.act)
  local total = 0
  for _, n in ipairs(o.depths) do total = total + n end
  local i, nth, size, stages = spec.stem[2], 0, o.image_size // 2, {}
  for s, n in ipairs(o.depths) do
    local list, width = {}, spec.widths[s]
    size = size // 2
    for b = 1, n do
      local c = setmetatable({drop_path = o.stochastic_depth_prob * nth / math.max(1, total - 1)}, {__index = spec})
      local stride = b == 1 and 2 or 1
      list[b] = s <= 2 and MbConvBlock(i, width, stride, c) or TransformerBlock2d(i, width, stride, size, c)
      i, nth = width, nth + 1
    end
    stages[s] = Stage(list)
  end
  self.stages = nn.Sequential(stages)
  self.norm = not spec.hidden and nn.LayerNorm2d(i, 1e-6) or nil
  self.head = ClassifierHead(i, o.num_classes, spec.hidden)
end

function CoAtNet:forward(x)
  local _, _, h, w = table.unpack(x.shape)
  if h ~= self.image_size or w ~= self.image_size then
    fault("this CoAtNet expects pictures of %d×%d, got %s: image_size = %d makes one that fits", self.image_size,
      self.image_size, x.shape, h)
  end
  x = self.stages(self.stem(x))
  return self.head(self.norm and self.norm(x) or x)
end

-- timm's initialisation: convolutional blocks as EfficientNet's, transformer blocks as ViT's, stem and head at random
-- as made.
local function reset(m)
  local init = nn.init
  for _, part in ipairs {m.stem, m.head} do
    for sub in part:modules() do if sub.reset_parameters then sub:reset_parameters() end end
  end
  for _, block in m.stages:named_modules() do
    local convolutional = getmetatable(block) == MbConvBlock
    if convolutional or getmetatable(block) == TransformerBlock2d then
      for path, conv in block:named_modules() do
        if getmetatable(conv) == nn.Conv2d then
          local _, fan_out = init.fans("coatnet", conv.weight)
          if convolutional then init.normal_(conv.weight, 0, math.sqrt(2 * conv.groups / fan_out))
          else init.xavier_uniform_(conv.weight) end
          if conv.bias and path:find "^mlp" then init.normal_(conv.bias, 0, 1e-6)
          elseif conv.bias then init.zeros_(conv.bias) end
        end
      end
      if block.attn then init.trunc_normal_(block.attn.rel_pos.relative_position_bias_table, 0, 0.02) end
    end
  end
end

-- Published by timm's author; the hash is in the file name.
local function timm(file, accuracy, resize)
  return {{
    name = "sw_in1k", file = file,
    url = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights-maxx/" .. file,
    classes = 1000, class_names = function() return require "suture.zoo.common.imagenet" end,
    resize = resize, crop = 224, interpolation = "bicubic", mean = {0.5, 0.5, 0.5}, std = {0.5, 0.5, 0.5},
    accuracy = accuracy, license = "Apache-2.0 (timm)",
  }}
end

-- The paper's: max pooling, the stride of MBConv in its first convolution, GELU; widths grow at the beginning of a
-- block. It does not say so, but its numbers of parameters (25, 42, 75, 168, 275 million) have room for a hidden layer
-- in the head.
local function paper(stem, depths, widths)
  return {
    stem = {stem, stem}, depths = depths, widths = widths, act = nn.GELU, se_act = nn.SiLU, pool = "max",
    stride = "1x1", expand_output = true, conv_bias = true, transformer_shortcut_bias = true, se_early = false,
    pre_norm_act = false, hidden = true,
  }
end

-- timm's: average pooling, SiLU, widths grow at the end of a block.
local function rw(depths, widths, o)
  return {
    stem = {32, 64}, depths = depths, widths = widths, act = nn.SiLU, se_act = o.se_act, pool = "avg",
    stride = o.stride, expand_output = false, conv_bias = o.bias, transformer_shortcut_bias = o.bias,
    se_early = not o.bias, pre_norm_act = not o.bias, weights = o.weights,
  }
end

local variants = {
  coatnet_0 = paper(64, {2, 3, 5, 2}, {96, 192, 384, 768}),
  coatnet_1 = paper(64, {2, 6, 14, 2}, {96, 192, 384, 768}),
  coatnet_2 = paper(128, {2, 6, 14, 2}, {128, 256, 512, 1024}),
  coatnet_3 = paper(192, {2, 6, 14, 2}, {192, 384, 768, 1536}),
  coatnet_4 = paper(192, {2, 12, 28, 2}, {192, 384, 768, 1536}),
  coatnet_nano_rw_224 = rw({3, 4, 6, 3}, {64, 128, 256, 512}, {bias = true, stride = "pool", se_act = nn.SiLU,
    weights = timm("coatnet_nano_rw_224_sw-f53093b4.pth", 81.70, 248)}),
  coatnet_0_rw_224 = rw({2, 3, 7, 2}, {96, 192, 384, 768}, {bias = false, stride = "pool", se_act = nn.ReLU,
    weights = timm("coatnet_0_rw_224_sw-a6439706.pth", 82.39, 235)}),
  coatnet_1_rw_224 = rw({2, 6, 14, 2}, {96, 192, 384, 768}, {bias = false, stride = "dw", se_act = nn.ReLU,
    weights = timm("coatnet_1_rw_224_sw-5cae1ea8.pth", 83.62, 235)}),
}

local function build(spec, o)
  o.depths = blocks.depths("coatnet", o, spec)
  local m = nn.init.skip(function() return CoAtNet(spec, o) end)
  reset(m)
  return m
end

-- Ways between places of another grid of places, resized as ViT's positions are.
local function adapt(name, given, wanted)
  if name:find "relative_position_bias_table$" then return relative.resized(given, wanted) end
end

local function options_from(shapes, spec)
  local size = shapes:side("stages.2.blocks.0.attn.rel_pos.relative_position_bias_table", 1)
  size = size and (size + 1) * 8
  return {image_size = size and size % 32 == 0 and size ~= 224 and size or nil,
    depths = shapes:depths(function(s) return ("stages.%d.blocks."):format(s - 1) end, spec.depths)}
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  coatnet_0 = {25036820, 227, 4141888512},
  coatnet_0_rw_224 = {27435562, 242, 4406300928},
  coatnet_1 = {42225776, 413, 8238879744},
  coatnet_1_rw_224 = {41721502, 399, 7992160512},
  coatnet_2 = {74684744, 411, 15502290944},
  coatnet_3 = {166966264, 411, 34372257792},
  coatnet_4 = {275425288, 731, 60235941888},
  coatnet_nano_rw_224 = {15141244, 295, 2382715392},
}

return {
  counted = counted, variants = variants,
  parts = {Downsample2d, SEModule, MbConvBlock, RelPosBias, Attention2d, ConvMlp, TransformerBlock2d, Stem, Stage,
    ClassifierHead, CoAtNet}, build = build, adapt = adapt,
  stem = "stem.conv1", head = "head.fc", classes = 1000, size = 224, mean = {0.5, 0.5, 0.5}, std = {0.5, 0.5, 0.5},
  options = "image_size:count depths:sizes=nil stochastic_depth_prob:prob=0",
  options_from = options_from,
  test = {also = {"coatnet_0"}, options = {depths = {1, 1, 2, 1}, image_size = 64}, size = 64},
}
