--- What a layer and its function have in common: the names, kinds and defaults of their options (signatures of
-- base/options.lua), in PyTorch's order, and errors where they do not go together. The layers' declarations and F are
-- made of these.
local fault = require "suture.base.fault"

local signatures = {
  conv2d = "stride:pair=1 padding:padding=0 dilation:pair=1 groups:count=1",
  max_pool2d = "kernel_size:pair stride:pair=nil padding:pair0=0 dilation:pair=1",
  ceil_mode = "ceil_mode:bool=false",
  return_indices = "return_indices:bool=false", -- behind ceil_mode in F, before it in nn: PyTorch's own order
  avg_pool2d = "kernel_size:pair stride:pair=nil padding:pair0=0 ceil_mode:bool=false count_include_pad:bool=true "
    .. "divisor_override:count=nil",
  adaptive_avg_pool2d = "output_size:size",
  dropout = "p:prob=0.5",
  stochastic_depth = "p:prob mode:row|batch",
  leaky_relu = "negative_slope:num=0.01",
  elu = "alpha:num=1",
  softmax = "dim:dim=-1",
  normalized_shape = "normalized_shape:sizes",
  num_groups = "num_groups:count",
  eps = "eps:rate=1e-5",
  weight = "weight:tensor=nil",
  ignore_index = "ignore_index:int=-100",
  reduction = "reduction:mean|sum|none=mean",
  label_smoothing = "label_smoothing:prob=0",
  beta = "beta:rate=1.0",
  delta = "delta:positive=1.0",
  pos_weight = "pos_weight:tensor=nil",
  inplace = "inplace:bool=false",
  pads = "reflect|replicate|circular", -- the ways to pad with one's own numbers
}

--- Padding as long as the input only where nothing is left out. what: who asks; f: fields by name.
function signatures.check_conv2d(what, f)
  if f.padding == "same" and (f.stride[1] ~= 1 or f.stride[2] ~= 1) then
    fault('%s: padding "same" is only for stride 1', what)
  end
end

--- The stride of a pool is its kernel's size unless it is given; its padding is at most half of that.
function signatures.check_pool(what, f)
  f.stride = f.stride or f.kernel_size
  for i = 1, 2 do
    if f.padding[i] * 2 > f.kernel_size[i] then
      fault("%s: padding is at most half the kernel, got %d for a kernel of %d", what, f.padding[i], f.kernel_size[i])
    end
  end
end

return signatures
