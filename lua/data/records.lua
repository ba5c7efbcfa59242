--- The records of tables in text files.
local fault = require "suture.base.fault"

-- The records of a CSV text (RFC 4180: fields may be in quotes, with "" for a quote inside, and then hold separators
-- and line ends): a list of lists of strings, each with `line`, the number of its first line.
return function(where, text, separator)
  local rows, row, line, at = {}, {line = 1}, 1, 1
  local stop = ("[%s\r\n]"):format(separator == "\t" and "\t" or "%" .. separator)
  if text:sub(1, 3) == "\u{FEFF}" then at = 4 end
  while at <= #text do
    local field
    if text:sub(at, at) == '"' then
      local parts, from = {}, at + 1
      while true do
        local close = text:find('"', from, true)
        if not close then fault("%s line %d: a quote is not closed", where, row.line) end
        parts[#parts + 1] = text:sub(from, close - 1)
        at, from = close + 1, close + 2
        if text:sub(at, at) ~= '"' then break end
      end
      field = table.concat(parts, '"')
      line = line + select(2, field:gsub("\n", ""))
      local next_char = text:sub(at, at)
      if next_char ~= "" and not next_char:find(stop) then
        fault("%s line %d: %q follows a closing quote", where, line, next_char)
      end
    else
      local to = text:find(stop, at) or #text + 1
      field = text:sub(at, to - 1)
      at = to
    end
    row[#row + 1] = field
    local sign = text:sub(at, at)
    at = at + 1
    if sign == separator then
      if at > #text then row[#row + 1] = "" end
    else
      if sign == "\r" and text:sub(at, at) == "\n" then at = at + 1 end
      line = line + 1
      if #row > 1 or row[1] ~= "" then rows[#rows + 1] = row end -- an empty line is none
      row = {line = line}
    end
  end
  if #row > 0 then rows[#rows + 1] = row end
  return rows
end
