--- Pooling: the greatest of a window, or its mean.
local window = require "suture.vis.common.window"

local function axes_of(at, f)
  local x, s, out = at:input(1), at.node.shape, {}
  for d = 1, 2 do out[d] = f(d, s[2 + d], x.shape[2 + d]) end
  return out[1], out[2]
end

local function pooled(at, how, said, rows, cols, divisor)
  local n, c = at.index[1], at.index[2]
  return {
    family = "window", how = how, x = at:input(1)[n]:narrow(0, c, 1), rows = rows, cols = cols, divisor = divisor,
    out = at.node.value[n][c], said = said, places = {3, 4}, one = "channel",
    name = function() return ("channel %d"):format(c) end,
  }
end

local take = {}

function take.max_pool2d(at)
  local a = at.node.attrs
  local rows, cols = axes_of(at, function(d, out, size)
    return window.axis(out, size, a.kernel[d], a.stride[d], a.padding[d], a.dilation[d])
  end)
  return pooled(at, "max", ("the greatest of %d × %d"):format(a.kernel[1], a.kernel[2]), rows, cols)
end

function take.avg_pool2d(at)
  local a = at.node.attrs
  local rows, cols = axes_of(at, function(d, out, size)
    return window.axis(out, size, a.kernel[d], a.stride[d], a.padding[d], 1)
  end)
  local function divisor(row, col)
    if a.divisor_override ~= 0 then return a.divisor_override end
    if a.count_include_pad ~= 0 then return row.size * col.size end
    return row.inside * col.inside
  end
  return pooled(at, "mean", ("the mean of %d × %d"):format(a.kernel[1], a.kernel[2]), rows, cols, divisor)
end

function take.adaptive_avg_pool2d(at)
  local rows, cols = axes_of(at, function(_, out, size) return window.adaptive(out, size) end)
  local s = at:input(1).shape
  local whole = #rows == 1 and #cols == 1
  return pooled(at, "mean", whole and ("the mean of the whole map, %d × %d"):format(s[3], s[4])
    or ("the mean of a part of %d × %d"):format(s[3], s[4]), rows, cols,
    function(row, col) return row.inside * col.inside end)
end

return {ops = "max_pool2d avg_pool2d adaptive_avg_pool2d", take = function(at) return take[at.node.op](at) end}
