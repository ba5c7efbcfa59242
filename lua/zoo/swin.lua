--- Swin transformers, with torchvision's names: Liu et al. 2021 (arXiv:2103.14030) and 2022 (V2, arXiv:2111.09883).
-- Rows of patches attend within windows, every other block within windows moved by half their size, so that neighbours
-- meet; between stages four places become one. Inside, pictures are (N, H, W, C).
-- Options: depths (blocks of each stage), stochastic_depth_prob (of the last block, falling to 0 at the first; as the
-- variant's), dropout (0), attention_dropout (0).
local blocks = require "suture.zoo.common.blocks"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local relative = require "suture.zoo.common.relative"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"
local F = nn.functional

-- ---- windows ----

-- -100 between places of a window that come from different sides of the picture, for windows moved by `shift`: what
-- left at one end and came in at the other is no neighbour. (windows, 1, places, places), made once for each size.
local walls = {}
local function wall(H, W, window, shift)
  local key = table.concat({H, W, window, shift[1], shift[2]}, " ")
  if walls[key] then return walls[key] end
  local function side(at, size, moved)
    return moved == 0 and 0 or at < size - window and 0 or at < size - moved and 1 or 2
  end
  local list, n = {}, window * window
  for wh = 0, H // window - 1 do
    for ww = 0, W // window - 1 do
      local from, pairs_of = {}, {}
      for p = 0, n - 1 do
        from[p + 1] = 3 * side(wh * window + p // window, H, shift[1]) + side(ww * window + p % window, W, shift[2])
      end
      for a = 1, n do
        pairs_of[a] = {}
        for b = 1, n do pairs_of[a][b] = from[a] == from[b] and 0.0 or -100.0 end
      end
      list[#list + 1] = {pairs_of}
    end
  end
  walls[key] = tensor(list, {dtype = "float32"})
  return walls[key]
end

-- (N, H, W, C) → (N, windows, places, C), and back.
local function partition(x, window)
  local n, H, W, C = table.unpack(x.shape)
  x = x:reshape(n, H // window, window, W // window, window, C):permute(0, 1, 3, 2, 4, 5)
  return x:reshape(n, H * W // (window * window), window * window, C)
end
local function merge(x, window, H, W)
  local n, _, _, C = table.unpack(x.shape)
  return x:reshape(n, H // window, W // window, window, window, C):permute(0, 1, 3, 2, 4, 5):reshape(n, H, W, C)
end

local ShiftedWindowAttention = nn.class "ShiftedWindowAttention"

--- ShiftedWindowAttention(dim, window_size, shift_size, num_heads[, attention_dropout (0), dropout (0)]): attention
-- within windows of (N, H, W, dim), with a learned number for each way between two places added to the scores. Sizes
-- that windows do not divide are filled up with zeros. In training attention_dropout drops probabilities, dropout what
-- comes out.
function ShiftedWindowAttention:init(dim, window, shift, heads, attention_dropout, dropout)
  self.dim, self.window_size, self.shift_size, self.num_heads = dim, window, shift, heads
  self.attention_dropout, self.dropout = attention_dropout or 0, dropout or 0
  self:positions()
  self:register_buffer("relative_position_index", relative.index(window, window))
  self.qkv = nn.Linear(dim, 3 * dim)
  self.proj = nn.Linear(dim, dim)
end

function ShiftedWindowAttention:positions()
  local across = 2 * self.window_size - 1
  self.relative_position_bias_table = nn.Parameter(tensor.zeros(across * across, self.num_heads))
end

-- (1, heads, places, places)
function ShiftedWindowAttention:bias()
  return relative.bias(self.relative_position_bias_table, self.relative_position_index)
end

-- (N, windows, places, dim) → the same, mask (…, heads, places, places) added to the scores
function ShiftedWindowAttention:attend(x, mask)
  return F._packed_attention(self.qkv(x), self.num_heads, mask, {dropout = self:drops()})
end

function ShiftedWindowAttention:drops() return self:is_training() and self.attention_dropout or 0 end

function ShiftedWindowAttention:forward(x)
  local _, H, W = table.unpack(x.shape)
  local window = self.window_size
  local right, below = -W % window, -H % window
  if right + below > 0 then x = F.pad(x, {0, 0, 0, right, 0, below}) end
  local h, w = H + below, W + right
  -- One window has no neighbours.
  local shift = {h > window and self.shift_size or 0, w > window and self.shift_size or 0}
  local moved, mask = shift[1] + shift[2] > 0, self:bias()
  if moved then
    x = x:roll({-shift[1], -shift[2]}, {1, 2})
    mask = mask + wall(h, w, window, shift)
  end
  x = F.dropout(self.proj(self:attend(partition(x, window), mask)), self.dropout, self:is_training())
  x = merge(x, window, h, w)
  if moved then x = x:roll(shift, {1, 2}) end
  if below > 0 then x = x:narrow(1, 0, H) end
  return right > 0 and x:narrow(2, 0, W) or x
end

local values = tensor {{{false}}, {{false}}, {{true}}} -- among q, k, v

local ShiftedWindowAttentionV2 = nn.class("ShiftedWindowAttentionV2", ShiftedWindowAttention)

--- ShiftedWindowAttentionV2(dim, window_size, shift_size, num_heads[, attention_dropout (0), dropout (0)]): scores are
-- cosines times a learned factor per head, and the numbers for ways come from a small network over their logarithms, so
-- that they carry over to other windows.
function ShiftedWindowAttentionV2:init(dim, window, shift, heads, ...)
  ShiftedWindowAttention.init(self, dim, window, shift, heads, ...)
  self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, heads, {bias = false}))
  local keep = {}
  for i = 1, 3 * dim do keep[i] = (i <= dim or i > 2 * dim) and 1.0 or 0.0 end
  self._keep = tensor(keep) -- keys have no bias
end

function ShiftedWindowAttentionV2:positions()
  self.logit_scale = nn.Parameter(tensor.full({self.num_heads, 1, 1}, math.log(10)))
  local far, rows = self.window_size - 1, {}
  local function log(d)
    d = far > 0 and 8 * d / far or 0
    return (d < 0 and -1 or 1) * math.log(math.abs(d) + 1, 2) / 3
  end
  for i = -far, far do
    local row = {}
    for j = -far, far do row[#row + 1] = {log(i), log(j)} end
    rows[#rows + 1] = row
  end
  self:register_buffer("relative_coords_table", tensor({rows}, {dtype = "float32"}))
end

function ShiftedWindowAttentionV2:bias()
  local ways = self.cpb_mlp(self.relative_coords_table):reshape(-1, self.num_heads)
  return relative.bias(ways:sigmoid() * 16, self.relative_position_index)
end

function ShiftedWindowAttentionV2:attend(x, mask)
  local n, windows, places, C = table.unpack(x.shape)
  local qkv = F.linear(x, self.qkv.weight, self.qkv.bias * self._keep)
    :reshape(n, windows, places, 3, self.num_heads, -1)
  -- keys get length 1, queries that of their head's scale, values stay
  local length = (qkv * qkv):sum(-1, true):sqrt():clamp(1e-12)
  local scale = self.logit_scale:clamp(nil, math.log(100)):exp():reshape(1, -1, 1)
  local wanted = tensor.cat({scale, tensor.ones(2, self.num_heads, 1)}, 0)
  qkv = qkv * tensor.where(values, 1, wanted / length)
  return F._packed_attention(qkv:reshape(n, windows, places, 3 * C), self.num_heads, mask,
    {scale = 1, dropout = self:drops()})
end

-- ---- blocks ----

local SwinTransformerBlock = nn.class "SwinTransformerBlock"

--- SwinTransformerBlock(dim, num_heads, window_size, shift_size, drop[, attention_dropout (0), dropout (0)]): attention
-- in windows and two linear maps, each normalised before (V2: behind) and added to what came in; drop: the probability
-- of leaving one out in training; attention_dropout: of dropping an attention probability, dropout: a number that
-- attention or a linear map gives.
function SwinTransformerBlock:init(dim, heads, window, shift, drop, attention_dropout, dropout)
  dropout = dropout or 0
  self.norm1 = nn.LayerNorm(dim)
  self.attn = self.attention(dim, window, shift, heads, attention_dropout, dropout)
  self.stochastic_depth = nn.StochasticDepth(drop, "row")
  self.norm2 = nn.LayerNorm(dim)
  self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout),
    nn.Linear(4 * dim, dim), nn.Dropout(dropout))
end
SwinTransformerBlock.attention = ShiftedWindowAttention

function SwinTransformerBlock:forward(x)
  x = x + self.stochastic_depth(self.attn(self.norm1(x)))
  return x + self.stochastic_depth(self.mlp(self.norm2(x)))
end

local SwinTransformerBlockV2 = nn.class("SwinTransformerBlockV2", SwinTransformerBlock)
SwinTransformerBlockV2.attention = ShiftedWindowAttentionV2

function SwinTransformerBlockV2:forward(x)
  x = x + self.stochastic_depth(self.norm1(self.attn(x)))
  return x + self.stochastic_depth(self.norm2(self.mlp(x)))
end

-- Each 2 × 2 places (column by column) as one place of 4 C channels.
local function four(x)
  local n, H, W, C = table.unpack(x.shape)
  if H % 2 + W % 2 > 0 then
    x = F.pad(x, {0, 0, 0, W % 2, 0, H % 2})
    H, W = H + H % 2, W + W % 2
  end
  return x:reshape(n, H // 2, 2, W // 2, 2, C):permute(0, 1, 3, 4, 2, 5):reshape(n, H // 2, W // 2, 4 * C)
end

local PatchMerging = nn.class "PatchMerging"
--- PatchMerging(dim): (N, H, W, dim) → (N, H/2, W/2, 2 dim), through a linear map of four places at a time.
function PatchMerging:init(dim)
  self.reduction = nn.Linear(4 * dim, 2 * dim, {bias = false})
  self.norm = nn.LayerNorm(4 * dim)
end
function PatchMerging:forward(x) return self.reduction(self.norm(four(x))) end

local PatchMergingV2 = nn.class "PatchMergingV2"
--- PatchMergingV2(dim): as PatchMerging, normalised behind the linear map.
function PatchMergingV2:init(dim)
  self.reduction = nn.Linear(4 * dim, 2 * dim, {bias = false})
  self.norm = nn.LayerNorm(2 * dim)
end
function PatchMergingV2:forward(x) return self.norm(self.reduction(four(x))) end

local SwinTransformer = nn.class "SwinTransformer"

function SwinTransformer:init(spec, o)
  local dim, block, merging = spec.dim, SwinTransformerBlock, PatchMerging
  if spec.v2 then block, merging = SwinTransformerBlockV2, PatchMergingV2 end
  local total, nth = -1, 0
  for _, n in ipairs(o.depths) do total = total + n end
  self.features = nn.Sequential(nn.Sequential(nn.Conv2d(o.in_chans, dim, 4, {stride = 4}),
    nn.Permute {0, 2, 3, 1}, nn.LayerNorm(dim)))
  for s, n in ipairs(o.depths) do
    local stage = nn.Sequential()
    for b = 0, n - 1 do
      stage:append(block(dim, spec.heads[s], spec.window, b % 2 == 0 and 0 or spec.window // 2,
        o.stochastic_depth_prob * nth / math.max(1, total), o.attention_dropout, o.dropout))
      nth = nth + 1
    end
    self.features:append(stage)
    if s < #o.depths then
      self.features:append(merging(dim))
      dim = 2 * dim
    end
  end
  self.norm = nn.LayerNorm(dim)
  self.permute = nn.Permute {0, 3, 1, 2}
  self.avgpool = nn.AdaptiveAvgPool2d(1)
  self.flatten = nn.Flatten(1)
  self.head = nn.Linear(dim, o.num_classes)
end

function SwinTransformer:forward(x)
  return self.head(self.flatten(self.avgpool(self.permute(self.norm(self.features(x))))))
end

-- torchvision's initialisation
local function reset(m)
  local init = nn.init
  m.features[0][0]:reset_parameters()
  for sub in m:modules() do
    if getmetatable(sub) == nn.Linear then
      init.trunc_normal_(sub.weight, 0, 0.02)
      if sub.bias then init.zeros_(sub.bias) end
    elseif getmetatable(sub) == ShiftedWindowAttention then
      init.trunc_normal_(sub.relative_position_bias_table, 0, 0.02)
    end
  end
end

local function variant(dim, depths, heads, stochastic_depth_prob, file, accuracy, megabytes, resize, v2)
  return {
    dim = dim, depths = depths, heads = heads, window = v2 and 8 or 7, v2 = v2,
    stochastic_depth_prob = stochastic_depth_prob,
    weights = {torchvision.set("IMAGENET1K_V1", file, {
      accuracy = accuracy, megabytes = megabytes, resize = resize, crop = v2 and 256 or 224,
      interpolation = "bicubic",
    })},
  }
end

local variants = {
  swin_t = variant(96, {2, 2, 6, 2}, {3, 6, 12, 24}, 0.2, "swin_t-704ceda3.pth", 81.474, 108.2, 232),
  swin_s = variant(96, {2, 2, 18, 2}, {3, 6, 12, 24}, 0.3, "swin_s-5e29d889.pth", 83.196, 189.8, 246),
  swin_b = variant(128, {2, 2, 18, 2}, {4, 8, 16, 32}, 0.5, "swin_b-68c6b09e.pth", 83.582, 335.4, 238),
  swin_v2_t = variant(96, {2, 2, 6, 2}, {3, 6, 12, 24}, 0.2, "swin_v2_t-b137f0e2.pth", 82.072, 108.6, 260, true),
  swin_v2_s = variant(96, {2, 2, 18, 2}, {3, 6, 12, 24}, 0.3, "swin_v2_s-637d8ceb.pth", 83.712, 190.7, 260, true),
  swin_v2_b = variant(128, {2, 2, 18, 2}, {4, 8, 16, 32}, 0.5, "swin_v2_b-781e5279.pth", 84.112, 336.4, 272, true),
}

local function build(spec, o)
  o.depths = blocks.depths("swin", o, spec)
  o.stochastic_depth_prob = o.stochastic_depth_prob or spec.stochastic_depth_prob
  local m = nn.init.skip(function() return SwinTransformer(spec, o) end)
  reset(m)
  return m
end

-- Names in timm (swin_transformer.py) and in the paper's own files. What halves a picture opens a stage in newer ones,
-- closes the one before in older ones.
local theirs = {
  {"^patch_embed%.proj%.", "features.0.0."}, {"^patch_embed%.norm%.", "features.0.2."}, {"^head%.fc%.", "head."},
  {"^layers%.(%d)%.blocks%.", function(s) return ("features.%d."):format(2 * s + 1) end},
}
local function rename(name, all)
  if name:find "%.attn_mask$" or name:find "%.attn%.[qkv]_bias$" then return nil end
  local s, rest = name:match "^layers%.(%d)%.downsample%.(.+)$"
  if s then return ("features.%d.%s"):format(2 * s + (all["layers.0.downsample.norm.weight"] and 2 or 0), rest) end
  local new = names.first(name, theirs)
  return new and new:gsub("%.mlp%.fc1%.", ".mlp.0."):gsub("%.mlp%.fc2%.", ".mlp.3.") or name
end

local function adapt(name, given, wanted)
  if name:find "relative_position_index$" and #wanted == 1 and given:numel() == wanted[1] then
    return given:flatten()
  end
end

-- timm keeps the biases of V2's queries and values apart.
local function missing(name, all, own)
  if name:find "%.relative_position_index$" or name:find "%.relative_coords_table$" then return own end
  local stage, block = name:match "^features%.(%d)%.(%d+)%.attn%.qkv%.bias$"
  local at = stage and ("layers.%d.blocks.%s.attn."):format(stage // 2, block)
  local q, v = at and all[at .. "q_bias"], at and all[at .. "v_bias"]
  return q and v and tensor.cat({q, tensor.zeros(q:numel()), v}, 0) or nil
end

local function options_from(shapes, spec)
  return {depths = shapes:depths(function(s) return ("features.%d."):format(2 * s - 1) end, spec.depths)}
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  swin_b = {87768224, 353, 15430946816},
  swin_s = {49606258, 353, 8740875264},
  swin_t = {28288354, 185, 4490566656},
  swin_v2_b = {87930848, 449, 20325134336},
  swin_v2_s = {49737442, 449, 11545857024},
  swin_v2_t = {28351570, 233, 5939690496},
}

return {
  counted = counted, variants = variants,
  parts = {ShiftedWindowAttention, ShiftedWindowAttentionV2, SwinTransformerBlock, SwinTransformerBlockV2, PatchMerging,
    PatchMergingV2, SwinTransformer}, build = build, rename = rename, adapt = adapt,
  missing = missing,
  stem = "features.0.0", head = "head", classes = 1000, size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "depths:sizes=nil stochastic_depth_prob:prob=nil dropout:prob=0 attention_dropout:prob=0",
  options_from = options_from, test = {also = {"swin_v2_t"}, options = {depths = {1, 1, 2, 1}}, parity = {size = 224}},
}
