--- Tensors as text: small ones as PyTorch prints them; of large ones, which would fill the screen, what their numbers
-- are like and a corner.
local base = require "suture.tensor.base"
local text = require "suture.base.text"
local T, raw, graph = base.T, base.raw, base.graph

local function number_format(values, dtype)
  if dtype == "bool" then return tostring end
  if dtype == "int64" then return function(v) return ("%d"):format(v) end end
  local lo, hi, whole = math.huge, 0, true
  for _, v in ipairs(values) do
    local a = math.abs(v)
    if a == a and a < math.huge and a > 0 then
      if a < lo then lo = a end
      if a > hi then hi = a end
      if a ~= math.floor(a) then whole = false end
    end
  end
  local form = "%.4f"
  if whole then form = hi >= 1e8 and "%.4e" or "%.0f."
  elseif hi > 0 and (hi / lo > 1000 or hi > 1e8 or lo < 1e-4) and (hi > 1e8 or lo < 1e-4
    or hi / lo > 1000) then form = "%.4e" end
  return function(v)
    if v ~= v then return "nan" elseif v == math.huge then return "inf" elseif v == -math.huge then return "-inf" end
    return form:format(v)
  end
end

-- Numbers as written, all as wide as the widest.
local function written(values, dtype)
  local form, width = number_format(values, dtype), 0
  for i, v in ipairs(values) do
    values[i] = form(v)
    width = math.max(width, #values[i])
  end
  for i, v in ipairs(values) do values[i] = (" "):rep(width - #v) .. v end
  return values
end

-- Written numbers of a shape, in brackets; what stands in front of them is `indent` columns wide.
local function nested(values, shape, indent)
  local at = 0
  local function build(d, left)
    if d > #shape then
      at = at + 1
      return values[at]
    end
    local parts = {}
    for i = 1, shape[d] do parts[i] = build(d + 1, left + 1) end
    if d < #shape then
      return "[" .. table.concat(parts, "," .. ("\n"):rep(#shape - d) .. (" "):rep(left + 1)) .. "]"
    end
    local lines, line = {}, ""
    for k, p in ipairs(parts) do
      local piece = p .. (k < #parts and ", " or "")
      if #line > 0 and left + #line + #piece > 80 then
        lines[#lines + 1] = line:gsub(" $", "")
        line = ""
      end
      line = line .. piece
    end
    lines[#lines + 1] = line
    return "[" .. table.concat(lines, "\n" .. (" "):rep(left + 1)) .. "]"
  end
  return build(1, indent)
end

local function marks(x, dtype)
  local tail = dtype ~= "float32" and ", dtype=" .. dtype or ""
  if raw.requires_grad(x) then
    local from = graph.op_of(x)
    tail = tail .. (from and ", grad_fn=" .. from or ", requires_grad=true")
  end
  return tail
end

local LARGE, TALL = 1000, 60 -- numbers, and lines of them: of more only a corner is written, and what they are like
local ROWS, COLUMNS = 4, 6 -- of the corner

-- The first numbers of the last two dimensions, at place 0 of the others.
local function corner(x, shape, dtype)
  local columns, rows = shape[#shape], #shape > 1 and shape[#shape - 1] or 1
  local r, c, values = math.min(rows, ROWS), math.min(columns, COLUMNS), {}
  for row = 0, r - 1 do table.move(raw.flat(x, row * columns, c), 1, c, #values + 1, values) end
  values = written(values, dtype)
  local place = ("[0]"):rep(#shape - 2)
  local lines, pad = {}, (" "):rep(#place + (place ~= "" and 2 or 1))
  for row = 1, r do
    local numbers = table.concat(values, ", ", (row - 1) * c + 1, row * c)
    lines[row] = ("[%s%s]"):format(numbers, c < columns and ", ..." or "")
  end
  if #shape == 1 then return lines[1] end
  local sep = ",\n" .. pad
  return place .. (place ~= "" and " [" or "[") .. table.concat(lines, sep) .. (r < rows and sep .. "..." or "") .. "]"
end

-- What many numbers are like, on a line.
local function outline(x, n, dtype)
  local low, high, sum, bad, whole, zeros, nans = raw.stats(x)
  local parts = {text.count(n) .. " numbers"}
  local function add(...) parts[#parts + 1] = (...):format(select(2, ...)) end
  if dtype == "bool" then
    parts[1] = text.count(n) .. " truth values"
    add("%.3g%% true", 100 * (1 - zeros / n))
  else
    local form = whole and math.max(math.abs(low), math.abs(high)) < 1e15 and "%.0f" or "%.4g"
    if bad < n then
      parts[1] = parts[1] .. (" from %s to %s"):format(form, form):format(low, high)
      add("mean %.4g", sum / (n - bad))
    end
    add("%.3g%% zeros", 100 * zeros / n)
    if nans > 0 then add("%s nan", text.count(nans)) end
    if bad > nans then add("%s inf", text.count(bad - nans)) end
  end
  return table.concat(parts, ", ")
end

function T.__tostring(x)
  local shape, dtype, n = raw.shape(x), raw.dtype(x), raw.numel(x)
  if n > LARGE or n > 0 and n // (shape[#shape] or 1) * math.ceil((shape[#shape] or 1) / 9) > TALL then
    return ("tensor(shape=%s%s)\n%s\n%s"):format(shape, marks(x, dtype), outline(x, n, dtype), corner(x, shape, dtype))
  end
  local numbers = n == 0 and "[]" or nested(written(raw.flat(x), dtype), shape, 7)
  return "tensor(" .. numbers .. (#shape > 0 and ", shape=" .. tostring(shape) or "") .. marks(x, dtype) .. ")"
end
