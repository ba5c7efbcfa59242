--- Layers that only change shapes, or nothing.
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local layer = require "suture.nn.layer"
local raw = require("suture.core").tensor

local layers = {}
local declare = layer.into(layers)

declare "Flatten" {
  doc = "nn.Flatten([start_dim (1), end_dim (-1)]): dimensions made one.",
  onnx = "Flatten",
  fields = "start_dim:int=1 end_dim:int=-1",
  forward = function(self, x) return F.flatten(x, self._fields.start_dim, self._fields.end_dim) end,
  extra = function(self)
    return (self.start_dim == 1 and self.end_dim == -1) and "" or ("%d … %d"):format(self.start_dim, self.end_dim)
  end,
  torch = function(self) return ("start_dim=%d, end_dim=%d"):format(self.start_dim, self.end_dim) end,
}

declare "Permute" {
  doc = "nn.Permute(dims): the dimensions in another order: nn.Permute{0, 2, 3, 1} makes (N, H, W, C) of (N, C, H, W).",
  onnx = "Transpose",
  fields = "dims:table",
  forward = function(self, x)
    if not raw.is(x) then fault("Permute expects a tensor, got %s", type(x)) end
    return x:permute(table.unpack(self._fields.dims))
  end,
  extra = function(self) return table.concat(self._fields.dims, " ") end,
}

local Identity = declare "Identity" {
  doc = "nn.Identity(): gives back what it gets; takes and ignores any arguments, as PyTorch's, to stand where another "
    .. "layer stood.",
  onnx = "Identity",
  forward = function(_, x) return x end,
}
function Identity.init(...) return ... end

return layers
