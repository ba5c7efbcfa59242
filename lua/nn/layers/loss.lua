--- Losses as layers.
local F = require "suture.nn.functional"
local layer = require "suture.nn.layer"
local signatures = require "suture.nn.signatures"

local layers = {}
local declare = layer.into(layers)

-- fields: names of signatures, in PyTorch's order. onnx: what ONNX calls it.
local function loss(name, onnx, f, fields, doc)
  local list = {}
  for i, field in ipairs(fields) do list[i] = signatures[field] end
  declare(name) {
    doc = ("nn.%s(): called with (x, target). %s"):format(name, doc),
    onnx = onnx,
    fields = table.concat(list, " "),
    forward = function(self, x, target) return f(self, x, target) end,
  }
end

loss("CrossEntropyLoss", "SoftmaxCrossEntropyLoss", function(self, x, y) return F._cross_entropy(x, y, self) end,
  {"weight", "ignore_index", "reduction", "label_smoothing"},
  "x: logits (N, classes), target: class numbers. Options: weight, ignore_index (-100), reduction (\"mean\"), "
    .. "label_smoothing (0).")
loss("MSELoss", nil, function(self, x, y) return F.mse_loss(x, y, self.reduction) end, {"reduction"},
  "The square of the difference.")
loss("L1Loss", nil, function(self, x, y) return F.l1_loss(x, y, self.reduction) end, {"reduction"},
  "The absolute difference.")
loss("SmoothL1Loss", nil, function(self, x, y) return F.smooth_l1_loss(x, y, self.reduction, self.beta) end,
  {"reduction", "beta"}, "d²/2β where |d| < β, |d| - β/2 beyond.")
loss("HuberLoss", nil, function(self, x, y) return F.huber_loss(x, y, self.reduction, self.delta) end,
  {"reduction", "delta"}, "d²/2 where |d| < delta, delta (|d| - delta/2) beyond.")
loss("BCEWithLogitsLoss", nil,
  function(self, x, y)
    return F.binary_cross_entropy_with_logits(x, y, self.weight, self.pos_weight, self.reduction)
  end,
  {"weight", "reduction", "pos_weight"}, "Cross entropy of sigmoid(x) with targets from 0 to 1.")
loss("BCELoss", nil, function(self, x, y) return F.binary_cross_entropy(x, y, self.weight, nil, self.reduction) end,
  {"weight", "reduction"}, "Cross entropy of probabilities with targets from 0 to 1.")

return layers
