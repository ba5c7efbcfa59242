--- What a window sees: for each place of an output's axis the places of the input's axis.
local window = {}

-- size: how much of the window is in the padded input, inside: in the input itself.
local function finished(list, size)
  local inside = 0
  for _, at in ipairs(list) do if at then inside = inside + 1 end end
  list.inside, list.size = inside, size or inside
  return list
end

--- window.axis(out, size, kernel, stride, padding, dilation): a list for each output place: the places in the input
-- from 0, false where it is padding.
function window.axis(out, size, kernel, stride, padding, dilation)
  local axis = {}
  for i = 0, out - 1 do
    local list, begin = {}, i * stride - padding
    for r = 0, kernel - 1 do
      local at = math.tointeger(begin + r * dilation)
      list[#list + 1] = at >= 0 and at < size and at or false
    end
    axis[i + 1] = finished(list, math.min(begin + kernel, size + padding) - begin)
  end
  return axis
end

--- window.adaptive(out, size): the same for windows that cut the input into `out` parts.
function window.adaptive(out, size)
  local axis = {}
  for i = 0, out - 1 do
    local list = {}
    for at = i * size // out, ((i + 1) * size + out - 1) // out - 1 do list[#list + 1] = at end
    axis[i + 1] = finished(list)
  end
  return axis
end

--- window.matrix(x, rows, cols): the numbers of a map (H, W) at these places as rows of a list; false in the padding.
function window.matrix(x, rows, cols)
  local out = {}
  local top, bottom, left, right = math.huge, -1, math.huge, -1
  for _, y in ipairs(rows) do if y then top, bottom = math.min(top, y), math.max(bottom, y) end end
  for _, c in ipairs(cols) do if c then left, right = math.min(left, c), math.max(right, c) end end
  local seen
  if bottom >= 0 and right >= 0 then
    seen = x:narrow(0, top, bottom - top + 1):narrow(1, left, right - left + 1):tolist()
  end
  for r, y in ipairs(rows) do
    out[r] = {}
    for k, c in ipairs(cols) do out[r][k] = y and c and seen[y - top + 1][c - left + 1] end
  end
  return out
end

return window
