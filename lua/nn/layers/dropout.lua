--- Dropping at random in training.
local F = require "suture.nn.functional"
local layer = require "suture.nn.layer"
local is = require("suture.core").tensor.is
local signatures = require "suture.nn.signatures"

local layers = {}
local declare = layer.into(layers)

local function dropout(name, onnx, f, doc)
  declare(name) {
    doc = doc,
    onnx = onnx,
    fields = signatures.dropout .. " " .. signatures.inplace,
    forward = function(self, x)
      if is(x) and not self:_as_in_training() then return x end
      return f(x, self._fields.p, true)
    end,
    extra = function(self) return ("%g"):format(self.p) end,
    torch = function(self) return ("p=%g, inplace=%s"):format(self.p, self.inplace and "True" or "False") end,
  }
end

dropout("Dropout", "Dropout", F.dropout,
  "nn.Dropout([p (0.5)]): in training each element is dropped with probability p, the others divided by 1 - p.")
dropout("Dropout2d", nil, F.dropout2d,
  "nn.Dropout2d([p (0.5)]): in training whole channels are dropped, the others divided by 1 - p.")

declare "StochasticDepth" {
  doc = [[nn.StochasticDepth(p, mode): in training the whole of what comes in, a residual branch, is dropped with
probability p, else divided by 1 - p; mode "row": each sample alone, "batch": all together. Off in eval and where
frozen. Huang et al. 2016, arXiv:1603.09382; as torchvision.ops.StochasticDepth.]],
  fields = signatures.stochastic_depth,
  forward = function(self, x)
    return F.stochastic_depth(x, self._fields.p, self._fields.mode, self:_as_in_training())
  end,
  extra = function(self) return ("%.3g, %s"):format(self.p, self.mode) end,
}

return layers
