--- A curve in letters, for results that show themselves where no picture can be.
local text = require "suture.base.text"

local eighths = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

--- sketch(ys, height, top, bottom): lines of columns, one for each number, from the least to the greatest (numbers
-- beyond `top` as high as that). In ASCII a point for each.
return function(ys, height, top)
  local low, high = math.huge, -math.huge
  for _, y in ipairs(ys) do
    if y - y == 0 then low, high = math.min(low, y), math.max(high, math.min(y, top or y)) end
  end
  if not (high > low) then high = low + 1 end
  local lines = {}
  for row = height, 1, -1 do
    local cells = {}
    for i, y in ipairs(ys) do
      local share = (math.min(y, high) - low) / (high - low) * height -- in rows
      local level = share - (row - 1)
      if not text.unicode() then cells[i] = level > 0 and level <= 1 and "*" or row == 1 and level <= 0 and "*" or " "
      elseif y ~= y then cells[i] = " "
      elseif level >= 1 then cells[i] = eighths[8]
      elseif level > 0 or row == 1 then cells[i] = eighths[math.max(1, math.ceil(level * 8))]
      else cells[i] = " " end
    end
    lines[#lines + 1] = (table.concat(cells):gsub("%s+$", ""))
  end
  return lines, low, high
end
