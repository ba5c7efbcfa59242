--- Convolution: a patch of each channel the unit sees, times the unit's kernel, added up, and the bias.
local window = require "suture.vis.common.window"

return {ops = "conv2d", take = function(at)
  local x, w, bias = at:input(1), at:input(2), at:input(3)
  local a, k, n = at.node.attrs, at.index[2], at.index[1]
  local per = w.shape[2]
  local first = k // (w.shape[1] // a.groups) * per
  first = math.tointeger(first)
  local s, kernel = at.node.shape, {w.shape[3], w.shape[4]}
  local axes = {}
  for d = 1, 2 do
    axes[d] = window.axis(s[2 + d], x.shape[2 + d], kernel[d], a.stride[d], a.padding[d], a.dilation[d])
  end
  local picture = not at.node.inputs[1].op and per == 3
  local more = {}
  if a.stride[1] > 1 or a.stride[2] > 1 then more[#more + 1] = ("stride %g"):format(math.max(a.stride[1], a.stride[2])) end
  if a.padding[1] > 0 or a.padding[2] > 0 then
    more[#more + 1] = ("padding %g"):format(math.max(a.padding[1], a.padding[2]))
  end
  if a.dilation[1] > 1 or a.dilation[2] > 1 then more[#more + 1] = ("dilation %g"):format(a.dilation[1]) end
  if a.groups > 1 then more[#more + 1] = ("%d groups"):format(a.groups) end
  return {
    family = "window", how = "conv", x = x[n]:narrow(0, first, per), kernel = w[k], rows = axes[1], cols = axes[2],
    bias = bias and bias[k]:item(), out = at.node.value[n][k], places = {3, 4},
    said = ("convolution, %d × %d%s"):format(kernel[1], kernel[2], #more > 0 and ", " .. table.concat(more, ", ") or ""),
    name = function(c)
      return picture and ({[0] = "red", "green", "blue"})[c] or ("channel %d"):format(first + c)
    end,
    one = "channel",
  }
end}
