--- Convolution: a patch of each channel the unit sees, times the unit's kernel, added up, and the bias.
local F = require "suture.nn.functional"
local tensor = require "suture.tensor"
local window = require "suture.vis.common.window"

local function whole(pair) return {math.tointeger(pair[1]), math.tointeger(pair[2])} end

return {ops = "conv2d", take = function(at)
  local x, w, bias = at:input(1), at:input(2), at:input(3)
  local a, k, n = at.node.attrs, at.index[2], at.index[1]
  local per = w.shape[2]
  local first = math.tointeger(k // (w.shape[1] // a.groups) * per)
    local s, kernel = at.node.shape, {w.shape[3], w.shape[4]}
  local axes = {}
  for d = 1, 2 do
    axes[d] = window.axis(s[2 + d], x.shape[2 + d], kernel[d], a.stride[d], a.padding[d], a.dilation[d])
  end
  local picture = not at.node.inputs[1].op and per == 3
  local said = ("convolution, %d × %d"):format(kernel[1], kernel[2])
  for _, pair in ipairs {{"stride", a.stride, 1}, {"padding", a.padding, 0}, {"dilation", a.dilation, 1}} do
    local h, wide = pair[2][1], pair[2][2]
    if h ~= wide then said = said .. (", %s %g, %g"):format(pair[1], h, wide)
    elseif h ~= pair[3] then said = said .. (", %s %g"):format(pair[1], h) end
  end
  if a.groups > 1 then said = said .. (", %d groups"):format(a.groups) end
  return {
    family = "window", how = "conv", x = x[n]:narrow(0, first, per), kernel = w[k], rows = axes[1], cols = axes[2],
    bias = bias and bias[k]:item(), out = at.node.value[n][k], places = {3, 4}, tall = kernel[1] > 9,
    said = said,
    name = function(c)
      return picture and ({[0] = "red", "green", "blue"})[c] or ("channel %d"):format(first + c)
    end,
    one = "channel",
    -- the map that the channels give which are not kept
    rest = function(kept)
      local others = {}
      for c = 0, per - 1 do others[c + 1] = kept[c] and 0.0 or 1.0 end
      local part = w[k] * tensor.tensor(others):reshape(per, 1, 1)
      return F.conv2d(x[n]:narrow(0, first, per):unsqueeze(0), part:unsqueeze(0), nil, whole(a.stride),
        whole(a.padding), whole(a.dilation))[0][0]:detach()
    end,
  }
end}
