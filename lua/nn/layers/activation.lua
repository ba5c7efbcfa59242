--- Activations.
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local layer = require "suture.nn.layer"
local raw = require("suture.core").tensor
local signatures = require "suture.nn.signatures"
local tensor = require "suture.tensor"

local layers = {}
local declare = layer.into(layers)

-- fields: the first is shown. onnx: what ONNX calls it.
local function activation(name, onnx, f, fields, doc)
  local first = fields and fields:match "^[%w_]+"
  declare(name) {
    doc = ("nn.%s: %s"):format(name, doc),
    onnx = onnx,
    fields = fields or signatures.inplace,
    forward = f,
    extra = function(self)
      local v = first and self[first]
      return v and v ~= "none" and tostring(v) or ""
    end,
  }
end

activation("ReLU", "Relu", function(_, x) return F.relu(x) end, nil,
  "max(x, 0). `inplace` is accepted and changes nothing: the planner decides.")
activation("ReLU6", "Clip", function(_, x) return F.relu6(x) end, nil, "x cut off at 0 and 6.")
activation("Sigmoid", "Sigmoid", function(_, x) return F.sigmoid(x) end, nil, "1 / (1 + e^-x).")
activation("Tanh", "Tanh", function(_, x) return F.tanh(x) end, nil, "the hyperbolic tangent.")
activation("GELU", "Gelu", function(self, x) return F.gelu(x, self._fields.approximate) end,
  "approximate:none|tanh=none",
  'x Φ(x), Φ the normal distribution; {approximate = "tanh"} for the approximation. '
    .. "Hendrycks & Gimpel 2016, arXiv:1606.08415.")
activation("SiLU", nil, function(_, x) return F.silu(x) end, nil, "x · sigmoid(x).")
activation("Hardswish", "HardSwish", function(_, x) return F.hardswish(x) end, nil,
  "x · relu6(x + 3) / 6. Howard et al. 2019, arXiv:1905.02244.")
activation("Hardsigmoid", "HardSigmoid", function(_, x) return F.hardsigmoid(x) end, nil,
  "relu6(x + 3) / 6. Howard et al. 2019, arXiv:1905.02244.")
activation("Mish", "Mish", function(_, x) return F.mish(x) end, nil,
  "x · tanh(softplus(x)). Misra 2019, arXiv:1908.08681.")
activation("ELU", "Elu", function(self, x) return F.elu(x, self._fields.alpha) end,
  signatures.elu .. " " .. signatures.inplace,
  "x where it is positive, alpha (1) · (e^x - 1) elsewhere. Clevert et al. 2015, arXiv:1511.07289.")
activation("LeakyReLU", "LeakyRelu", function(self, x) return F.leaky_relu(x, self._fields.negative_slope) end,
  signatures.leaky_relu .. " " .. signatures.inplace,
  "x where it is positive, negative_slope (0.01) · x elsewhere.")
activation("Softmax", "Softmax", function(self, x) return F.softmax(x, self._fields.dim) end, signatures.softmax,
  "over dimension dim (default: the last).")
activation("LogSoftmax", "LogSoftmax", function(self, x) return F.log_softmax(x, self._fields.dim) end,
  signatures.softmax,
  "over dimension dim (default: the last).")

declare "PReLU" {
  doc = [[nn.PReLU([num_parameters (1), init (0.25)]): x where it is positive, weight · x elsewhere; weight is learned,
one number for all or one for each channel (dimension 1). He et al. 2015, arXiv:1502.01852.]],
  onnx = "PRelu",
  fields = "num_parameters:count=1 init:num=0.25",
  told = {num_parameters = function(m) return raw.numel(m._params.weight) end},
  parameters = function(f) return {{"weight", {f.num_parameters}, f.init}} end,
  forward = function(self, x)
    local w = self._params.weight
    local n = raw.numel(w)
    if not raw.is(x) or n > 1 and raw.size(x, 1) ~= n then
      fault("PReLU expects %s, got %s", n > 1 and ("(N, %d, …)"):format(n) or "a tensor",
        raw.is(x) and tostring(raw.shape(x)) or type(x))
    end
    if n > 1 then
      local shape = {}
      for d = 1, raw.rank(x) do shape[d] = d == 2 and n or 1 end
      w = w:reshape(shape)
    end
    return tensor.where(x:gt(0), x, w * x)
  end,
  extra = function(self) return tostring(raw.numel(self.weight)) end,
  torch = function(self) return ("num_parameters=%d"):format(raw.numel(self.weight)) end,
}

return layers
