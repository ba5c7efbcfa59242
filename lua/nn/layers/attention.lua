--- Attention: layers of transformers, with PyTorch's names; and pictures as rows of patches.
local F = require "suture.nn.functional"
local conv = require "suture.nn.layers.conv"
local dropout = require "suture.nn.layers.dropout"
local fault = require "suture.base.fault"
local init = require "suture.nn.initialize"
local layer = require "suture.nn.layer"
local norm = require "suture.nn.layers.norm"
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local tensor = require "suture.tensor"

local attention = {}
local declare = layer.into(attention)

-- A mask as numbers to add: true says minus infinity, PyTorch's sense here (that of F.scaled_dot_product_attention is
-- the other).
local function added(mask) return mask.dtype == "bool" and tensor.where(mask, -math.huge, 0) or mask end

-- Both masks as one that stretches to (N, heads, L, S), or nil.
local function mask_of(self, o, n)
  local mask, padding = o.attn_mask, o.key_padding_mask
  if mask then
    mask = added(mask)
    if raw.rank(mask) == 3 then mask = mask:reshape(n, self.num_heads, raw.size(mask, 1), raw.size(mask, 2)) end
  end
  if padding then
    padding = added(padding):reshape(n, 1, 1, -1)
    mask = mask and mask + padding or padding
  end
  return mask
end

local call_options = options.named("MultiheadAttention", "attn_mask:tensor=nil key_padding_mask:tensor=nil "
  .. "need_weights:bool=true average_attn_weights:bool=true")
local masks = options.named("TransformerEncoderLayer", "src_mask:tensor=nil src_key_padding_mask:tensor=nil")

declare "MultiheadAttention" {
  doc = [[nn.MultiheadAttention(embed_dim, num_heads[, {dropout (0), bias (true), batch_first (false)}]): called with
(query[, key, value, options]); key is the query, value the key where not given. query (L, N, embed_dim), key and value
(S, N, embed_dim), with batch_first (N, L, embed_dim) and (N, S, embed_dim). Linear maps make queries, keys and values
(in_proj_weight, in_proj_bias: one upon the other), each head attends with its embed_dim / num_heads of them
(F.scaled_dot_product_attention), out_proj mixes what the heads give. dropout: of the probabilities, in training.
Returns the output, and the probabilities (N, L, S), which cost nothing until somebody looks. Options of the call:
attn_mask (L, S) or (N · num_heads, L, S) and key_padding_mask (N, S): numbers are added to the scores, of true and
false what is true takes no part; need_weights (true); average_attn_weights (true; false: (N, num_heads, L, S)).
Vaswani et al. 2017, arXiv:1706.03762.]],
  fields = "embed_dim:count num_heads:count dropout:prob=0 bias:bool=true batch_first:bool=false",
  told = {bias = "in_proj_bias"},
  live = {num_heads = true, dropout = true, batch_first = true},
  check = function(f)
    if f.embed_dim % f.num_heads ~= 0 then
      fault("MultiheadAttention: embed_dim %d does not divide into %d heads", f.embed_dim, f.num_heads)
    end
  end,
  parameters = function(f)
    return {{"in_proj_weight", {3 * f.embed_dim, f.embed_dim}}, f.bias and {"in_proj_bias", {3 * f.embed_dim}} or nil}
  end,
  build = function(self, a) self.out_proj = conv.Linear(a.embed_dim, a.embed_dim, a.bias) end,
  reset = function(self)
    init.xavier_uniform_(self.in_proj_weight)
    self.out_proj:reset_parameters()
    if self.in_proj_bias then
      init.zeros_(self.in_proj_bias)
      init.zeros_(self.out_proj.bias)
    end
  end,
  forward = function(self, query, key, value, opts)
    local what, fields = "MultiheadAttention", self._fields
    local e, heads, batch_first = fields.embed_dim, fields.num_heads, fields.batch_first
    if options.is_options(key) then key, opts = nil, key end
    if options.is_options(value) then value, opts = nil, value end
    opts = call_options(opts)
    key = key or query
    value = value or key
    local own = rawequal(query, key) and rawequal(key, value)
    for i = 1, own and 1 or 3 do
      local name, x = ({"query", "key", "value"})[i], ({query, key, value})[i]
      if not raw.is(x) or raw.rank(x) ~= 3 or raw.size(x, 2) ~= e then
        fault("%s expects %s of shape %s, got %s", what, name,
          batch_first and ("(N, L, %d)"):format(e) or ("(L, N, %d)"):format(e),
          raw.is(x) and tostring(raw.shape(x)) or type(x))
      end
    end
    local function rows(x) return batch_first and x or x:transpose(0, 1) end
    local p = self._params
    local n = raw.size(rows(query), 0)
    local mask = mask_of(self, opts, n)
    local drop = self:is_training() and fields.dropout or 0

    -- one of query, key and value of all heads: (N, heads, rows, d)
    local function projected(x, i)
      local w, b = p.in_proj_weight:narrow(0, i * e, e), p.in_proj_bias and p.in_proj_bias:narrow(0, i * e, e)
      local y = F.linear(rows(x), w, b)
      return y:reshape(n, raw.size(y, 1), heads, e // heads):permute(0, 2, 1, 3)
    end
    local need = opts.need_weights
    -- What is dropped of the probabilities is dropped of those that are returned.
    local packed = own and not (need and drop > 0)
    local weights, y
    if packed then
      local qkv = F.linear(rows(query), p.in_proj_weight, p.in_proj_bias)
      y = F._packed_attention(qkv, heads, mask, {dropout = drop})
    end
    if need or not packed then
      local q, k, v = projected(query, 0), projected(key, 1), projected(value, 2)
      if need then
        local scores = q:matmul(k:transpose(-1, -2)) * (e // heads) ^ -0.5
        weights = F.dropout((mask and scores + mask or scores):softmax(-1), drop, drop > 0)
      end
      if not packed then
        y = weights and drop > 0 and weights:matmul(v)
          or F.scaled_dot_product_attention(q, k, v, {attn_mask = mask, dropout_p = drop})
        y = y:permute(0, 2, 1, 3):reshape(n, -1, e)
      end
    end
    if weights and opts.average_attn_weights then weights = weights:mean(1) end
    y = self.out_proj(y)
    return batch_first and y or y:transpose(0, 1), weights
  end,
  extra = function(self)
    return ("%d, %d heads%s%s"):format(self.embed_dim, self.num_heads,
      self.dropout > 0 and (", dropout %g"):format(self.dropout) or "",
      self.batch_first and ", batch first" or "")
  end,
}

declare "TransformerEncoderLayer" {
  doc = [[nn.TransformerEncoderLayer(d_model, nhead[, dim_feedforward (2048), dropout (0.1), activation ("relu"),
layer_norm_eps (1e-5), batch_first (false), norm_first (false)]): attention of each row of x to all (self_attn), then
two linear maps, each around a shortcut and normalised behind it, or with norm_first before it. x (L, N, d_model), with
batch_first (N, L, d_model); called with (x[, src_mask, src_key_padding_mask]), the masks of nn.MultiheadAttention.
activation: "relu", "gelu" or a function. Vaswani et al. 2017, arXiv:1706.03762; norm_first: Xiong et al. 2020,
arXiv:2002.04745.]],
  fields = "d_model:count nhead:count dim_feedforward:count=2048 dropout:prob=0.1 activation:any=relu "
    .. "layer_norm_eps:num=1e-5 batch_first:bool=false norm_first:bool=false",
  live = {activation = true, norm_first = true},
  check = function(f)
    local given = f.activation
    if given ~= "relu" and given ~= "gelu" and type(given) ~= "function" and not (getmetatable(given) or {}).__call then
      fault('TransformerEncoderLayer: activation is "relu", "gelu" or a function, got %s', options.show(given))
    end
  end,
  build = function(self, a)
    self.self_attn = attention.MultiheadAttention(a.d_model, a.nhead,
      {dropout = a.dropout, batch_first = a.batch_first})
    self.linear1 = conv.Linear(a.d_model, a.dim_feedforward)
    self.dropout = dropout.Dropout(a.dropout)
    self.linear2 = conv.Linear(a.dim_feedforward, a.d_model)
    for i = 1, 2 do self["norm" .. i] = norm.LayerNorm(a.d_model, a.layer_norm_eps) end
    for i = 1, 2 do self["dropout" .. i] = dropout.Dropout(a.dropout) end
  end,
  forward = function(self, x, src_mask, src_key_padding_mask)
    local activation = self._fields.activation
    if type(activation) == "string" then activation = F[activation] end
    if options.is_options(src_mask) then
      local given = masks(src_mask)
      src_mask, src_key_padding_mask = given.src_mask, given.src_key_padding_mask
    end
    local function attend(y)
      return self.dropout1((self.self_attn(y,
        {attn_mask = src_mask, key_padding_mask = src_key_padding_mask, need_weights = false})))
    end
    local function feed(y) return self.dropout2(self.linear2(self.dropout(activation(self.linear1(y))))) end
    if self._fields.norm_first then
      x = x + attend(self.norm1(x))
      return x + feed(self.norm2(x))
    end
    x = self.norm1(x + attend(x))
    return self.norm2(x + feed(x))
  end,
}

declare "PatchEmbed" {
  doc = [[nn.PatchEmbed([img_size (224), patch_size (16), in_chans (3), embed_dim (768)]): a picture (N, in_chans, H, W)
as rows of patches (N, H/patch · W/patch, embed_dim), each patch through one linear map: a convolution `proj` whose
stride is its kernel. grid_size: patches down and across, num_patches: how many. Dosovitskiy et al. 2020,
arXiv:2010.11929; as timm's.]],
  fields = "img_size:pair=224 patch_size:pair=16 in_chans:count=3 embed_dim:count=768",
  live = {img_size = true},
  computed = {
    grid_size = function(f) return {f.img_size[1] // f.patch_size[1], f.img_size[2] // f.patch_size[2]} end,
    num_patches = function(f) return (f.img_size[1] // f.patch_size[1]) * (f.img_size[2] // f.patch_size[2]) end,
  },
  build = function(self, a) self.proj = conv.Conv2d(a.in_chans, a.embed_dim, a.patch_size, {stride = a.patch_size}) end,
  forward = function(self, x)
    local size = self._fields.img_size
    if not raw.is(x) or raw.rank(x) ~= 4 or raw.size(x, 2) ~= size[1] or raw.size(x, 3) ~= size[2] then
      fault("PatchEmbed expects pictures of %d×%d, got %s", size[1], size[2],
        raw.is(x) and tostring(raw.shape(x)) or type(x))
    end
    return self.proj(x):permute(0, 2, 3, 1):flatten(1, 2) -- no copy, for convolutions leave their channels last
  end,
  extra = function(self)
    local size, patch = self.img_size, self.patch_size
    return ("%d×%d in patches of %d×%d"):format(size[1], size[2], patch[1], patch[2])
  end,
}

return attention
