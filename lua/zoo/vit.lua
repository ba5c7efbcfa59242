--- Vision transformers, with torchvision's names: Dosovitskiy et al. 2020 (arXiv:2010.11929). A picture is cut into
-- patches, each patch a row of numbers; a class token joins them, positions are added, and encoder layers let every row
-- look at all others. The class token's row is what the head reads.
-- Options: image_size (224; a multiple of the patches' size), num_layers (as the variant's), dropout (0),
-- attention_dropout (0).
local fault = require "suture.base.fault"
local names = require "suture.zoo.common.names"
local nn = require "suture.nn"
local resample = require "suture.zoo.common.resample"
local tensor = require "suture.tensor"
local torchvision = require "suture.zoo.common.torchvision"

local EncoderBlock = nn.class "EncoderBlock"

--- EncoderBlock(num_heads, hidden_dim, mlp_dim[, dropout (0), attention_dropout (0)]): attention and two linear maps,
-- each normalised before and added to what came in.
function EncoderBlock:init(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout)
  dropout = dropout or 0
  self.ln_1 = nn.LayerNorm(hidden_dim, 1e-6)
  self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads,
    {dropout = attention_dropout or 0, batch_first = true})
  self.dropout = nn.Dropout(dropout)
  self.ln_2 = nn.LayerNorm(hidden_dim, 1e-6)
  self.mlp = nn.Sequential(nn.Linear(hidden_dim, mlp_dim), nn.GELU(), nn.Dropout(dropout),
    nn.Linear(mlp_dim, hidden_dim), nn.Dropout(dropout))
end

function EncoderBlock:forward(x)
  local y = self.self_attention(self.ln_1(x), {need_weights = false})
  x = self.dropout(y) + x
  return x + self.mlp(self.ln_2(x))
end

local Encoder = nn.class "Encoder"

function Encoder:init(rows, spec, o)
  self.pos_embedding = nn.Parameter(tensor.zeros(1, rows, spec.hidden_dim))
  self.dropout = nn.Dropout(o.dropout or 0)
  local layers = {}
  for i = 1, o.num_layers do
    local block = EncoderBlock(spec.num_heads, spec.hidden_dim, spec.mlp_dim, o.dropout, o.attention_dropout)
    layers[i] = {"encoder_layer_" .. i - 1, block}
  end
  self.layers = nn.Sequential(layers)
  self.ln = nn.LayerNorm(spec.hidden_dim, 1e-6)
end

function Encoder:forward(x) return self.ln(self.layers(self.dropout(x + self.pos_embedding))) end

local VisionTransformer = nn.class "VisionTransformer"

function VisionTransformer:init(spec, o)
  local patch = spec.patch_size
  if o.image_size % patch ~= 0 then
    fault("vit: image_size %d does not divide into patches of %d", o.image_size, patch)
  end
  self.image_size, self.patch_size = o.image_size, patch
  self.conv_proj = nn.Conv2d(o.in_chans, spec.hidden_dim, patch, {stride = patch})
  self.class_token = nn.Parameter(tensor.zeros(1, 1, spec.hidden_dim))
  self.encoder = Encoder((o.image_size // patch) * (o.image_size // patch) + 1, spec, o)
  self.heads = nn.Sequential {{"head", nn.Linear(spec.hidden_dim, o.num_classes)}}
end

function VisionTransformer:forward(x)
  local n, _, h, w = table.unpack(x.shape)
  if h ~= self.image_size or w ~= self.image_size then
    fault("this VisionTransformer expects pictures of %d×%d, got %s: image_size = %d makes one that fits",
      self.image_size, self.image_size, x.shape, h)
  end
  x = self.conv_proj(x):permute(0, 2, 3, 1):flatten(1, 2) -- (N, patches, hidden)
  x = tensor.cat({self.class_token:expand(n, -1, -1), x}, 1)
  return self.heads(self.encoder(x):select(1, 0))
end

-- torchvision's initialisation; the head begins at 0.
local function reset(m)
  local init = nn.init
  init.trunc_normal_(m.conv_proj.weight, 0, math.sqrt(1 / (init.fans("conv_proj", m.conv_proj.weight))))
  init.zeros_(m.conv_proj.bias)
  init.normal_(m.encoder.pos_embedding, 0, 0.02)
  for block in m.encoder.layers:children() do
    block.self_attention:reset_parameters()
    for _, i in ipairs {0, 3} do
      init.xavier_uniform_(block.mlp[i].weight)
      init.normal_(block.mlp[i].bias, 0, 1e-6)
    end
  end
  init.zeros_(m.heads.head.weight)
  init.zeros_(m.heads.head.bias)
end

-- Trained on ImageNet-1K alone, and (SWAG: Singh et al. 2022, arXiv:2201.08371) on hashtags of 3.6 billion pictures,
-- then tuned as a whole (E2E) or in the head only (LINEAR).
local function v1(file, accuracy, megabytes, resize)
  return torchvision.set("IMAGENET1K_V1", file, {accuracy = accuracy, megabytes = megabytes, resize = resize})
end
local function swag(kind, file, accuracy, megabytes, size)
  return torchvision.set("IMAGENET1K_SWAG_" .. kind .. "_V1", file, {
    accuracy = accuracy, megabytes = megabytes, resize = size, crop = size, interpolation = "bicubic",
    license = "CC-BY-NC-4.0",
  })
end

local function variant(patch_size, layers, num_heads, hidden_dim, mlp_dim, weights)
  return {
    patch_size = patch_size, layers = layers, num_heads = num_heads, hidden_dim = hidden_dim, mlp_dim = mlp_dim,
    weights = weights,
  }
end

local variants = {
  vit_b_16 = variant(16, 12, 12, 768, 3072, {v1("vit_b_16-c867db91.pth", 81.072, 330.3),
    swag("E2E", "vit_b_16_swag-9ac1b537.pth", 85.304, 331.4, 384),
    swag("LINEAR", "vit_b_16_lc_swag-4e70ced5.pth", 81.886, 330.3, 224)}),
  vit_b_32 = variant(32, 12, 12, 768, 3072, {v1("vit_b_32-d86f8d99.pth", 75.912, 336.6)}),
  vit_l_16 = variant(16, 24, 16, 1024, 4096, {v1("vit_l_16-852ce7e3.pth", 79.662, 1161.0, 242),
    swag("E2E", "vit_l_16_swag-4f3808c9.pth", 88.064, 1164.3, 512),
    swag("LINEAR", "vit_l_16_lc_swag-4d563306.pth", 85.146, 1161.0, 224)}),
  vit_l_32 = variant(32, 24, 16, 1024, 4096, {v1("vit_l_32-c7638314.pth", 76.972, 1169.4)}),
  vit_h_14 = variant(14, 32, 16, 1280, 5120, {swag("E2E", "vit_h_14_swag-80465313.pth", 88.552, 2416.6, 518),
    swag("LINEAR", "vit_h_14_lc_swag-c1eb923e.pth", 85.708, 2411.2, 224)}),
}

local function build(spec, o)
  o.num_layers = o.num_layers or spec.layers
  local m = nn.init.skip(function() return VisionTransformer(spec, o) end)
  reset(m)
  return m
end

-- Names of older checkpoints, and of timm's vision_transformer.py.
local timm = {
  {"^cls_token$", "class_token"}, {"^pos_embed$", "encoder.pos_embedding"},
  {"^patch_embed%.proj%.(%w+)$", "conv_proj.%1"}, {"^norm%.(%w+)$", "encoder.ln.%1"},
  {"^head%.(%w+)$", "heads.head.%1"},
}
local timm_block = {
  {"^norm(%d)%.(%w+)$", "ln_%1.%2"}, {"^attn%.qkv%.(%w+)$", "self_attention.in_proj_%1"},
  {"^attn%.proj%.(%w+)$", "self_attention.out_proj.%1"}, {"^mlp%.fc1%.(%w+)$", "mlp.0.%1"},
  {"^mlp%.fc2%.(%w+)$", "mlp.3.%1"},
}

local function rename(name)
  local block, rest = name:match "^blocks%.(%d+)%.(.+)$"
  if block then
    local new = names.first(rest, timm_block)
    return new and ("encoder.layers.encoder_layer_%s.%s"):format(block, new) or name
  end
  local linear = {["1"] = "0", ["2"] = "3"}
  return names.first(name, timm)
    or (name:gsub("%.mlp%.linear_([12])%.", function(i) return ".mlp." .. linear[i] .. "." end))
end

-- Position embeddings of pictures of another size: the class token's stays, the others are a picture themselves,
-- resized bicubically from corner to corner.
local function adapt(name, given, wanted)
  if name ~= "encoder.pos_embedding" or #given.shape ~= 3 or #wanted ~= 3 then return nil end
  if given.shape[3] ~= wanted[3] or given.shape[2] < 2 then return nil end
  local from, to = math.tointeger(math.sqrt(given.shape[2] - 1)), math.tointeger(math.sqrt(wanted[2] - 1))
  if not from or not to or from == 0 then return nil end
  local grid = given:slice(1, 1):reshape(from, from, wanted[3])
  return tensor.cat({given:slice(1, 0, 1), resample.bicubic(grid, to, to):reshape(1, to * to, wanted[3])}, 1)
end

local function options_from(shapes, spec)
  local layers, places = shapes:count "encoder.layers.encoder_layer_", shapes:dim("encoder.pos_embedding", 2)
  local grid = places and places > 1 and math.tointeger(math.sqrt(places - 1))
  local size = grid and grid * spec.patch_size
  return {image_size = size ~= 224 and size or nil, num_layers = layers > 0 and layers ~= spec.layers and layers or nil}
end

-- Parameters, tensors of the state dict, multiply-adds of one picture: scripts/costs.lua writes them.
local counted = {
  vit_b_16 = {86567656, 152, 17563828224},
  vit_b_32 = {88224232, 152, 4409186304},
  vit_h_14 = {633470440, 392, 1016716764160},
  vit_l_16 = {304326632, 296, 61554712576},
  vit_l_32 = {306535400, 296, 15377539072},
}

return {
  counted = counted, variants = variants,
  parts = {EncoderBlock, Encoder, VisionTransformer}, build = build, rename = rename, adapt = adapt,
  stem = "conv_proj", head = "heads.head", classes = 1000, size = 224, mean = torchvision.mean, std = torchvision.std,
  options = "image_size:count num_layers:count=nil dropout:prob=0 attention_dropout:prob=0",
  options_from = options_from, test = {options = {image_size = 48, num_layers = 2}, parity = {size = 224}},
}
