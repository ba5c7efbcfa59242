--- Pooling.
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local layer = require "suture.nn.layer"
local raw = require("suture.core").tensor
local signatures = require "suture.nn.signatures"
local pair = layer.pair

local layers = {}
local declare = layer.into(layers)

-- A number where both are the same, as PyTorch keeps what a pool was given.
local function one(p) return p[1] == p[2] and tostring(p[1]) or ("(%s, %s)"):format(p[1], p[2]) end

local function pool(name, onnx, f, fields, doc, torch)
  declare(name) {
    doc = doc,
    onnx = onnx,
    fields = fields,
    check = function(a) signatures.check_pool(name, a) end,
    forward = function(self, x)
      if not raw.is(x) then fault("%s expects a tensor, got %s", name, type(x)) end
      return f(x, self._fields)
    end,
    extra = function(self)
      local s = pair(self.kernel_size) .. ", stride " .. pair(self.stride)
      if pair(self.padding) ~= "0" then s = s .. ", padding " .. pair(self.padding) end
      if self.dilation and pair(self.dilation) ~= "1" then s = s .. ", dilation " .. pair(self.dilation) end
      if self.count_include_pad == false then s = s .. ", padding not counted" end
      if self.divisor_override then s = s .. ", divided by " .. self.divisor_override end
      if self.return_indices then s = s .. ", with indices" end
      return s .. (self.ceil_mode and ", ceil" or "")
    end,
    torch = torch,
    short = function(_, window) return window {} end,
  }
end

pool("MaxPool2d", "MaxPool", F._max_pool2d,
  signatures.max_pool2d .. " " .. signatures.return_indices .. " " .. signatures.ceil_mode,
  "nn.MaxPool2d(kernel_size[, stride (the kernel's size), padding, dilation, return_indices (false), ceil_mode]): the "
    .. "greatest in each window; with return_indices also where they are, as F.max_pool2d.",
  function(self)
    local f = self._fields
    return ("kernel_size=%s, stride=%s, padding=%s, dilation=%s, ceil_mode=%s"):format(one(f.kernel_size),
      one(f.stride), one(f.padding), one(f.dilation), f.ceil_mode and "True" or "False")
  end)
pool("AvgPool2d", "AveragePool", F._avg_pool2d, signatures.avg_pool2d,
  "nn.AvgPool2d(kernel_size[, stride, padding, ceil_mode, count_include_pad (true), divisor_override]): the mean of "
    .. "each window.",
  function(self)
    local f = self._fields
    return ("kernel_size=%s, stride=%s, padding=%s%s%s%s"):format(one(f.kernel_size), one(f.stride), one(f.padding),
      f.ceil_mode and ", ceil_mode=True" or "", f.count_include_pad and "" or ", count_include_pad=False",
      f.divisor_override and (", divisor_override=%d"):format(f.divisor_override) or "")
  end)

declare "AdaptiveAvgPool2d" {
  doc = "nn.AdaptiveAvgPool2d(output_size): means over windows chosen so that the output is output_size × output_size "
    .. "(or {h, w}).",
  fields = signatures.adaptive_avg_pool2d,
  forward = function(self, x) return F.adaptive_avg_pool2d(x, self._fields.output_size) end,
  extra = function(self) return pair(self.output_size) end,
  torch = function(self)
    local s = self._fields.output_size
    return ("output_size=(%s, %s)"):format(s[1] or "None", s[2] or "None")
  end,
  short = function(self, _, times)
    local s = self._fields.output_size
    return {("%s%s%s"):format(s[1] or "*", times, s[2] or "*")}
  end,
}

return layers
