--- Losses as layers.
local F = require "suture.nn.functional"
local layer = require "suture.nn.layer"

local layers = {}
local declare = layer.into(layers)

local function loss(name, f, fields, doc)
  declare(name) {
    doc = ("nn.%s(): called with (x, target). %s"):format(name, doc),
    fields = fields,
    forward = function(self, x, target) return f(self, x, target) end,
  }
end

loss("CrossEntropyLoss", function(self, x, y) return F._cross_entropy(x, y, self) end,
  "weight:tensor=nil ignore_index:int=-100 reduction:str=mean label_smoothing:prob=0",
  "x: logits (N, classes), target: class numbers. Options: weight, ignore_index (-100), reduction (\"mean\"), "
    .. "label_smoothing (0).")
loss("MSELoss", function(self, x, y) return F.mse_loss(x, y, self.reduction) end, "reduction:str=mean",
  "The square of the difference.")
loss("L1Loss", function(self, x, y) return F.l1_loss(x, y, self.reduction) end, "reduction:str=mean",
  "The absolute difference.")
loss("SmoothL1Loss", function(self, x, y) return F.smooth_l1_loss(x, y, self.reduction, self.beta) end,
  "reduction:str=mean beta:num=1.0", "d²/2β where |d| < β, |d| - β/2 beyond.")
loss("BCEWithLogitsLoss",
  function(self, x, y)
    return F.binary_cross_entropy_with_logits(x, y, self.weight, self.pos_weight, self.reduction)
  end,
  "weight:tensor=nil reduction:str=mean pos_weight:tensor=nil", "Cross entropy of sigmoid(x) with targets from 0 to 1.")
loss("BCELoss", function(self, x, y) return F.binary_cross_entropy(x, y, self.weight, nil, self.reduction) end,
  "weight:tensor=nil reduction:str=mean", "Cross entropy of probabilities with targets from 0 to 1.")

return layers
