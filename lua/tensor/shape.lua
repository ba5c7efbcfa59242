--- The same numbers under another shape, in another order, or a part of them. All but flip and roll are views.
local counted = require "suture.base.counted"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local base = require "suture.tensor.base"
local views = require "suture.tensor.views"
local view = views.of
local tensor, T, raw, op, axis, shape_of = base.tensor, base.T, base.raw, base.op, base.axis, base.shape
local arguments, listed = options.arguments, options.listed
local unpack, select, math_type = table.unpack, select, math.type

-- ---- another shape ----

-- Sizes with at most one -1, which is worked out.
local function fitted(what, x, shape)
  local known, hole = 1, nil
  for i, d in ipairs(shape) do
    if d == -1 and not hole then hole = i
    elseif d < 0 then fault("%s: expects sizes and at most one -1, got %s", what, shape_of(shape))
    else known = known * d end
  end
  local n = raw.numel(x)
  if hole then
    if known == 0 or n % known ~= 0 then
      fault("%s: %d elements of shape %s do not fit %s", what, n, raw.shape(x), shape_of(shape))
    end
    shape[hole] = n // known
  elseif known ~= n then
    fault("%s: shape %s has %d elements, %s has %d", what, raw.shape(x), n, shape_of(shape), known)
  end
  return view(x, "reshape", {shape = shape})
end

local reshape_args, view_args = listed("reshape", "shape:ints"), listed("view", "size:ints")

-- Whole numbers by place and nothing else, as reshape(2, -1) is mostly called.
local function plain(...)
  local list = {...}
  for i = 1, select("#", ...) do
    if math_type(list[i]) ~= "integer" then return nil end
  end
  return list
end

-- y, x under another shape, where that is a view of x and no copy.
local function viewed(what, x, y)
  if raw.part_of(x) then
    views.box(y)
    if not raw.part_of(y) then
      fault("%s: the numbers of x do not lie in this order (after permute, t, expand …): x:reshape(…) copies them",
        what)
    end
  end
  return y
end

--- x:reshape(2, -1): the same numbers, in the order of the shape, under another shape; one -1 is worked out. A view
-- where the numbers lie in that order, else a copy.
function T.reshape(x, ...) return raw.reshaped(x, ...) or fitted("reshape", x, plain(...) or reshape_args(...)) end

--- x:view(2, -1): as reshape, and always a view: an error where reshape would copy.
function T.view(x, ...)
  return viewed("view", x, raw.reshaped(x, ...) or fitted("view", x, plain(...) or view_args(...)))
end

local view_as_args, reshape_as_args = arguments("view_as", "other:tensor"), arguments("reshape_as", "other:tensor")

--- x:view_as(y): x:view(y.shape).
function T.view_as(x, ...)
  return viewed("view_as", x, fitted("view_as", x, {unpack(raw.shape(view_as_args(...)))}))
end

--- x:reshape_as(y): x:reshape(y.shape).
function T.reshape_as(x, ...) return fitted("reshape_as", x, {unpack(raw.shape(reshape_as_args(...)))}) end

local flatten_args = arguments("flatten", "start_dim:dim=0 end_dim:dim=-1")

--- x:flatten([start_dim (0), end_dim (-1)]): these dimensions and those between made one.
function T.flatten(x, ...)
  local start, stop = flatten_args(...)
  local quick = raw.flattened(x, start, stop)
  if quick then return quick end
  local shape = raw.shape(x)
  start, stop = axis("flatten", x, start, #shape), axis("flatten", x, stop, #shape)
  if #shape == 0 then return view(x, "reshape", {shape = {1}}) end
  if start > stop then fault("flatten: expects start_dim ≤ end_dim, got %d and %d", start, stop) end
  local out, n = {}, 1
  for i = 1, #shape do
    if i - 1 >= start and i - 1 <= stop then
      n = n * shape[i]
      if i - 1 == stop then out[#out + 1] = n end
    else out[#out + 1] = shape[i] end
  end
  return view(x, "reshape", {shape = out})
end

local unsqueeze_args, squeeze_args = arguments("unsqueeze", "dim:dim"), arguments("squeeze", "dim:dim=nil")

--- x:unsqueeze(dim): a new dimension of length 1 before dimension dim.
function T.unsqueeze(x, ...)
  local shape = {unpack(raw.shape(x))}
  table.insert(shape, axis("unsqueeze", x, unsqueeze_args(...), #shape + 1) + 1, 1)
  return view(x, "reshape", {shape = shape})
end

--- x:squeeze([dim]): dimensions of length 1 (or dimension dim, if its length is 1) taken away.
function T.squeeze(x, ...)
  local d = squeeze_args(...)
  if d then d = axis("squeeze", x, d) end
  local out = {}
  for i, n in ipairs(raw.shape(x)) do
    if n ~= 1 or (d and d ~= i - 1) then out[#out + 1] = n end
  end
  return view(x, "reshape", {shape = out})
end

local expand_args, expand_as_args = listed("expand", "size:ints"), arguments("expand_as", "other:tensor")

local function expanded(what, x, sizes)
  local shape, out = raw.shape(x), {}
  local lead = #sizes - #shape
  if lead < 0 then fault("%s: shape %s has more dimensions than %d", what, shape, #sizes) end
  for i, n in ipairs(sizes) do
    local own = i > lead and shape[i - lead]
    if n == -1 and own then n = own end
    if n < 0 or own and own ~= 1 and own ~= n then
      fault("%s: shape %s does not stretch to %s (only dimensions of length 1 do)", what, shape, shape_of(sizes))
    end
    out[i] = n
  end
  return view(x, "expand", {shape = out})
end

--- x stretched to sizes, ones in front of its shape left out: what an assignment does with its value.
function base.stretched(what, x, sizes)
  local shape = raw.shape(x)
  local extra = #shape - #sizes
  for i = 1, extra do
    if shape[i] ~= 1 then fault("%s: expects shape %s, got %s", what, shape_of {unpack(sizes)}, shape) end
  end
  if extra > 0 then x = op "reshape"(x, {shape = {unpack(shape, extra + 1)}}) end
  shape = raw.shape(x)
  local lead = #sizes - #shape
  for i, n in ipairs(shape) do
    if n ~= 1 and n ~= sizes[lead + i] then
      fault("%s: expects shape %s, got %s", what, shape_of {unpack(sizes)}, raw.shape(x))
    end
  end
  return op "expand"(x, {shape = {unpack(sizes)}})
end

--- x:expand(3, -1): dimensions of length 1 repeated to these sizes; -1 leaves one as it is.
function T.expand(x, ...) return expanded("expand", x, expand_args(...)) end

--- x:expand_as(y): dimensions of length 1 repeated to y's sizes.
function T.expand_as(x, ...) return expanded("expand_as", x, raw.shape(expand_as_args(...))) end

-- ---- another order ----

local permute_args = listed("permute", "dims:ints")

--- x:permute(0, 2, 3, 1): dimensions in another order.
function T.permute(x, ...)
  local quick = raw.permuted(x, ...)
  if quick then return quick end
  local dims = base.axes("permute", x, plain(...) or permute_args(...))
  if #dims ~= raw.rank(x) then
    fault("permute: shape %s has %d dimensions, got %d", raw.shape(x), raw.rank(x), #dims)
  end
  return view(x, "permute", {dims = dims})
end

local transpose_args, t_alone = arguments("transpose", "dim0:dim dim1:dim"), base.alone "t"

local function transposed(what, x, a, b)
  local rank = raw.rank(x)
  a, b = axis(what, x, a, rank), axis(what, x, b, rank)
  local dims = {}
  for i = 1, rank do dims[i] = i - 1 end
  if #dims > 0 then dims[a + 1], dims[b + 1] = b, a end
  return view(x, "permute", {dims = dims})
end

--- x:transpose(dim0, dim1): two dimensions swapped.
function T.transpose(x, a, b, ...)
  return raw.transposed(x, a, b, ...) or transposed("transpose", x, transpose_args(a, b, ...))
end

--- x:t(): a matrix transposed.
function T.t(x, ...)
  t_alone(...)
  if raw.rank(x) > 2 then fault("t: expects at most 2 dimensions, got shape %s (x:transpose(a, b))", raw.shape(x)) end
  if raw.rank(x) < 2 then return x end
  return transposed("t", x, 0, 1)
end

local flip_args = listed("flip", "dims:ints")

--- x:flip(dim, …): the order along these dimensions turned round.
function T.flip(x, ...)
  if select("#", ...) == 0 then fault "flip: dims is missing (expects dimensions, as x:flip(0) or x:flip(0, 1))" end
  local dims = flip_args(...)
  if #dims == 0 or raw.rank(x) == 0 then
    base.axes("flip", x, dims)
    return x:clone()
  end
  return op "flip"(x, {dims = base.axes("flip", x, dims)})
end

-- A list of whole numbers and nothing else, as code writes it.
local function whole_list(v)
  if type(v) ~= "table" or getmetatable(v) then return false end
  local n = 0
  for _, i in next, v do
    if math_type(i) ~= "integer" then return false end
    n = n + 1
  end
  return n > 0 and n == #v
end

local roll_args = arguments("roll", "shifts:ints dims:dims=nil")

--- x:roll(shifts[, dims]): the elements moved by so many places along a dimension, or along each of a list; what leaves
-- at one end comes in at the other. Without dims over all elements in order.
function T.roll(x, shifts, dims, ...)
  if not (whole_list(shifts) and whole_list(dims) and select("#", ...) == 0) then
    shifts, dims = roll_args(shifts, dims, ...)
  else
    shifts, dims = {unpack(shifts)}, {unpack(dims)}
  end
  if dims == nil then
    if #shifts ~= 1 then fault("roll: expects a shift per dimension, got %d shifts and no dimensions", #shifts) end
    local flat = op "reshape"(x, {shape = {raw.numel(x)}})
    return op "reshape"(flat:roll(shifts, 0), {shape = {unpack(raw.shape(x))}})
  end
  if #dims ~= #shifts then
    fault("roll: expects a shift per dimension, got %d shifts and %d dimensions", #shifts, #dims)
  end
  if raw.rank(x) == 0 then fault("roll: a scalar has no dimension to roll along") end
  for i, d in ipairs(dims) do
    dims[i] = axis("roll", x, d)
    local n = math.max(1, raw.size(x, dims[i]))
    shifts[i] = shifts[i] % n
  end
  return op "roll"(x, {shifts = shifts, dims = dims})
end
tensor.roll = T.roll

-- ---- parts ----

local narrow_args = arguments("narrow", "dim:dim start:int length:natural")

--- x:narrow(dim, start, length): a part of one dimension.
function T.narrow(x, ...)
  local quick = raw.narrowed(x, ...)
  if quick then return quick end
  local dim, start, length = narrow_args(...)
  dim = axis("narrow", x, dim)
  if raw.rank(x) == 0 then fault "narrow: a scalar has no parts" end
  local n = raw.size(x, dim)
  if start < 0 then start = start + n end
  if start < 0 or start > n or length > n - start then
    fault("narrow: %d elements from %d do not lie in dimension %d of shape %s", length, start, dim, raw.shape(x))
  end
  return view(x, "slice", {dim = dim, start = start, stop = start + length, step = 1})
end

local slice_args = arguments("slice", "dim:dim=0 start:int=nil stop:int=nil step:count=1")

--- x:slice(dim, start, stop[, step]): elements start, start + step, … before stop, as x[start:stop:step] in PyTorch;
-- numbers below 0 count from the end, nil is the end itself. x["1:4"], x[{":", "1:4"}] are the same for dimension 0
-- and 1.
function T.slice(x, ...)
  local dim, start, stop, step = slice_args(...)
  dim = axis("slice", x, dim)
  if raw.rank(x) == 0 then fault "slice: a scalar has no parts" end
  local n = raw.size(x, dim)
  local function clip(i) return math.max(0, math.min(n, i < 0 and i + n or i)) end
  start, stop = clip(start or 0), clip(stop or n)
  return view(x, "slice", {dim = dim, start = start, stop = math.max(start, stop), step = step})
end

local select_args = arguments("select", "dim:dim index:int")

--- Element i of dimension dim, both known to be there.
function base.element(x, dim, i)
  local quick = raw.element(x, dim, i)
  if quick then return quick end
  local part = view(x, "slice", {dim = dim, start = i, stop = i + 1, step = 1})
  local out = {unpack(raw.shape(part))}
  table.remove(out, dim + 1)
  return view(part, "reshape", {shape = out})
end

--- x:select(dim, index): one element of one dimension, which goes away.
function T.select(x, ...)
  local dim, i = select_args(...)
  dim = axis("select", x, dim)
  if raw.rank(x) == 0 then fault "select: a scalar has no elements to choose from (x:item() gives its number)" end
  local n = raw.size(x, dim)
  if i < -n or i >= n then
    fault("select: index %d is out of range for dimension %d of shape %s", i, dim, raw.shape(x))
  end
  return base.element(x, dim, i % n)
end

local split_args, chunk_args = arguments("split", "split_size:lengths dim:dim=0"), arguments("chunk",
  "chunks:count dim:dim=0")

local function parts(x, dim, lengths)
  local out, at = {}, 0
  for i, n in ipairs(lengths) do
    out[i] = view(x, "slice", {dim = dim, start = at, stop = at + n, step = 1})
    at = at + n
  end
  return counted.list(out, "parts of a tensor")
end

-- A dim of x cut in pieces of n, the last one shorter.
local function even(total, n)
  local lengths = {}
  for at = 0, total - 1, n do lengths[#lengths + 1] = math.min(n, total - at) end
  return #lengths > 0 and lengths or {0}
end

--- x:split(split_size[, dim (0)]): a list of parts along a dimension, of so many elements each, or as long as a list
-- says.
function T.split(x, ...)
  local size, dim = split_args(...)
  dim = axis("split", x, dim)
  local total = raw.size(x, dim) or fault "split: a scalar has no parts"
  if type(size) == "number" then return parts(x, dim, even(total, size)) end
  local sum = 0
  for _, n in ipairs(size) do sum = sum + n end
  if sum ~= total then
    fault("split: lengths of %d in all do not make the %d of dimension %d of shape %s", sum, total, dim, raw.shape(x))
  end
  return parts(x, dim, size)
end

--- x:chunk(chunks[, dim (0)]): a list of so many parts along a dimension, of equal length but for the last.
function T.chunk(x, ...)
  local k, dim = chunk_args(...)
  dim = axis("chunk", x, dim)
  local total = raw.size(x, dim) or fault "chunk: a scalar has no parts"
  return parts(x, dim, even(total, math.max(1, math.ceil(total / k))))
end

local unbind_args = arguments("unbind", "dim:dim=0")

--- x:unbind([dim (0)]): a list of the elements along a dimension, which goes away.
function T.unbind(x, ...)
  local dim = axis("unbind", x, (unbind_args(...)))
  local out = {}
  for i = 0, (raw.size(x, dim) or fault "unbind: a scalar has no elements") - 1 do out[i + 1] = x:select(dim, i) end
  return counted.list(out, "unbind", "x[i] counts from 0")
end
