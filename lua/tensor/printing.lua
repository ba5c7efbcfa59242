--- Tensors as text, as PyTorch prints them.
local base = require "suture.tensor.base"
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

function T.__tostring(x)
  local shape, dtype = raw.shape(x), raw.dtype(x)
  local n, edge = raw.numel(x), raw.numel(x) > 1000 and 3 or math.huge
  -- the elements that are shown: row-major places
  local stride, step = {}, 1
  for d = #shape, 1, -1 do stride[d], step = step, step * shape[d] end
  local shown = {}
  local function places(d, at)
    if d > #shape then shown[#shown + 1] = at return end
    local i = 0
    while i < shape[d] do
      if i == edge and i < shape[d] - edge then i = shape[d] - edge end
      places(d + 1, at + i * stride[d])
      i = i + 1
    end
  end
  if n > 0 then places(1, 0) end
  local values = {}
  if edge == math.huge then values = n > 0 and raw.flat(x) or {} else
    for i, at in ipairs(shown) do values[i] = raw.flat(x, at, 1)[1] end
  end
  local form, width = number_format(values, dtype), 0
  for i, v in ipairs(values) do
    values[i] = form(v)
    width = math.max(width, #values[i])
  end
  local at = 0
  local function build(d, indent)
    if d > #shape then
      at = at + 1
      return (" "):rep(width - #values[at]) .. values[at]
    end
    local parts, last = {}, d == #shape
    local i = 0
    while i < shape[d] do
      if i >= edge and i < shape[d] - edge then
        parts[#parts + 1] = "..."
        i = shape[d] - edge
      end
      parts[#parts + 1] = build(d + 1, indent + 1)
      i = i + 1
    end
    if not last then return "[" .. table.concat(parts, "," .. ("\n"):rep(#shape - d) .. (" "):rep(indent + 1))
      .. "]" end
    local lines, line = {}, ""
    for k, p in ipairs(parts) do
      local piece = p .. (k < #parts and ", " or "")
      if #line > 0 and indent + #line + #piece > 80 then
        lines[#lines + 1] = line:gsub(" $", "")
        line = ""
      end
      line = line .. piece
    end
    lines[#lines + 1] = line
    return "[" .. table.concat(lines, "\n" .. (" "):rep(indent + 1)) .. "]"
  end
  local tail = ""
  if #shape > 0 then tail = tail .. ", shape=" .. tostring(shape) end
  if dtype ~= "float32" then tail = tail .. ", dtype=" .. dtype end
  if raw.requires_grad(x) then
    local from = graph.op_of(x)
    tail = tail .. (from and ", grad_fn=" .. from or ", requires_grad=true")
  end
  return "tensor(" .. (n == 0 and "[]" or build(1, 7)) .. tail .. ")"
end
