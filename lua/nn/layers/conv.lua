--- Convolution and linear maps.
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local layer = require "suture.nn.layer"
local signatures = require "suture.nn.signatures"
local pair, reset = layer.pair, layer.reset_uniform

local layers = {}
local declare = layer.into(layers)

-- A pair as PyTorch prints it.
local function tuple(p) return type(p) == "string" and ("'%s'"):format(p) or ("(%s, %s)"):format(p[1], p[2]) end

declare "Conv2d" {
  doc = [[nn.Conv2d(in_channels, out_channels, kernel_size[, stride, padding, dilation, groups, bias, padding_mode]).
kernel_size, stride, padding, dilation: a number or {h, w}; padding also "same" or "valid"; groups = in_channels is
depthwise; padding_mode: "zeros", "reflect", "replicate" or "circular", as F.pad has them.]],
  onnx = "Conv",
  fields = "in_channels:count out_channels:count kernel_size:pair " .. signatures.conv2d
    .. " bias:bool=true padding_mode:" .. signatures.pads .. "|zeros=zeros",
  told = {bias = "bias"},
  check = function(f)
    if f.in_channels % f.groups ~= 0 or f.out_channels % f.groups ~= 0 then
      fault("Conv2d: %d and %d channels do not divide into %d groups", f.in_channels, f.out_channels, f.groups)
    end
    signatures.check_conv2d("Conv2d", f)
  end,
  parameters = function(f)
    return {{"weight", {f.out_channels, f.in_channels // f.groups, f.kernel_size[1], f.kernel_size[2]}},
      f.bias and {"bias", {f.out_channels}} or nil}
  end,
  reset = reset,
  forward = function(self, x)
    local p, f = self._params, self._fields
    if f.padding_mode ~= "zeros" then return F._conv2d_padded(x, p.weight, p.bias, f) end
    return F._conv2d(x, p.weight, p.bias, f.stride, f.padding, f.dilation, f.groups)
  end,
  extra = function(self)
    local s = ("%d → %d, %s"):format(self.in_channels, self.out_channels, pair(self.kernel_size))
    local defaults = {stride = "1", padding = "0", dilation = "1", groups = "1"}
    for _, k in ipairs {"stride", "padding", "dilation", "groups"} do
      local v = pair(self[k])
      if v ~= defaults[k] then s = ("%s, %s %s"):format(s, k, v) end
    end
    if self.padding_mode ~= "zeros" then s = s .. ", " .. self.padding_mode end
    return s .. (self.bias and "" or ", no bias")
  end,
  torch = function(self)
    local f = self._fields
    local s = ("%d, %d, kernel_size=%s, stride=%s"):format(f.in_channels, f.out_channels, tuple(f.kernel_size),
      tuple(f.stride))
    if f.padding == "same" or f.padding[1] ~= 0 or f.padding[2] ~= 0 then s = s .. ", padding=" .. tuple(f.padding) end
    if f.dilation[1] ~= 1 or f.dilation[2] ~= 1 then s = s .. ", dilation=" .. tuple(f.dilation) end
    if f.groups ~= 1 then s = s .. ", groups=" .. f.groups end
    if self.bias == nil then s = s .. ", bias=False" end
    return s .. (f.padding_mode ~= "zeros" and ", padding_mode=" .. f.padding_mode or "")
  end,
  short = function(self, window)
    local parts = window({tostring(self.in_channels), tostring(self.out_channels)})
    if self.groups ~= 1 then
      parts[#parts + 1] = self.groups == self.in_channels and "depthwise" or "g" .. self.groups
    end
    return parts
  end,
}

declare "Linear" {
  doc = "nn.Linear(in_features, out_features[, bias]): y = x wᵀ + b, over the last dimension.",
  onnx = "Gemm",
  fields = "in_features:count out_features:count bias:bool=true",
  told = {bias = "bias"},
  parameters = function(f)
    return {{"weight", {f.out_features, f.in_features}}, f.bias and {"bias", {f.out_features}} or nil}
  end,
  reset = reset,
  forward = function(self, x)
    local p = self._params
    return F.linear(x, p.weight, p.bias)
  end,
  extra = function(self)
    return ("%d → %d%s"):format(self.in_features, self.out_features, self.bias and "" or ", no bias")
  end,
  torch = function(self)
    return ("in_features=%d, out_features=%d, bias=%s"):format(self.in_features, self.out_features,
      self.bias and "True" or "False")
  end,
  short = function(self) return {tostring(self.in_features), tostring(self.out_features)} end,
}

return layers
