--- Normalisation.
local F = require "suture.nn.functional"
local core = require "suture.core"
local fault = require "suture.base.fault"
local init = require "suture.nn.initialize"
local layer = require "suture.nn.layer"
local Module = require "suture.nn.module"
local signatures = require "suture.nn.signatures"
local trace = require "suture.nn.trace"
local graph, raw = core.graph, core.tensor
local reset_affine = layer.reset_affine

local layers = {}
local declare = layer.into(layers)

local function got(x) return raw.is(x) and tostring(raw.shape(x)) or type(x) end

-- ---- BatchNorm ----

local function truth(b) return b and "True" or "False" end

local function batch_norm(name, ranks, wanted)
  local BN = declare(name) {
    doc = ([[nn.%s(num_features[, eps (1e-5), momentum (0.1), affine (true), track_running_stats (true)]): over %s.
In training each channel is normalised with the batch's mean and variance, which running_mean and running_var follow:
new = (1 - momentum) old + momentum batch; momentum = false keeps the plain mean of all batches. In eval, in frozen
modules and after m:bn_eval() the running ones are used and stand still. Ioffe & Szegedy 2015,
arXiv:1502.03167.]]):format(name, wanted),
    onnx = "BatchNormalization",
    fields = "num_features:count " .. signatures.eps
      .. " momentum:any=0.1 affine:bool=true track_running_stats:bool=true",
    told = {affine = "weight", track_running_stats = "running_mean"},
    together = {"running_mean", "running_var", "num_batches_tracked"},
    check = function(f)
      local m = f.momentum
      if m and (type(m) ~= "number" or m < 0 or m > 1) then
        fault("%s: momentum is a number from 0 to 1, or false for the plain mean of all batches", name)
      end
    end,
    parameters = function(f) return f.affine and {{"weight", {f.num_features}}, {"bias", {f.num_features}}} or {} end,
    buffers = function(f)
      if not f.track_running_stats then return {} end
      return {
        {"running_mean", {f.num_features}, 0}, {"running_var", {f.num_features}, 1},
        {"num_batches_tracked", {}, 0, "int64"},
      }
    end,
    reset = function(self)
      self:reset_running_stats()
      reset_affine(self)
    end,
    forward = function(self, x)
      local p, b, f = self._params, self._buffers, self._fields
      if not raw.is(x) or not ranks[raw.rank(x)] then fault("%s expects %s, got %s", name, wanted, got(x)) end
      if raw.size(x, 1) ~= f.num_features then
        fault("%s expects %d channels (dim 1), got %d: x %s", self:_where(), f.num_features, raw.size(x, 1),
          raw.shape(x))
      end
      local mean, var = b.running_mean, b.running_var
      if not mean ~= not var then
        fault("%s has a %s without a %s: register both (and num_batches_tracked, which counts), or neither",
          self:_where(), mean and "running_mean" or "running_var", mean and "running_var" or "running_mean")
      end
      if not self:is_training() then
        if mean then return F._batch_norm(x, mean, var, p.weight, p.bias, false, 0, f.eps) end
        return F._batch_norm(x, nil, nil, p.weight, p.bias, true, 0, f.eps) -- no statistics are kept: the batch's own
      end
      if trace.is_still() then return F._batch_norm(x, nil, nil, p.weight, p.bias, true, 0, f.eps) end
      local momentum = f.momentum
      if mean then
        local seen = b.num_batches_tracked and raw.count_up(b.num_batches_tracked)
        if not momentum and not seen then
          fault("%s: momentum = false keeps the mean of all batches, which num_batches_tracked counts: register it too",
            self:_where())
        end
        if not momentum then momentum = 1 / seen end
        if p.weight and not raw.requires_grad(p.weight) and graph.grad_mode() and not raw.frozen(p.weight) then
          Module._statistics_move(self, graph.here())
        end
      end
      return F._batch_norm(x, mean, var, p.weight, p.bias, true, momentum, f.eps)
    end,
    extra = function(self)
      local s = tostring(self.num_features)
      if self.eps ~= 1e-5 then s = s .. (", eps %g"):format(self.eps) end
      if self.momentum ~= 0.1 then
        s = s .. ", momentum " .. (self.momentum and ("%g"):format(self.momentum) or "cumulative")
      end
      if not self.affine then s = s .. ", no weights" end
      return s .. (self.track_running_stats and "" or ", no statistics")
    end,
    torch = function(self)
      return ("%d, eps=%g, momentum=%s, affine=%s, track_running_stats=%s"):format(self.num_features, self.eps,
        self.momentum and ("%g"):format(self.momentum) or "None", truth(self.affine), truth(self.track_running_stats))
    end,
    short = function(self) return {tostring(self.num_features)} end,
  }
  BN._is_batchnorm = true

  --- m:reset_running_stats(): mean 0, variance 1, no batches seen.
  function BN:reset_running_stats()
    local b = self._buffers
    if b.running_mean then init.zeros_(b.running_mean) end
    if b.running_var then init.ones_(b.running_var) end
    if b.num_batches_tracked then init.zeros_(b.num_batches_tracked) end
  end

  function BN:is_training() return self._training and not self._frozen and not self._bn_eval and not trace.is_dry() end

  function BN:_where()
    local path = graph.here()
    return path ~= "" and path .. ": " .. name or name
  end
end

batch_norm("BatchNorm1d", {[2] = true, [3] = true}, "(N, C) or (N, C, L)")
batch_norm("BatchNorm2d", {[4] = true}, "(N, C, H, W)")

-- ---- layer and group norm ----

local function layer_norm(name, onnx, f, doc)
  declare(name) {
    doc = doc,
    onnx = onnx,
    fields = signatures.normalized_shape .. " " .. signatures.eps .. " elementwise_affine:bool=true",
    told = {elementwise_affine = "weight"},
    parameters = function(a)
      return a.elementwise_affine and {{"weight", a.normalized_shape}, {"bias", a.normalized_shape}} or {}
    end,
    reset = reset_affine,
    forward = function(self, x)
      local p, own = self._params, self._fields
      if not raw.is(x) then fault("%s expects a tensor, got %s", name, type(x)) end
      return f(x, own.normalized_shape, p.weight, p.bias, own.eps)
    end,
    extra = function(self)
      local s = table.concat(self._fields.normalized_shape, "×")
      if self.eps ~= 1e-5 then s = s .. (", eps %g"):format(self.eps) end
      return s .. (self.elementwise_affine and "" or ", no weights")
    end,
  }
end

layer_norm("LayerNorm", "LayerNormalization", F._layer_norm,
  [[nn.LayerNorm(normalized_shape[, eps (1e-5), elementwise_affine (true)]): over the last dimensions, whose sizes
normalized_shape names (a number: the last one). Each row is normalised by its own mean and variance, then scaled by
weight and moved by bias. Ba, Kiros & Hinton 2016, arXiv:1607.06450.]])
layer_norm("LayerNorm2d", nil, function(x, ...)
  if raw.rank(x) ~= 4 then fault("LayerNorm2d expects (N, C, H, W), got %s", raw.shape(x)) end
  return F._layer_norm(x:permute(0, 2, 3, 1), ...):permute(0, 3, 1, 2)
end,
  [[nn.LayerNorm2d(channels[, eps (1e-5), elementwise_affine (true)]): nn.LayerNorm over the channels of (N, C, H, W),
at each place alone; as torchvision's.]])

declare "GroupNorm" {
  doc = [[nn.GroupNorm(num_groups, num_channels[, eps (1e-5), affine (true)]): over (N, C, …). The channels of each
group are normalised together, by their own mean and variance in each sample, in training as in eval: it needs no batch.
Then each channel is scaled by weight and moved by bias. Wu & He 2018, arXiv:1803.08494.]],
  onnx = "GroupNormalization",
  fields = signatures.num_groups .. " num_channels:count " .. signatures.eps .. " affine:bool=true",
  told = {affine = "weight"},
  check = function(f)
    if f.num_channels % f.num_groups ~= 0 then
      fault("GroupNorm: %d channels do not divide into %d groups", f.num_channels, f.num_groups)
    end
  end,
  parameters = function(f) return f.affine and {{"weight", {f.num_channels}}, {"bias", {f.num_channels}}} or {} end,
  reset = reset_affine,
  forward = function(self, x)
    local p, f = self._params, self._fields
    if not raw.is(x) or raw.rank(x) < 2 or raw.size(x, 1) ~= f.num_channels then
      fault("GroupNorm expects (N, %d, …), got %s", f.num_channels, got(x))
    end
    return F._group_norm(x, f.num_groups, p.weight, p.bias, f.eps)
  end,
  extra = function(self)
    local s = ("%d groups of %d channels"):format(self.num_groups, self.num_channels // self.num_groups)
    if self.eps ~= 1e-5 then s = s .. (", eps %g"):format(self.eps) end
    return s .. (self.affine and "" or ", no weights")
  end,
}

return layers
