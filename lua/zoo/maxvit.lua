--- MaxViT, with torchvision's names: Tu et al. 2022 (arXiv:2204.01697). Each layer is an inverted residual block
-- (MBConv), attention within windows of neighbours, and attention within grids of places far apart, one from each
-- window.
-- Options: image_size (224; a multiple of 32 times partition_size), depths (layers of each stage),
-- partition_size (7; places across a window), stochastic_depth_prob (0.2; of the last layer, falling to 0 at the
-- first), attention_dropout (0), mlp_dropout (0).
local blocks = require "suture.zoo.common.blocks"
local fault = require "suture.base.fault"
local nn = require "suture.nn"
local relative = require "suture.zoo.common.relative"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"
local F = nn.functional

-- Statistics that follow by a hundredth: torchvision's since 0.15; before, and in the training of its weights, by 0.99.
local function norm(channels) return nn.BatchNorm2d(channels, {eps = 1e-3, momentum = 0.01}) end

local function conv(i, o, kernel, stride, groups)
  return blocks.conv_norm_act(i, o, kernel, {norm = norm, act = nn.GELU, stride = stride, groups = groups})
end

local MBConv = nn.class "MBConv"

--- MBConv(in, out, stride, drop): normalised, widened fourfold by a 1 × 1 convolution, a depthwise 3 × 3 one, channel
-- attention, narrowed by a 1 × 1 convolution, added to what came in (pooled and projected where the shape changes).
function MBConv:init(i, o, stride, drop)
  local mid = 4 * o
  self.proj = nn.Identity()
  if stride ~= 1 or i ~= o then
    self.proj = nn.Sequential()
    if stride == 2 then self.proj:append(nn.AvgPool2d(3, {stride = 2, padding = 1})) end
    self.proj:append(nn.Conv2d(i, o, 1))
  end
  self.stochastic_depth = nn.StochasticDepth(drop, "row")
  self.layers = nn.Sequential {
    {"pre_norm", norm(i)},
    {"conv_a", conv(i, mid, 1)},
    {"conv_b", conv(mid, mid, 3, stride, mid)},
    {"squeeze_excitation", nn.SqueezeExcitation(mid, o // 4, nn.SiLU)},
    {"conv_c", nn.Conv2d(mid, o, 1)},
  }
end

function MBConv:forward(x) return self.proj(x) + self.stochastic_depth(self.layers(x)) end

local RelativeAttention = nn.class "RelativePositionalMultiHeadAttention"

--- RelativePositionalMultiHeadAttention(dim, head_dim, size): attention between the size × size places of each window
-- of (N, windows, places, dim), with a learned number for each way between two places. Scores are scaled by 1 / √dim,
-- not 1 / √head_dim.
function RelativeAttention:init(dim, head_dim, size)
  self.n_heads, self.scale_factor = dim // head_dim, dim ^ -0.5
  self.relative_position_bias_table = nn.Parameter(tensor.zeros((2 * size - 1) * (2 * size - 1), self.n_heads))
  self:register_buffer("relative_position_index", relative.index(size, size):reshape(size * size, size * size):detach())
  self.to_qkv = nn.Linear(dim, 3 * dim)
  self.merge = nn.Linear(dim, dim)
end

function RelativeAttention:forward(x)
  local bias = relative.bias(self.relative_position_bias_table, self.relative_position_index)
  return self.merge(F._packed_attention(self.to_qkv(x), self.n_heads, bias, {scale = self.scale_factor}))
end

local PartitionAttentionLayer = nn.class "PartitionAttentionLayer"

--- PartitionAttentionLayer(dim, head_dim, size, type, drop[, attention_dropout (0), mlp_dropout (0)]): attention and
-- two linear maps, each normalised before and added to what came in, over parts of (N, dim, H, W) of size × size
-- places. type "window": neighbours; "grid": places H / size and W / size apart. attention_dropout, mlp_dropout: of
-- what attention and the linear maps give.
function PartitionAttentionLayer:init(dim, head_dim, size, kind, drop, attention_dropout, mlp_dropout)
  self.size, self.grid = size, kind == "grid"
  self.attn_layer = nn.Sequential(nn.LayerNorm(dim), RelativeAttention(dim, head_dim, size),
    nn.Dropout(attention_dropout or 0))
  self.mlp_layer = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim),
    nn.Dropout(mlp_dropout or 0))
  self.stochastic_dropout = nn.StochasticDepth(drop, "row")
end

function PartitionAttentionLayer:forward(x)
  local n, C, H, W = table.unpack(x.shape)
  local size = self.size
  if H % size + W % size > 0 then
    fault("this MaxVit cuts pictures into parts of %d×%d places, which do not divide %d×%d: image_size and "
      .. "partition_size make one that fits", size, size, H, W)
  end
  local rows, columns = H // size, W // size
  x = x:permute(0, 2, 3, 1)
  if self.grid then x = x:reshape(n, size, rows, size, columns, C):permute(0, 2, 4, 1, 3, 5)
  else x = x:reshape(n, rows, size, columns, size, C):permute(0, 1, 3, 2, 4, 5) end
  x = x:reshape(n, rows * columns, size * size, C)
  x = x + self.stochastic_dropout(self.attn_layer(x))
  x = x + self.stochastic_dropout(self.mlp_layer(x))
  x = x:reshape(n, rows, columns, size, size, C)
  x = self.grid and x:permute(0, 3, 1, 4, 2, 5) or x:permute(0, 1, 3, 2, 4, 5)
  return x:reshape(n, H, W, C):permute(0, 3, 1, 2)
end

local MaxVitLayer = nn.class "MaxVitLayer"
function MaxVitLayer:init(i, o, stride, head_dim, size, drop, attention_dropout, mlp_dropout)
  self.layers = nn.Sequential {
    {"MBconv", MBConv(i, o, stride, drop)},
    {"window_attention", PartitionAttentionLayer(o, head_dim, size, "window", drop, attention_dropout, mlp_dropout)},
    {"grid_attention", PartitionAttentionLayer(o, head_dim, size, "grid", drop, attention_dropout, mlp_dropout)},
  }
end
function MaxVitLayer:forward(x) return self.layers(x) end

local MaxVitBlock = nn.class "MaxVitBlock"
function MaxVitBlock:init(layers) self.layers = nn.ModuleList(layers) end
function MaxVitBlock:forward(x)
  for layer in self.layers:children() do x = layer(x) end
  return x
end

local MaxVit = nn.class "MaxVit"

function MaxVit:init(spec, o)
  local last = o.image_size / 32 -- places across at the end
  if last % o.partition_size ~= 0 then
    fault("maxvit: image_size is a multiple of 32 times partition_size, %d, got %d", 32 * o.partition_size,
      o.image_size)
  end
  self.stem = nn.Sequential(conv(o.in_chans, spec.stem, 3, 2),
    blocks.conv_norm_act(spec.stem, spec.stem, 3, {norm = false, act = false}))
  self.blocks = nn.ModuleList()
  local total, nth, i = -1, 0, spec.stem
  for _, n in ipairs(o.depths) do total = total + n end
  for s, n in ipairs(o.depths) do
    local layers = {}
    for l = 1, n do
      local drop = o.stochastic_depth_prob * nth / math.max(1, total)
      layers[l] = MaxVitLayer(i, spec.widths[s], l == 1 and 2 or 1, spec.head_dim, o.partition_size, drop,
        o.attention_dropout, o.mlp_dropout)
      i, nth = spec.widths[s], nth + 1
    end
    self.blocks:append(MaxVitBlock(layers))
  end
  self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(i), nn.Linear(i, i), nn.Tanh(),
    nn.Linear(i, o.num_classes, {bias = false}))
end

function MaxVit:forward(x)
  x = self.stem(x)
  for block in self.blocks:children() do x = block(x) end
  return self.classifier(x)
end

-- torchvision's initialisation
local function reset(m)
  local init = nn.init
  for sub in m:modules() do
    if getmetatable(sub) == nn.Conv2d or getmetatable(sub) == nn.Linear then
      init.normal_(sub.weight, 0, 0.02)
      if sub.bias then init.zeros_(sub.bias) end
    elseif getmetatable(sub) == RelativeAttention then
      init.trunc_normal_(sub.relative_position_bias_table, 0, 0.02)
    end
  end
end

local variants = {
  maxvit_t = {
    stem = 64, widths = {64, 128, 256, 512}, depths = {2, 2, 5, 2}, head_dim = 32, partition_size = 7,
    stochastic_depth_prob = 0.2,
    weights = {torchvision.set("IMAGENET1K_V1", "maxvit_t-bc5ab103.pth",
      {accuracy = 83.700, megabytes = 118.8, resize = 224, interpolation = "bicubic"})},
  },
}

local function build(spec, o)
  o.depths, o.partition_size = blocks.depths("maxvit", o, spec), o.partition_size or spec.partition_size
  o.stochastic_depth_prob = o.stochastic_depth_prob or spec.stochastic_depth_prob
  local m = nn.init.skip(function() return MaxVit(spec, o) end)
  reset(m)
  return m
end

local function options_from(shapes, spec)
  local size = shapes:side("blocks.0.layers.0.layers.window_attention.attn_layer.1.relative_position_bias_table", 1)
  size = size and (size + 1) // 2
  local other = size and size > 0 and size ~= spec.partition_size
  return {partition_size = other and size or nil, image_size = other and 32 * size or nil,
    depths = shapes:depths(function(s) return ("blocks.%d.layers."):format(s - 1) end, spec.depths)}
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  maxvit_t = {30919624, 582, 5558046720},
}

return {
  counted = counted, variants = variants,
  parts = {MBConv, RelativeAttention, PartitionAttentionLayer, MaxVitLayer, MaxVitBlock, MaxVit}, build = build,
  stem = "stem.0.0", head = "classifier.5", classes = 1000, size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "image_size:count depths:sizes=nil partition_size:count=nil "
    .. "stochastic_depth_prob:prob=nil attention_dropout:prob=0 mlp_dropout:prob=0",
  options_from = options_from,
  test = {options = {depths = {1, 1, 1, 1}, image_size = 64, partition_size = 2}, size = 64,
    parity = {size = 224, last = {"layers.conv_b.1"}, batch_norm = {1e-3, 0.01}}},
}
