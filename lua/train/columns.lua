--- Tables of words: columns as wide as they must be, the first at the left, the others at the right.
local text = require "suture.base.text"

local WIDEST = 24

--- columns(rows): a list of lists of strings as lines.
return function(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for k, cell in ipairs(row) do
      row[k] = text.cut(text.safe(cell, true), WIDEST)
      widths[k] = math.max(widths[k] or 0, text.columns(row[k]))
    end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for k, cell in ipairs(row) do cells[k] = text.pad(cell, widths[k], k > 1 and "right" or nil) end
    lines[i] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end
