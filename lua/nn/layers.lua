--- The layers. Arguments in PyTorch's order; what follows the sizes also by name in a trailing table:
-- nn.Conv2d(3, 64, 7, {stride = 2, padding = 3, bias = false}).
local Module = require "suture.nn.module"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local graph = require("suture.core").graph
local init = require "suture.nn.initialize"
local raw = require("suture.core").tensor
local signature = require("suture.base.options").signature
local trace = require "suture.nn.trace"

local layers = {}

local layer = require "suture.nn.builtin" (layers)

local function parameter(shape) return Module.Parameter(raw.full(shape, 0)) end

local function show_pair(p)
  if type(p) ~= "table" then return tostring(p) end
  if p[1] == p[2] then return tostring(p[1]) end
  return ("%s×%s"):format(tostring(p[1]), tostring(p[2]))
end

-- PyTorch's default for weights (kaiming_uniform_ with a = √5: bound 1/√fan_in) and biases (the same bound).
local function reset(weight, bias)
  init.kaiming_uniform_(weight, {a = math.sqrt(5)})
  if bias then
    local fan_in = init.fans("bias", weight)
    local bound = fan_in > 0 and 1 / math.sqrt(fan_in) or 0
    init.uniform_(bias, -bound, bound)
  end
end

-- ---- convolution and linear ----

local Conv2d = layer "Conv2d"
local conv_args = signature("Conv2d", "in_channels:count out_channels:count kernel_size:pair stride:pair=1 padding:padding=0 "
  .. "dilation:pair=1 groups:count=1 bias:bool=true padding_mode:str=zeros")

--- nn.Conv2d(in_channels, out_channels, kernel_size[, stride, padding, dilation, groups, bias, padding_mode]).
-- kernel_size, stride, padding, dilation: a number or {h, w}; padding also "same" or "valid"; groups = in_channels is depthwise.
function Conv2d:init(...)
  local a = conv_args(...)
  if a.in_channels % a.groups ~= 0 or a.out_channels % a.groups ~= 0 then
    fault("Conv2d: %d and %d channels do not divide into %d groups", a.in_channels, a.out_channels, a.groups)
  end
  if a.padding_mode ~= "zeros" then fault('Conv2d: padding_mode "zeros" is the one there is, got %q (F.pad before it does others)', a.padding_mode) end
  if a.padding == "same" and (a.stride[1] ~= 1 or a.stride[2] ~= 1) then fault 'Conv2d: padding "same" is only for stride 1' end
  for k, v in pairs(a) do if k ~= "bias" then self[k] = v end end
  self.weight = parameter {a.out_channels, a.in_channels // a.groups, a.kernel_size[1], a.kernel_size[2]}
  if a.bias then self.bias = parameter {a.out_channels} end
  self:reset_parameters()
end

--- m:reset_parameters(): fills the parameters as when the layer was made.
function Conv2d:reset_parameters() reset(self.weight, self.bias) end

function Conv2d:forward(x)
  local p, f = self._params, self._fields
  return F._conv2d(x, p.weight, p.bias, f.stride, f.padding or self.padding, f.dilation, self.groups)
end

function Conv2d:extra()
  local s = ("%d → %d, %s"):format(self.in_channels, self.out_channels, show_pair(self.kernel_size))
  local defaults = {stride = "1", padding = "0", dilation = "1", groups = "1"}
  for _, k in ipairs {"stride", "padding", "dilation", "groups"} do
    local v = show_pair(self[k])
    if v ~= defaults[k] then s = ("%s, %s %s"):format(s, k, v) end
  end
  return s .. (self.bias and "" or ", no bias")
end

local Linear = layer "Linear"
local linear_args = signature("Linear", "in_features:count out_features:count bias:bool=true")

--- nn.Linear(in_features, out_features[, bias]): y = x wᵀ + b, over the last dimension.
function Linear:init(...)
  local a = linear_args(...)
  self.in_features, self.out_features = a.in_features, a.out_features
  self.weight = parameter {a.out_features, a.in_features}
  if a.bias then self.bias = parameter {a.out_features} end
  self:reset_parameters()
end
Linear.reset_parameters = Conv2d.reset_parameters
function Linear:forward(x)
  local p = self._params
  return F.linear(x, p.weight, p.bias)
end
function Linear:extra() return ("%d → %d%s"):format(self.in_features, self.out_features, self.bias and "" or ", no bias") end

-- ---- normalisation ----

-- What a normalisation scales and moves by: weight and bias of that shape, 1 and 0.
local function make_affine(m, shape)
  m.weight = Module.Parameter(raw.full(shape, 1))
  m.bias = Module.Parameter(raw.full(shape, 0))
end

local function reset_affine(m)
  raw.fill(m.weight, 1)
  raw.fill(m.bias, 0)
end

local function batch_norm(name, ranks, wanted, doc)
  local BN = layer(name, doc)
  BN._is_batchnorm = true
  local args = signature(name, "num_features:count eps:num=1e-5 momentum:any=0.1 affine:bool=true track_running_stats:bool=true")

  function BN:init(...)
    local a = args(...)
    self.num_features, self.eps = a.num_features, a.eps
    if a.momentum and (type(a.momentum) ~= "number" or a.momentum < 0 or a.momentum > 1) then
      fault("%s: momentum is a number from 0 to 1, or false for the plain mean of all batches", name)
    end
    self.momentum = a.momentum
    self.affine, self.track_running_stats = a.affine, a.track_running_stats
    if a.affine then make_affine(self, {a.num_features}) end
    if a.track_running_stats then
      self:register_buffer("running_mean", raw.full({a.num_features}, 0))
      self:register_buffer("running_var", raw.full({a.num_features}, 1))
      self:register_buffer("num_batches_tracked", raw.full({}, 0, "int64"))
    end
  end

  --- m:reset_running_stats(): mean 0, variance 1, no batches seen.
  function BN:reset_running_stats()
    if not self.running_mean then return end
    raw.fill(self.running_mean, 0)
    raw.fill(self.running_var, 1)
    raw.fill(self.num_batches_tracked, 0)
  end

  function BN:reset_parameters()
    self:reset_running_stats()
    if self.affine then reset_affine(self) end
  end

  function BN:is_training() return self.training and not self._frozen and not self._bn_eval and not trace.is_dry() end

  function BN:forward(x)
    local p, b = self._params, self._buffers
    if not raw.is(x) or not ranks[raw.rank(x)] then
      fault("%s expects %s, got %s", name, wanted, raw.is(x) and tostring(raw.shape(x)) or type(x))
    end
    if raw.size(x, 1) ~= self.num_features then
      fault("%s expects %d channels (dim 1), got %d: x %s", self:_where(), self.num_features, raw.size(x, 1), raw.shape(x))
    end
    local mean, var = b.running_mean, b.running_var
    if not self:is_training() then
      if mean then return F._batch_norm(x, mean, var, p.weight, p.bias, false, 0, self.eps) end
      return F._batch_norm(x, nil, nil, p.weight, p.bias, true, 0, self.eps) -- no statistics are kept: the batch's own
    end
    if trace.still then return F._batch_norm(x, nil, nil, p.weight, p.bias, true, 0, self.eps) end
    local momentum = self.momentum
    if mean then
      local seen = raw.count_up(b.num_batches_tracked)
      if not momentum then momentum = 1 / seen end
      if p.weight and not raw.requires_grad(p.weight) and graph.grad_mode() and not raw.frozen(p.weight) then
        Module._statistics_move(self, graph.here())
      end
    end
    return F._batch_norm(x, mean, var, p.weight, p.bias, true, momentum, self.eps)
  end

  function BN:_where()
    local path = graph.here()
    return path ~= "" and path .. ": " .. name or name
  end

  function BN:extra()
    local s = tostring(self.num_features)
    if self.eps ~= 1e-5 then s = s .. (", eps %g"):format(self.eps) end
    if self.momentum ~= 0.1 then s = s .. ", momentum " .. (self.momentum and ("%g"):format(self.momentum) or "cumulative") end
    if not self.affine then s = s .. ", no weights" end
    return s .. (self.track_running_stats and "" or ", no statistics")
  end
end

local bn_doc = [[nn.%s(num_features[, eps (1e-5), momentum (0.1), affine (true), track_running_stats (true)]): over %s.
In training each channel is normalised with the batch's mean and variance, which running_mean and running_var follow:
new = (1 - momentum) old + momentum batch; momentum = false keeps the plain mean of all batches. In eval, in frozen modules and
after m:bn_eval() the running ones are used and stand still. Ioffe & Szegedy 2015, arXiv:1502.03167.]]
batch_norm("BatchNorm1d", {[2] = true, [3] = true}, "(N, C) or (N, C, L)", bn_doc:format("BatchNorm1d", "(N, C) or (N, C, L)"))
batch_norm("BatchNorm2d", {[4] = true}, "(N, C, H, W)", bn_doc:format("BatchNorm2d", "(N, C, H, W)"))

local function layer_norm(name, f, doc)
  local LN = layer(name, doc)
  local args = signature(name, "normalized_shape:sizes eps:num=1e-5 elementwise_affine:bool=true")

  function LN:init(...)
    local a = args(...)
    self.normalized_shape, self.eps, self.elementwise_affine = a.normalized_shape, a.eps, a.elementwise_affine
    if a.elementwise_affine then make_affine(self, a.normalized_shape) end
  end

  function LN:reset_parameters()
    if self.elementwise_affine then reset_affine(self) end
  end

  function LN:forward(x)
    local p = self._params
    if not raw.is(x) then fault("%s expects a tensor, got %s", name, type(x)) end
    return f(x, self._fields.normalized_shape, p.weight, p.bias, self.eps)
  end

  function LN:extra()
    local s = table.concat(self.normalized_shape, "×")
    if self.eps ~= 1e-5 then s = s .. (", eps %g"):format(self.eps) end
    return s .. (self.elementwise_affine and "" or ", no weights")
  end
end

layer_norm("LayerNorm", F._layer_norm, [[nn.LayerNorm(normalized_shape[, eps (1e-5), elementwise_affine (true)]): over the last dimensions,
whose sizes normalized_shape names (a number: the last one). Each row is normalised by its own mean and variance, then scaled by
weight and moved by bias. Ba, Kiros & Hinton 2016, arXiv:1607.06450.]])
layer_norm("LayerNorm2d", function(x, ...)
  if raw.rank(x) ~= 4 then fault("LayerNorm2d expects (N, C, H, W), got %s", raw.shape(x)) end
  return F._layer_norm(x:permute(0, 2, 3, 1), ...):permute(0, 3, 1, 2)
end,
  [[nn.LayerNorm2d(channels[, eps (1e-5), elementwise_affine (true)]): nn.LayerNorm over the channels of (N, C, H, W), at each place
alone; as torchvision's.]])

local GroupNorm = layer "GroupNorm"
local group_norm_args = signature("GroupNorm", "num_groups:count num_channels:count eps:num=1e-5 affine:bool=true")

--- nn.GroupNorm(num_groups, num_channels[, eps (1e-5), affine (true)]): over (N, C, …). The channels of each group are normalised
-- together, by their own mean and variance in each sample, in training as in eval: it needs no batch. Then each channel is
-- scaled by weight and moved by bias. Wu & He 2018, arXiv:1803.08494.
function GroupNorm:init(...)
  local a = group_norm_args(...)
  if a.num_channels % a.num_groups ~= 0 then
    fault("GroupNorm: %d channels do not divide into %d groups", a.num_channels, a.num_groups)
  end
  for k, v in pairs(a) do self[k] = v end
  if a.affine then make_affine(self, {a.num_channels}) end
end

function GroupNorm:reset_parameters()
  if self.affine then reset_affine(self) end
end

function GroupNorm:forward(x)
  if not raw.is(x) or raw.rank(x) < 2 or raw.size(x, 1) ~= self.num_channels then
    fault("GroupNorm expects (N, %d, …), got %s", self.num_channels, raw.is(x) and tostring(raw.shape(x)) or type(x))
  end
  local p = self._params
  return F._group_norm(x, self.num_groups, p.weight, p.bias, self.eps)
end

function GroupNorm:extra()
  local s = ("%d groups of %d channels"):format(self.num_groups, self.num_channels // self.num_groups)
  if self.eps ~= 1e-5 then s = s .. (", eps %g"):format(self.eps) end
  return s .. (self.affine and "" or ", no weights")
end

-- ---- activations ----

-- spec: a signature; the first argument is shown.
local function activation(name, f, spec, doc)
  local cls = layer(name, ("nn.%s: %s"):format(name, doc))
  local args = signature(name, spec or "inplace:bool=false")
  local first = spec and spec:match "^[%w_]+"
  function cls:init(...)
    for k, v in pairs(args(...)) do self[k] = v end
  end
  cls.forward = f
  function cls:extra()
    local v = first and self[first]
    return v and v ~= "none" and tostring(v) or ""
  end
end

activation("ReLU", function(_, x) return F.relu(x) end, nil, "max(x, 0). `inplace` is accepted and changes nothing: the planner decides.")
activation("ReLU6", function(_, x) return F.relu6(x) end, nil, "x cut off at 0 and 6.")
activation("Sigmoid", function(_, x) return F.sigmoid(x) end, nil, "1 / (1 + e^-x).")
activation("Tanh", function(_, x) return F.tanh(x) end, nil, "the hyperbolic tangent.")
activation("GELU", function(self, x) return F.gelu(x, self.approximate) end, "approximate:str=none",
  'x Φ(x), Φ the normal distribution; {approximate = "tanh"} for the approximation. Hendrycks & Gimpel 2016, arXiv:1606.08415.')
function layers.GELU:extra() return self.approximate == "none" and "" or self.approximate end
activation("SiLU", function(_, x) return F.silu(x) end, nil, "x · sigmoid(x).")
activation("Hardswish", function(_, x) return F.hardswish(x) end, nil, "x · relu6(x + 3) / 6. Howard et al. 2019, arXiv:1905.02244.")
activation("Hardsigmoid", function(_, x) return F.hardsigmoid(x) end, nil, "relu6(x + 3) / 6. Howard et al. 2019, arXiv:1905.02244.")
activation("Mish", function(_, x) return F.mish(x) end, nil, "x · tanh(softplus(x)). Misra 2019, arXiv:1908.08681.")
activation("ELU", function(self, x) return F.elu(x, self.alpha) end, "alpha:num=1 inplace:bool=false",
  "x where it is positive, alpha (1) · (e^x - 1) elsewhere. Clevert et al. 2015, arXiv:1511.07289.")
activation("LeakyReLU", function(self, x) return F.leaky_relu(x, self.negative_slope) end, "negative_slope:num=0.01 inplace:bool=false",
  "x where it is positive, negative_slope (0.01) · x elsewhere.")
activation("Softmax", function(self, x) return F.softmax(x, self.dim) end, "dim:int=-1", "over dimension dim (default: the last).")
activation("LogSoftmax", function(self, x) return F.log_softmax(x, self.dim) end, "dim:int=-1", "over dimension dim (default: the last).")

-- ---- pooling ----

local function pool(name, f, spec, doc)
  local cls = layer(name, doc)
  local args = signature(name, spec)
  function cls:init(...)
    local a = args(...)
    a.stride = a.stride or a.kernel_size
    if a.padding[1] * 2 > a.kernel_size[1] or a.padding[2] * 2 > a.kernel_size[2] then
      fault("%s: padding is at most half the kernel, got %s for a kernel of %s", name, show_pair(a.padding), show_pair(a.kernel_size))
    end
    for k, v in pairs(a) do self[k] = v end
  end
  function cls:forward(x)
    if not raw.is(x) then fault("%s expects a tensor, got %s", name, type(x)) end
    return f(x, self)
  end
  function cls:extra()
    local s = show_pair(self.kernel_size) .. ", stride " .. show_pair(self.stride)
    if show_pair(self.padding) ~= "0" then s = s .. ", padding " .. show_pair(self.padding) end
    if self.dilation and show_pair(self.dilation) ~= "1" then s = s .. ", dilation " .. show_pair(self.dilation) end
    return s .. (self.ceil_mode and ", ceil" or "")
  end
end

pool("MaxPool2d", F._max_pool2d, "kernel_size:pair stride:pair=nil padding:pair0=0 dilation:pair=1 ceil_mode:bool=false",
  "nn.MaxPool2d(kernel_size[, stride (the kernel's size), padding, dilation, ceil_mode]): the greatest in each window.")
pool("AvgPool2d", F._avg_pool2d,
  "kernel_size:pair stride:pair=nil padding:pair0=0 ceil_mode:bool=false count_include_pad:bool=true divisor_override:count=nil",
  "nn.AvgPool2d(kernel_size[, stride, padding, ceil_mode, count_include_pad (true), divisor_override]): the mean of each window.")

local Adaptive = layer "AdaptiveAvgPool2d"
local adaptive_args = signature("AdaptiveAvgPool2d", "output_size:size")

--- nn.AdaptiveAvgPool2d(output_size): means over windows chosen so that the output is output_size × output_size (or {h, w}).
function Adaptive:init(...) self.output_size = adaptive_args(...).output_size end
function Adaptive:forward(x) return F.adaptive_avg_pool2d(x, self.output_size) end
function Adaptive:extra() return show_pair(self.output_size) end

-- ---- shape and dropout ----

local Flatten = layer "Flatten"
local flatten_args = signature("Flatten", "start_dim:int=1 end_dim:int=-1")

--- nn.Flatten([start_dim (1), end_dim (-1)]): dimensions made one.
function Flatten:init(...)
  local a = flatten_args(...)
  self.start_dim, self.end_dim = a.start_dim, a.end_dim
end
function Flatten:forward(x) return F.flatten(x, self.start_dim, self.end_dim) end
function Flatten:extra() return (self.start_dim == 1 and self.end_dim == -1) and "" or ("%d … %d"):format(self.start_dim, self.end_dim) end

local Permute = layer "Permute"
local permute_args = signature("Permute", "dims:table")

--- nn.Permute(dims): the dimensions in another order: nn.Permute{0, 2, 3, 1} makes (N, H, W, C) of (N, C, H, W).
function Permute:init(...) self.dims = permute_args(...).dims end
function Permute:forward(x)
  if not raw.is(x) then fault("Permute expects a tensor, got %s", type(x)) end
  return x:permute(table.unpack(self.dims))
end
function Permute:extra() return table.concat(self.dims, " ") end

local Identity = layer "Identity"

--- nn.Identity(): gives back what it gets; takes and ignores any arguments.
function Identity:init() end
function Identity:forward(x) return x end

local function dropout(name, f, doc)
  local cls = layer(name, doc)
  local args = signature(name, "p:prob=0.5 inplace:bool=false")
  function cls:init(...) self.p = args(...).p end
  function cls:forward(x) return f(x, self.p, self:_as_in_training()) end
  function cls:extra() return ("%g"):format(self.p) end
end

dropout("Dropout", F.dropout,
  "nn.Dropout([p (0.5)]): in training each element is dropped with probability p, the others divided by 1 - p.")
dropout("Dropout2d", F.dropout2d, "nn.Dropout2d([p (0.5)]): in training whole channels are dropped, the others divided by 1 - p.")

local StochasticDepth = layer "StochasticDepth"
local depth_args = signature("StochasticDepth", "p:prob mode:str")

--- nn.StochasticDepth(p, mode): in training the whole of what comes in, a residual branch, is dropped with probability p, else
-- divided by 1 - p; mode "row": each sample alone, "batch": all together. Off in eval and where frozen. Huang et al. 2016,
-- arXiv:1603.09382; as torchvision.ops.StochasticDepth.
function StochasticDepth:init(...)
  local a = depth_args(...)
  self.p, self.mode = a.p, F._stochastic_depth_mode("StochasticDepth", a.mode)
end
function StochasticDepth:forward(x) return F.stochastic_depth(x, self.p, self.mode, self:_as_in_training()) end
function StochasticDepth:extra() return ("%.3g, %s"):format(self.p, self.mode) end

-- ---- losses ----

local function loss(name, f, spec, doc)
  local cls = layer(name, ("nn.%s(): called with (x, target). %s"):format(name, doc))
  local args = signature(name, spec)
  function cls:init(...)
    for k, v in pairs(args(...)) do
      if raw.is(v) then self:register_buffer(k, v) else self[k] = v end
    end
  end
  function cls:forward(x, target) return f(self, x, target) end
end

loss("CrossEntropyLoss", function(self, x, y) return F._cross_entropy(x, y, self) end,
  "weight:tensor=nil ignore_index:int=-100 reduction:str=mean label_smoothing:prob=0",
  "x: logits (N, classes), target: class numbers. Options: weight, ignore_index (-100), reduction (\"mean\"), label_smoothing (0).")
loss("MSELoss", function(self, x, y) return F.mse_loss(x, y, self.reduction) end, "reduction:str=mean", "The square of the difference.")
loss("L1Loss", function(self, x, y) return F.l1_loss(x, y, self.reduction) end, "reduction:str=mean", "The absolute difference.")
loss("SmoothL1Loss", function(self, x, y) return F.smooth_l1_loss(x, y, self.reduction, self.beta) end, "reduction:str=mean beta:num=1.0",
  "d²/2β where |d| < β, |d| - β/2 beyond.")
loss("BCEWithLogitsLoss", function(self, x, y) return F.binary_cross_entropy_with_logits(x, y, self.weight, self.pos_weight, self.reduction) end,
  "weight:tensor=nil reduction:str=mean pos_weight:tensor=nil", "Cross entropy of sigmoid(x) with targets from 0 to 1.")
loss("BCELoss", function(self, x, y) return F.binary_cross_entropy(x, y, self.weight, nil, self.reduction) end, "weight:tensor=nil reduction:str=mean",
  "Cross entropy of probabilities with targets from 0 to 1.")

return layers
