--- data.csv: a table in a text file: numbers, or pictures and what is known of each.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local records = require "suture.data.records"
local source = require "suture.data.source"
local tensor = require "suture.tensor"
local Dataset = require "suture.data.dataset"
local wrapped = require "suture.data.wrapped"
local image = core.image

local function number_in(field) return tonumber((field:match "^%s*(.-)%s*$")) end

-- The place of a column given by name or by its number from 0.
local function column(where, what, given, names, n)
  if math.type(given) == "integer" and given >= -n and given < n then return given % n + 1 end
  for i, name in ipairs(names or {}) do if name == given then return i end end
  fault("%s: %s is a column's name or its number from 0 to %d, got %s%s", where, what, n - 1, options.shown(given),
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

-- The columns of labels that may come together: a tensor (N, labels) of 0 and 1, and their names. One column holds
-- words between `between`, as "cat|dog"; several hold 0 and 1 each.
local function labels(where, rows, places, names, between)
  local out, found = {}, {}
  if #places > 1 then
    for i, row in ipairs(rows) do
      out[i] = {}
      for k, place in ipairs(places) do
        local v = number_in(row[place])
        if v ~= 0 and v ~= 1 then
          fault("%s line %d: label %s is %q, 0 or 1 is expected", where, row.line, names and names[place] or place - 1,
            row[place])
        end
        out[i][k] = v
      end
    end
    for k, place in ipairs(places) do found[k] = names and names[place] or tostring(place - 1) end
    return tensor.tensor(out, {dtype = "float32"}), found
  end
  local has, at = {}, {}
  local word = "([^" .. between:gsub("%p", "%%%0") .. "]+)"
  for i, row in ipairs(rows) do
    has[i] = {}
    for name in row[places[1]]:gmatch(word) do
      name = name:match "^%s*(.-)%s*$"
      if name ~= "" then
        has[i][name] = true
        if not at[name] then at[name], found[#found + 1] = true, name end
      end
    end
  end
  if #found == 0 then fault("%s: the column of labels is empty", where) end
  table.sort(found)
  for i in ipairs(rows) do
    out[i] = {}
    for k, name in ipairs(found) do out[i][k] = has[i][name] and 1 or 0 end
  end
  return tensor.tensor(out, {dtype = "float32"}), found
end

-- Several columns of numbers as targets: (N, columns).
local function several(where, rows, places, names)
  local out = {}
  for i, row in ipairs(rows) do
    out[i] = {}
    for k, place in ipairs(places) do
      out[i][k] = number_in(row[place]) or fault("%s line %d: the target %s is %q, not a number", where, row.line,
        names and names[place] or place - 1, row[place])
    end
  end
  return tensor.tensor(out, {dtype = "float32"})
end

-- The numbers of the columns that are no targets.
local function numbers(where, rows, skip, names)
  local values = {}
  for i, row in ipairs(rows) do
    values[i] = {}
    for j, field in ipairs(row) do
      if not skip[j] then
        values[i][#values[i] + 1] = number_in(field) or
          fault("%s line %d: %s is %q, not a number", where, row.line,
            names and "column " .. names[j] or "column " .. j - 1, field)
      end
    end
  end
  if #values[1] == 0 then fault("%s: no column is left for x", where) end
  return tensor.tensor(values, {dtype = "float32"})
end

-- The pictures that a column names: their paths, against `root`.
local function pictures(where, rows, place, root)
  local paths = {}
  for i, row in ipairs(rows) do
    local name = row[place]:match "^%s*(.-)%s*$"
    paths[i] = name:sub(1, 1) == "/" and name or root .. "/" .. name
    if name == "" or not source.exists(paths[i]) then
      fault("%s line %d: there is no picture %s%s", where, row.line, source.quoted(paths[i]),
        " · root = FOLDER says what the names are against")
    end
  end
  return paths
end

local own = source.own("data.csv", {
  target = true, kind = "nil", header = "nil", separator = ",", classes = "nil", pictures = "nil", root = "nil",
  between = "nil"})

-- The options, checked: separator, kind, and the view where there are pictures.
local function settings(where, opts)
  local view
  if type(opts) == "table" and opts.pictures ~= nil then view, opts = source.read(where, opts, {flip = true}, own)
  else options.check(where, opts, own) end
  local separator, kind = opts.separator or own.separator, opts.kind
  if type(separator) ~= "string" or #separator ~= 1 or separator:find '[%w"\r\n.+-]' then
    fault("%s: separator is one character such as \",\" or \";\", got %s", where, options.shown(separator))
  end
  if kind ~= nil and kind ~= "class" and kind ~= "number" and kind ~= "labels" then
    fault('%s: kind is "class", "number" or "labels", got %s', where, options.shown(kind))
  end
  if opts.header ~= nil and type(opts.header) ~= "boolean" then
    fault("%s: header is true or false, got %s", where, options.shown(opts.header))
  end
  for _, name in ipairs {"root", "between"} do
    if opts[name] ~= nil and (type(opts[name]) ~= "string" or opts[name] == "") then
      fault("%s: %s is a text, got %s", where, name, options.shown(opts[name]))
    end
  end
  if opts.root and opts.pictures == nil then fault("%s: root goes with pictures = COLUMN", where) end
  if opts.between and kind ~= "labels" then fault('%s: between goes with kind = "labels"', where) end
  return view, separator, kind
end

-- The file's records and the names of its columns, or nil.
local function read(where, path, separator, header)
  local f, why = io.open(path, "rb")
  local text = f and f:read "a"
  if f then f:close() end
  if not text then
    fault("%s: cannot open: %s", where, why and why:match "[^:]*$":gsub("^ ", "") or "it is a folder")
  end
  local rows, names = records(where, text, separator), nil
  if header == nil and #rows > 1 then
    for i, field in ipairs(rows[1]) do
      header = header or not number_in(field) and number_in(rows[2][i] or "") ~= nil
    end
  end
  if header and #rows > 0 then names = table.remove(rows, 1) end
  if #rows == 0 then fault("%s: there is no sample in it", where) end
  local n = #(names or rows[1])
  if n < 2 then
    fault("%s: one column, where values and a target are expected · is the separator %s?", where,
      options.shown(separator))
  end
  for _, row in ipairs(rows) do
    if #row ~= n then fault("%s line %d: %d fields, %d are expected", where, row.line, #row, n) end
  end
  return rows, names, n
end

--- A table in a text file, one sample a line (RFC 4180): `data.csv("iris.csv", {target = "species"})`.
-- x holds the columns but the target's, (N, columns) float32; or pictures: `data.csv("labels.csv", {pictures = "file",
-- target = "tags", kind = "labels", size = 224})` reads those that a column names. The target is a class where its
-- column holds words (classes in alphabetical order) or whole numbers from 0 on (class indices), else a number, and y
-- is (N, 1) float32 for F.mse_loss, F.huber_loss.
--   target     the column's name, or its number from 0 (-1 is the last; default); a list of them: (N, columns)
--   kind       "class", "number": what the target is, where that should not be guessed; "labels": several may be there
--              at once: one column of words ("cat|dog"), or a list of columns of 0 and 1; y is (N, labels) of 0
--              and 1 for loss = "bce_with_logits"
--   between    what stands between the words of labels: any of these characters ("|; ")
--   pictures   the column of pictures' paths, against `root` (default: the file's folder); the options of `data` are
--              taken then (size, transform, augment …)
--   header     true: the first line holds names; default: true where it holds a word above a column of numbers, or
--              where a column is called by its name
--   separator  one character (",")
--   classes    names, where the target's column holds class indices
-- A field that is no number is an error that names its line and column.
local function csv(path, opts)
  path = source.path("data.csv", path)
  local where = "data.csv " .. source.quoted(path)
  opts = opts or {}
  local view, separator, kind = settings(where, opts)
  local given = opts.target == nil and -1 or opts.target
  local header = opts.header
  if header == nil and (type(opts.pictures) == "string" or type(given) == "string" or type(given) == "table") then
    header = true
  end
  local rows, names, n = read(where, path, separator, header)
  local skip, places = {}, {}
  for i, one in ipairs(type(given) == "table" and given or {given}) do
    places[i] = column(where, "target", one, names, n)
    skip[places[i]] = true
  end
  if #places == 0 then fault("%s: target is an empty list", where) end
  local index, y, classes, label_names = source.all(#rows), nil, nil, nil
  if kind == "labels" then
    y, label_names = labels(where, rows, places, names, opts.between or "|; ")
  elseif #places > 1 then
    if kind == "class" then fault("%s: a class has one column", where) end
    y = several(where, rows, places, names)
  else y, classes = targets(where, rows, places[1], kind) end
  if classes and opts.classes then fault("%s: the target's column holds names of classes already", where) end
  local from
  if opts.pictures ~= nil then
    local place = column(where, "pictures", opts.pictures, names, n)
    if skip[place] then fault("%s: pictures and target are the same column", where) end
    local paths = pictures(where, rows, place, opts.root or path:match "^(.*)/[^/]*$" or ".")
    local whole = y.dtype == "int64"
    from = source.samples(image.files(paths, whole and y:tolist() or index), source.unique "csv", false)
    if not whole then from = wrapped.targeted(from, y, from.key) end
  else from = source.tensors(numbers(where, rows, skip, names), y, source.unique "csv") end
  from.label_names = label_names
  from.opened = source.opened("csv", image.full(path), opts)
  return Dataset.new(where, from, index, Dataset.names(where, classes or opts.classes, from.labels(index)), view,
    {flip = true})
end

return csv
