--- data.csv: a table of numbers in a text file.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"
local tensor = require "suture.tensor"
local Dataset = require "suture.data.dataset"
local image = core.image

-- The records of a CSV text (RFC 4180: fields may be in quotes, with "" for a quote inside, and then hold separators
-- and line ends): a list of lists of strings, each with `line`, the number of its first line.
local function records(where, text, separator)
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

local function number_in(field) return tonumber((field:match "^%s*(.-)%s*$")) end

-- The place of a column given by name or by its number from 0.
local function column(where, given, names, n)
  if math.type(given) == "integer" and given >= -n and given < n then return given % n + 1 end
  for i, name in ipairs(names or {}) do if name == given then return i end end
  fault("%s: target is a column's name or its number from 0 to %d, got %s%s", where, n - 1, options.shown(given),
    names and type(given) == "string" and options.meant(given, {table.unpack(names)}) or "")
end

-- The targets in the fields of a column: a tensor y, and class names or nil.
local function targets(where, rows, place, kind)
  local numbers, whole, words = {}, true, nil
  for i, row in ipairs(rows) do
    local v = number_in(row[place])
    if not v then words = words or row end
    numbers[i] = v
    whole = whole and v and math.tointeger(v) and v >= 0
  end
  if kind == "number" then
    if words then fault("%s line %d: the target is %q, not a number", where, words.line, words[place]) end
    return tensor.tensor(numbers, {dtype = "float32"}):reshape(#rows, 1)
  end
  if whole and not words then
    for i, v in ipairs(numbers) do numbers[i] = math.tointeger(v) end
    return tensor.tensor(numbers)
  end
  if not words and kind ~= "class" then return tensor.tensor(numbers, {dtype = "float32"}):reshape(#rows, 1) end
  local seen, classes, at = {}, {}, {}
  for _, row in ipairs(rows) do
    local name = row[place]
    if not seen[name] then seen[name], classes[#classes + 1] = true, name end
  end
  table.sort(classes)
  for i, name in ipairs(classes) do at[name] = i - 1 end
  local labels = {}
  for i, row in ipairs(rows) do labels[i] = at[row[place]] end
  return tensor.tensor(labels), classes
end

--- A table of numbers in a text file, one sample a line (RFC 4180): `data.csv("iris.csv", {target = "species"})`.
-- x holds the columns but the target's, (N, columns) float32. The target is a class where its column holds words
-- (classes in alphabetical order) or whole numbers from 0 on (class indices), else a number, and y is (N, 1) float32
-- for F.mse_loss.
--   target     the column's name, or its number from 0 (-1 is the last; default)
--   kind       "class" or "number": what the target is, where that should not be guessed
--   header     true: the first line holds names; default: true where it holds a word above a column of numbers
--   separator  one character (",")
--   classes    names, where the target's column holds class indices
-- A field that is no number is an error that names its line and column.
local function csv(path, opts)
  path = source.path("data.csv", path)
  local where = "data.csv " .. source.quoted(path)
  opts = options.check(where, opts or {}, {target = true, kind = true, header = true, separator = true, classes = true})
  local separator, kind = opts.separator or ",", opts.kind
  if type(separator) ~= "string" or #separator ~= 1 or separator:find '[%w"\r\n.+-]' then
    fault("%s: separator is one character such as \",\" or \";\", got %s", where, options.shown(separator))
  end
  if kind ~= nil and kind ~= "class" and kind ~= "number" then fault('%s: kind is "class" or "number", got %s', where,
    options.shown(kind)) end
  if opts.header ~= nil and type(opts.header) ~= "boolean" then fault("%s: header is true or false, got %s", where,
    options.shown(opts.header)) end
  local f, why = io.open(path, "rb")
  local text = f and f:read "a"
  if f then f:close() end
  if not text then fault("%s: cannot open: %s", where, why and why:match "[^:]*$":gsub("^ ", "") or
    "it is a folder") end
  local rows = records(where, text, separator)
  local names, header = nil, opts.header
  if header == nil and #rows > 1 then
    for i, field in ipairs(rows[1]) do header = header or not number_in(field) and number_in(rows[2][i] or
      "") ~= nil end
  end
  if header and #rows > 0 then names = table.remove(rows, 1) end
  if #rows == 0 then fault("%s: there is no sample in it", where) end
  local n = #(names or rows[1])
  if n < 2 then fault("%s: one column, where values and a target are expected · is the separator %s?", where,
    options.shown(separator)) end
  local place, values = column(where, opts.target == nil and -1 or opts.target, names, n), {}
  for i, row in ipairs(rows) do
    if #row ~= n then fault("%s line %d: %d fields, %d are expected", where, row.line, #row, n) end
    values[i] = {}
    for j, field in ipairs(row) do
      if j ~= place then
        values[i][#values[i] + 1] = number_in(field) or
          fault("%s line %d: %s is %q, not a number", where, row.line, names and "column " .. names[j] or "column " ..
            j - 1, field)
      end
    end
  end
  local y, classes = targets(where, rows, place, kind)
  local from = source.tensors(tensor.tensor(values, {dtype = "float32"}), y, source.unique "csv")
  from.opened = source.opened("csv", image.full(path), opts)
  if classes and opts.classes then fault("%s: the target's column holds names of classes already", where) end
  return Dataset.new(where, from, source.all(#rows), Dataset.names(where, classes or opts.classes,
    from.labels(source.all(#rows))))
end

return csv
