--- F: layers as functions, with PyTorch's names, argument order and defaults; options also by name in a trailing table.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local options = require "suture.base.options"
local signatures = require "suture.nn.signatures"
local tensor = require "suture.tensor"
local op, raw = tensor._op, core.tensor
local is, signature, arguments = raw.is, options.signature, options.arguments

local F = {}
local docs = require "suture.base.docs"

local function given(what, name, x)
  if not is(x) then fault("%s: expects a tensor for %s, got %s", what, name, options.show(x)) end
  return x
end

-- Convolution of the Conv2d layer with these fields, padded with x's own numbers.
function F._conv2d_padded(x, w, b, f)
  local pads = {}
  for i = 1, 2 do
    local total = f.padding == "same" and f.dilation[i] * (f.kernel_size[i] - 1)
    local before = total and total // 2 or f.padding[i]
    pads[5 - 2 * i], pads[6 - 2 * i] = before, total and total - before or before
  end
  return F._conv2d(F.pad(x, pads, f.padding_mode), w, b, f.stride, {0, 0}, f.dilation, f.groups)
end

-- The padding of "same": stride 1, the longer half behind, as PyTorch.
local function same_padding(x, kernel, dilation)
  local pads, uneven = {}, false
  for i = 1, 2 do
    local total = dilation[i] * (kernel[i] - 1)
    pads[i] = total // 2
    if total % 2 == 1 then uneven = true end
  end
  if uneven then
    local h, w = dilation[1] * (kernel[1] - 1) % 2, dilation[2] * (kernel[2] - 1) % 2
    x = F.pad(x, {0, w, 0, h})
  end
  return x, pads
end

-- For layers, whose options are checked when they are made.
function F._conv2d(x, w, b, stride, padding, dilation, groups)
  if padding == "same" then
    x, padding = same_padding(x, {raw.size(w, 2), raw.size(w, 3)}, dilation)
  end
  return op "conv2d"(x, w, b, {stride = stride, padding = padding, dilation = dilation, groups = groups})
end

local conv_args = signature("conv2d", "bias:tensor=nil " .. signatures.conv2d)

--- F.conv2d(x, weight[, bias, stride, padding, dilation, groups]): x (N, C, H, W), weight (K, C/groups, R, S).
-- padding: a number, {h, w}, "same" or "valid".
function F.conv2d(x, weight, ...)
  local a = conv_args(...)
  signatures.check_conv2d("conv2d", a)
  return F._conv2d(given("conv2d", "x", x), given("conv2d", "weight", weight), a.bias, a.stride, a.padding, a.dilation,
    a.groups)
end

local linear_args = arguments("linear", "weight:tensor bias:tensor=nil")

--- F.linear(x, weight[, bias]): x (…, in), weight (out, in).
function F.linear(x, weight, bias, ...)
  given("linear", "x", x)
  if select("#", ...) > 0 or not is(weight) or not (bias == nil or is(bias)) then
    weight, bias = linear_args(weight, bias, ...)
  end
  return op "linear"(x, weight, bias)
end

local function pool_args(what, text)
  local read = signature(what, text)
  return function(...)
    local a = read(...)
    signatures.check_pool(what, a)
    return a
  end
end
local max_args = pool_args("max_pool2d",
  signatures.max_pool2d .. " " .. signatures.ceil_mode .. " " .. signatures.return_indices)
local avg_args = pool_args("avg_pool2d", signatures.avg_pool2d)
local PLACES = 1 << 24 -- of a map; more are not told apart in float32

function F._max_pool2d(x, a)
  local attrs = {kernel = a.kernel_size, stride = a.stride, padding = a.padding, dilation = a.dilation,
    ceil_mode = a.ceil_mode}
  if not a.return_indices then return op "max_pool2d"(x, attrs) end
  if raw.rank(x) == 4 and raw.size(x, 2) * raw.size(x, 3) > PLACES then
    fault("max_pool2d: return_indices counts up to %d places of a map, got %s", PLACES, raw.shape(x))
  end
  return op "max_pool2d"(x, attrs), op "max_pool2d_index"(x, attrs)
end

--- F.max_pool2d(x, kernel_size[, stride (the kernel's size), padding, dilation, ceil_mode, return_indices (false)]):
-- the greatest in each window of x (N, C, H, W). return_indices: also where they are, as h · W + w of their map
-- (int64).
function F.max_pool2d(x, ...) return F._max_pool2d(given("max_pool2d", "x", x), max_args(...)) end

function F._avg_pool2d(x, a)
  return op "avg_pool2d"(x, {kernel = a.kernel_size, stride = a.stride, padding = a.padding, ceil_mode = a.ceil_mode,
    count_include_pad = a.count_include_pad, divisor_override = a.divisor_override or 0})
end

--- F.avg_pool2d(x, kernel_size[, stride, padding, ceil_mode, count_include_pad, divisor_override]): the mean of each
-- window.
function F.avg_pool2d(x, ...) return F._avg_pool2d(given("avg_pool2d", "x", x), avg_args(...)) end

local adaptive_args = signature("adaptive_avg_pool2d", signatures.adaptive_avg_pool2d)

--- F.adaptive_avg_pool2d(x, size): means over windows chosen so that the output is size × size (or {h, w}).
function F.adaptive_avg_pool2d(x, ...)
  given("adaptive_avg_pool2d", "x", x)
  local size = adaptive_args(...).output_size
  size = {size[1] or raw.size(x, -2), size[2] or raw.size(x, -1)}
  return op "adaptive_avg_pool2d"(x, {size = size})
end

-- Functions of x alone. PyTorch's inplace would change x: here it is refused, as nothing is gained by it.
local function alone(name, f, doc)
  local read = arguments(name, signatures.inplace)
  F[name] = function(x, ...)
    given(name, "x", x)
    if select("#", ...) > 0 and read(...) then
      fault("%s: inplace is not needed: write x = F.%s(x), the planner shares the memory", name, name)
    end
    return f(x)
  end
  docs[F[name]] = ("F.%s(x): %s"):format(name, doc)
end
alone("relu", function(x) return op "relu"(x) end, "x where it is positive, else 0.")
alone("sigmoid", function(x) return op "sigmoid"(x) end, "1 / (1 + e⁻ˣ).")
alone("tanh", function(x) return op "tanh"(x) end, "the hyperbolic tangent.")
alone("silu", function(x) return op "silu"(x) end, "x · sigmoid(x). Elfwing et al. 2017, arXiv:1702.03118.")
alone("hardswish", function(x) return op "hardswish"(x) end,
  "x · relu6(x + 3) / 6. Howard et al. 2019, arXiv:1905.02244.")
alone("relu6", function(x) return op "clamp"(x, {min = 0, max = 6, open = true}) end, "clamped to 0 … 6.")
alone("hardsigmoid", function(x) return op "clamp"(x + 3, {min = 0, max = 6, open = true}) / 6 end,
  "relu6(x + 3) / 6, straight pieces in place of the sigmoid. Howard et al. 2019, arXiv:1905.02244.")
alone("mish", function(x) return x * F.softplus(x):tanh() end, "x · tanh(softplus(x)). Misra 2019, arXiv:1908.08681.")

--- F.gelu(x[, {approximate = "none"}]): x Φ(x); "tanh" for the approximation. Hendrycks & Gimpel 2016,
-- arXiv:1606.08415.
function F.gelu(x, ...) return given("gelu", "x", x):gelu(...) end

local leaky_args, elu_args = arguments("leaky_relu", signatures.leaky_relu), arguments("elu", signatures.elu)

--- F.leaky_relu(x[, negative_slope (0.01)]): x where it is positive, negative_slope · x elsewhere.
function F.leaky_relu(x, ...) return op "leaky_relu"(given("leaky_relu", "x", x), {slope = leaky_args(...)}) end

--- F.elu(x[, alpha (1)]): x where it is positive, alpha (eˣ - 1) elsewhere.
function F.elu(x, ...) return op "elu"(given("elu", "x", x), {alpha = elu_args(...)}) end

--- F.softplus(x[, beta (1), threshold (20)]): ln(1 + e^βx) / β; x itself where βx is above the threshold.
function F.softplus(x, ...) return given("softplus", "x", x):softplus(...) end

--- F.softmax(x[, dim]): eˣ / Σ eˣ over one dimension; of a vector or a matrix the last, where none is said.
function F.softmax(x, ...) return given("softmax", "x", x):softmax(...) end

--- F.log_softmax(x[, dim]): the logarithm of softmax.
function F.log_softmax(x, ...) return given("log_softmax", "x", x):log_softmax(...) end

local training = " training:bool=true"
local dropout_args = signature("dropout", signatures.dropout .. training)
local dropout2d_args = signature("dropout2d", signatures.dropout .. training)

--- F.dropout(x[, p (0.5), training (true)]): each element dropped with probability p, the others divided by 1 - p.
function F.dropout(x, ...)
  local a = dropout_args(...)
  given("dropout", "x", x)
  if not a.training or a.p == 0 then return x end
  return op "dropout"(x, {p = a.p})
end

--- F.dropout2d(x[, p, training]): whole channels dropped.
function F.dropout2d(x, ...)
  local a = dropout2d_args(...)
  given("dropout2d", "x", x)
  if not a.training or a.p == 0 then return x end
  return op "dropout_channels"(x, {p = a.p})
end

local depth_args = signature("stochastic_depth", signatures.stochastic_depth .. training)

--- F.stochastic_depth(x, p, mode[, training (true)]): x (N, …) dropped whole with probability p, else divided by 1 - p;
-- mode "row": each sample alone, "batch": all together. Huang et al. 2016, arXiv:1603.09382; as
-- torchvision.ops.stochastic_depth.
function F.stochastic_depth(x, ...)
  local a = depth_args(...)
  given("stochastic_depth", "x", x)
  if not a.training or a.p == 0 then return x end
  return op "stochastic_depth"(x, {p = a.p, rows = a.mode == "row"})
end

--- F.flatten(x[, start_dim (0), end_dim (-1)]): these dimensions and those between made one.
function F.flatten(x, ...) return given("flatten", "x", x):flatten(...) end

local pad_args = arguments("pad", "pad:ints mode:" .. signatures.pads .. "|constant=constant value:num=nil")

-- Where the numbers of a padded dimension of length n come from.
local sources = {
  replicate = function(i, n) return math.max(0, math.min(n - 1, i)) end,
  circular = function(i, n, before, behind) -- of what is left when negative padding has cut
    local first = math.max(-before, 0)
    return first + (i - first) % (n - first + math.min(behind, 0))
  end,
  reflect = function(i, n)
    i = math.abs(i)
    return i < n and i or 2 * (n - 1) - i
  end,
}

-- Padding with x's own numbers, a dimension at a time.
local function own_pad(x, pads, mode)
  local rank, dims = raw.rank(x), #pads // 2
  for k = 1, dims do
    local d, before, behind = rank - k, pads[2 * k - 1], pads[2 * k]
    local n, index = raw.size(x, d), {}
    local most = mode == "reflect" and n - 1 or mode == "circular" and n or math.huge
    if before > most or behind > most or n == 0 or n + before + behind < 1 then
      fault("pad: {%d, %d} is too much for dimension %d of shape %s in mode %q", before, behind, d, raw.shape(x), mode)
    end
    for i = -before, n + behind - 1 do index[#index + 1] = sources[mode](i, n, before, behind) end
    x = op "index_select"(x, raw.from_list({#index}, index, "int64"), {dim = d})
  end
  return x
end

--- F.pad(x, {left, right, top, bottom, …}[, mode ("constant"), value (0)]): that value around the last dimensions, the
-- last one first; negative numbers cut off. mode: "reflect" (x mirrored at its ends), "replicate" (its outermost
-- numbers) or "circular" (from the other end) take no value.
function F.pad(x, ...)
  given("pad", "x", x)
  local pads, mode, value = pad_args(...)
  if #pads % 2 ~= 0 or #pads > 2 * x:dim() then
    fault("pad: expects {left, right, top, bottom, …}, at most a pair per dimension of %s, got %s", x.shape,
      options.show(pads))
  end
  if mode == "constant" then return op "pad"(x, {pad = pads, value = value or 0}) end
  if value then fault("pad: mode %q takes no value", mode) end
  return own_pad(x, pads, mode)
end

-- ---- normalisation ----

-- BatchNorm by its parts: stats of the batch in training, running ones otherwise.
local over_ranks = false -- F._sync_bn(on): batch statistics are those of all processes that share the batch
function F._sync_bn(on) over_ranks = on end

function F._batch_norm(x, mean, var, weight, bias, training, momentum, eps)
  if not training then return op "bn_eval"(x, mean, var, weight, bias, {eps = eps}) end
  local stats = op "bn_stats"(x)
  if mean and journal.held(mean) then mean = nil end -- of a frozen module: they stand still
  if var and journal.held(var) then var = nil end
  local moves = stats
  if over_ranks then
    stats = op "bn_ranks"(x, stats, {of = 0})
    moves = op "bn_ranks"(x, stats, {of = 2})
  end
  if mean or var then core.graph.effect(moves, mean, var, momentum) end
  return op "bn_train"(x, stats, weight, bias, {eps = eps})
end

local bn_args = signature("batch_norm",
  "running_mean:tensor=nil running_var:tensor=nil weight:tensor=nil bias:tensor=nil training:bool=false "
  .. "momentum:num=0.1 " .. signatures.eps)

--- F.batch_norm(x, running_mean, running_var[, weight, bias, training (false), momentum (0.1), eps (1e-5)]): over all
-- but dimension 1. In training with the batch's own statistics, which the running ones then follow.
function F.batch_norm(x, ...)
  local a = bn_args(...)
  given("batch_norm", "x", x)
  if not a.training and not (a.running_mean and a.running_var) then
    fault "batch_norm: expects running_mean and running_var when not training"
  end
  return F._batch_norm(x, a.running_mean, a.running_var, a.weight, a.bias, a.training, a.momentum, a.eps)
end

function F._layer_norm(x, shape, weight, bias, eps)
  local rank, n = raw.rank(x), #shape
  for i = 1, n do
    if n > rank or raw.size(x, rank - n + i - 1) ~= shape[i] then
      fault("layer_norm: expects x of shape (…, %s), got %s", table.concat(shape, ", "), raw.shape(x))
    end
  end
  return op "layer_norm"(x, weight, bias, {dims = n, eps = eps})
end

local ln_args = signature("layer_norm",
  signatures.normalized_shape .. " weight:tensor=nil bias:tensor=nil " .. signatures.eps)

--- F.layer_norm(x, normalized_shape[, weight, bias, eps (1e-5)]): over the last dimensions, whose sizes
-- normalized_shape names (a number: the last one); each row by its own mean and variance. Ba, Kiros & Hinton 2016,
-- arXiv:1607.06450.
function F.layer_norm(x, ...)
  local a = ln_args(...)
  return F._layer_norm(given("layer_norm", "x", x), a.normalized_shape, a.weight, a.bias, a.eps)
end

function F._group_norm(x, groups, weight, bias, eps)
  local rank = raw.rank(x)
  local channels = rank > 1 and raw.size(x, 1)
  if not channels or channels % groups ~= 0 then
    fault("group_norm: expects (N, C, …) with C divisible into %d groups, got %s", groups, raw.shape(x))
  end
  local shape, place = raw.shape(x), {}
  local row = raw.numel(x) // math.max(1, shape[1] * groups)
  local y = F._layer_norm(x:reshape(shape[1], groups, row), {row}, nil, nil, eps):reshape(table.unpack(shape))
  for d = 1, rank do place[d] = d == 2 and channels or 1 end
  if weight then y = y * weight:reshape(table.unpack(place)) end
  return bias and y + bias:reshape(table.unpack(place)) or y
end

local gn_args = signature("group_norm",
  signatures.num_groups .. " weight:tensor=nil bias:tensor=nil " .. signatures.eps)

--- F.group_norm(x, num_groups[, weight, bias, eps (1e-5)]): x (N, C, …); the channels of each group are normalised
-- together, by their own mean and variance in each sample. Wu & He 2018, arXiv:1803.08494.
function F.group_norm(x, ...)
  local a = gn_args(...)
  return F._group_norm(given("group_norm", "x", x), a.num_groups, a.weight, a.bias, a.eps)
end

-- ---- attention ----

local attention_args = signature("scaled_dot_product_attention",
  "attn_mask:tensor=nil dropout_p:prob=0 is_causal:bool=false scale:num=nil")

--- F.scaled_dot_product_attention(q, k, v[, attn_mask, dropout_p (0), is_causal (false), scale (1/√d)]): softmax(scale
-- q kᵀ + attn_mask) v over the last two dimensions; q (…, L, d), k (…, S, d), v (…, S, dv). attn_mask stretches to (…,
-- L, S): numbers are added, and learn; of true and false, true takes part. is_causal: row i sees keys 0 to i.
-- dropout_p drops probabilities whenever it is above 0. Vaswani et al. 2017, arXiv:1706.03762.
function F.scaled_dot_product_attention(q, k, v, ...)
  local what = "scaled_dot_product_attention"
  local a = attention_args(...)
  given(what, "q", q) given(what, "k", k) given(what, "v", v)
  local mask = a.attn_mask
  if mask and a.is_causal then fault("%s: takes attn_mask or is_causal, not both", what) end
  if mask and mask.dtype == "bool" then mask = tensor.where(mask, 0, -math.huge) end
  if a.dropout_p == 0 then return op(what)(q, k, v, mask, {scale = a.scale or 0, causal = a.is_causal}) end
  -- what is dropped is drawn for all of them
  local scores = q:matmul(k:transpose(-1, -2)) * (a.scale or raw.size(q, -1) ^ -0.5)
  if a.is_causal then
    local l, s = raw.size(q, -2), raw.size(k, -2)
    mask = tensor.where(tensor.arange(s):le(tensor.arange(l):unsqueeze(1)), 0, -math.huge)
  end
  if mask then scores = scores + mask end
  return F.dropout(scores:softmax(-1), a.dropout_p):matmul(v)
end

-- The same of qkv (…, L, 3 · heads · d), as one linear map makes queries, keys and values: all q, all k, all v, or with
-- interleaved q, k, v of each head in turn. → (…, L, heads · d). mask: numbers that stretch to (…, heads, L, L), or
-- nil. dropout: of the probabilities, whenever it is above 0.
function F._packed_attention(qkv, heads, mask, opts)
  local o = opts or {}
  if (o.dropout or 0) == 0 then
    return op "packed_attention"(qkv, mask, {heads = heads, scale = o.scale or 0, interleaved = o.interleaved or false})
  end
  local rank, lead = raw.rank(qkv), {table.unpack(raw.shape(qkv))}
  local d = table.remove(lead) // (3 * heads)
  lead[rank], lead[rank + 1], lead[rank + 2] = o.interleaved and heads or 3, o.interleaved and 3 or heads, d
  local apart, which = qkv:reshape(table.unpack(lead)), o.interleaved and rank or rank - 1
  local function part(i) return apart:select(which, i):transpose(rank - 2, rank - 1) end -- (…, heads, L, d)
  local y = F.scaled_dot_product_attention(part(0), part(1), part(2), {attn_mask = mask, dropout_p = o.dropout,
    scale = o.scale})
  return y:transpose(rank - 2, rank - 1):flatten(rank - 1)
end

local normalize_args = arguments("normalize", "p:num=2 dim:dims=1 eps:num=1e-12")

--- F.normalize(x[, p (2), dim (1), eps (1e-12)]): x divided by its p-norm along dim, or by eps where that is greater.
function F.normalize(x, ...)
  local p, dim, eps = normalize_args(...)
  return given("normalize", "x", x) / x:norm(p, dim, true):clamp(eps)
end

local one_hot_args = arguments("one_hot", "num_classes:int=-1")

--- F.one_hot(classes[, num_classes (-1: the greatest and one)]): rows of 0 with a 1 at the class.
function F.one_hot(t, ...)
  given("one_hot", "the classes", t)
  local n = one_hot_args(...)
  if n == -1 then n = math.floor(t:max():item()) + 1 end
  if n < 1 then fault("one_hot: expects a number of classes above 0, got %s", options.show(n)) end
  for i, c in ipairs(raw.flat(t)) do
    if c < 0 or c >= n or c % 1 ~= 0 then
      fault("one_hot: class %s at index %d is no whole number below %s", options.show(c), i - 1, options.show(n))
    end
  end
  return op "one_hot"(t, {classes = n})
end

require "suture.nn.losses"(F)

return require "suture.base.stray".guard(F)
