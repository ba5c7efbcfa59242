--- Tensors: making them, arithmetic, shapes, reductions, gradients. Names, argument order and defaults are PyTorch's;
-- dims and indices count from 0, shapes read N, C, H, W.
local core = require "suture.core"
local fault = require "suture.base.fault"
local gradients = require "suture.tensor.gradients"
local journal = require "suture.base.journal"
local raw, graph = core.tensor, core.graph
local is = raw.is
local unpack = table.unpack

local tensor = {}          -- the module; also callable: tensor{…}
local T = raw.metatable()  -- methods live in the metatable itself
T.__name = "suture.tensor"

-- The function of a core operation, found when first used.
local fns = {}
local function op(name)
  local f = fns[name]
  if not f then
    f = graph.fn(name)
    if not f then fault("this build has no operation '%s'", name) end
    fns[name] = f
  end
  return f
end
tensor._op = op

local function class_of(v)
  if is(v) then return "a tensor" end
  local mt = type(v) == "table" and getmetatable(v)
  return mt and mt.__name or type(v)
end

local function want(what, x)
  if not is(x) then fault("%s: expects a tensor, got %s", what, class_of(x)) end
  return x
end

local function shown(v) return type(v) == "number" and (v ~= v and "nan" or tostring(v)) or class_of(v) end

-- A whole number from `least` on (nil: any), or an error that says for what.
local function whole(what, name, v, least)
  local i = type(v) == "number" and math.tointeger(v)
  if not i or (least and i < least) then
    fault("%s: %s expects a whole number%s, got %s", what, name, least and (" of %d or above"):format(least) or "", shown(v))
  end
  return i
end

local function number(what, name, v)
  if type(v) ~= "number" then fault("%s: %s expects a number, got %s", what, name, class_of(v)) end
  return v
end

local function path(what, v)
  if type(v) ~= "string" then fault("%s: expects a path, as \"x.npy\", got %s", what, shown(v)) end
  return v
end

-- ---- shapes ----

local Shape = raw.shape_metatable()
Shape.__name = "shape"
function Shape.__tostring(s) return "(" .. table.concat(s, ", ") .. ")" end
function Shape.__eq(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do if a[i] ~= b[i] then return false end end
  return true
end
function Shape.__concat(a, b) return tostring(a) .. tostring(b) end

-- A dim as PyTorch reads it: 0-based, negative from the end.
local function axis(what, x, d, rank)
  rank = rank or raw.rank(x)
  local i = math.tointeger(d)
  if not i then fault("%s: a dimension is a whole number, got %s", what, shown(d)) end
  local room = math.max(rank, 1)
  if i < -room or i >= room then
    fault("%s: dimension %d is out of range for shape %s (%d to %d)", what, i, raw.shape(x), -room, room - 1)
  end
  return i < 0 and i + rank or i
end

-- The same where the dimension is to be taken apart: a scalar has none.
local function along(what, x, d)
  if raw.rank(want(what, x)) == 0 then fault("%s: a scalar has no dimension to take apart", what) end
  return axis(what, x, d)
end

local function axes(what, x, dims)
  if type(dims) ~= "table" then return {axis(what, x, dims)} end
  local out, seen = {}, {}
  for i, d in ipairs(dims) do
    out[i] = axis(what, x, d)
    if seen[out[i]] then fault("%s: dimension %d is given twice", what, d) end
    seen[out[i]] = true
  end
  return out
end

-- Splits (numbers… | table)[, options] into a list of sizes and the options.
local function sizes(what, ...)
  local args, opts = {...}, nil
  local n = select("#", ...)
  while n > 0 and args[n] == nil do n = n - 1 end
  if n > 0 and type(args[n]) == "table" and getmetatable(args[n]) == nil and args[n][1] == nil and (n > 1 or next(args[n]) ~= nil) then
    opts, args[n], n = args[n], nil, n - 1
  end
  if n == 1 and type(args[1]) == "table" then args = args[1] n = #args end
  for i = 1, n do
    local d = math.tointeger(args[i])
    if not d then fault("%s: a shape is made of whole numbers, got %s at place %d", what, tostring(args[i]), i) end
    if d < 0 and what ~= "reshape" then fault("%s: a size cannot be negative, got %d", what, d) end
    args[i] = d
  end
  if n > 8 then fault("%s: a tensor has at most 8 dimensions, got %d", what, n) end
  return {unpack(args, 1, n)}, opts
end

local dtypes = {float32 = "float32", float = "float32", int64 = "int64", long = "int64", bool = "bool"}

local function dtype_of(what, opts, default)
  if opts ~= nil and type(opts) ~= "table" then fault("%s: expects options as a table, got %s", what, shown(opts)) end
  local d = opts and opts.dtype or default
  if not dtypes[d] then fault('%s: dtype is "float32", "int64" or "bool" (numbers are computed in float32), got %s', what, tostring(d)) end
  return dtypes[d]
end

local known = {dtype = true, requires_grad = true}
local function finish(what, x, opts)
  if opts ~= nil then
    if type(opts) ~= "table" then fault("%s: expects options as a table, got %s", what, shown(opts)) end
    require("suture.base.options").check(what, opts, known)
    if opts.requires_grad then x.requires_grad = true end
  end
  return x
end

-- ---- making tensors ----

local written, marked = journal.writes, journal.marks

-- Walks a nested list, fills flat and returns its shape.
local function flatten(list, flat, depth, shape)
  if depth > 8 then fault("tensor: at most 8 dimensions") end
  local n = #list
  if shape[depth] == nil then shape[depth] = n
  elseif shape[depth] ~= n then fault("tensor: rows of different lengths, %d and %d, in dimension %d", shape[depth], n, depth - 1) end
  for i = 1, n do
    local v = list[i]
    if is(v) then v = v:tolist() end
    if type(v) == "table" then
      if shape.leaf and shape.leaf <= depth then fault("tensor: a list and a number side by side in dimension %d", depth - 1) end
      flatten(v, flat, depth + 1, shape)
    else
      if type(v) ~= "number" and type(v) ~= "boolean" then fault("tensor: expects numbers, got %s", class_of(v)) end
      if shape.leaf and shape.leaf ~= depth then fault("tensor: a list and a number side by side in dimension %d", depth - 1) end
      shape.leaf = depth
      flat[#flat + 1] = v
    end
  end
end

--- tensor{…}: a tensor from a number or nested lists, row by row: `tensor{{1, 2}, {3, 4}}`.
-- Options in a second table: dtype ("float32", "int64", "bool"; default: whole numbers give int64, as in PyTorch),
-- requires_grad. The module itself has zeros, ones, cat, stack …
function tensor.new(value, opts)
  if opts ~= nil and type(opts) ~= "table" then fault("tensor: expects options as a table, got %s", shown(opts)) end
  if is(value) then return finish("tensor", value:clone(), opts) end
  if type(value) == "number" or type(value) == "boolean" then value = {value, scalar = true} end
  if type(value) ~= "table" then fault("tensor: expects a number or nested lists of numbers, got %s", class_of(value)) end
  local flat, shape = {}, {}
  flatten(value, flat, 1, shape)
  shape.leaf = nil
  local default = #flat > 0 and "int64" or "float32"
  for _, v in ipairs(flat) do
    if math.type(v) == "float" then default = "float32" break end
    if type(v) == "boolean" then default = "bool" end
  end
  local dtype = dtype_of("tensor", opts, opts and opts.requires_grad and "float32" or default)
  return finish("tensor", raw.from_list(value.scalar and {} or shape, flat, dtype), opts)
end

local function filled(what, value)
  return function(...)
    local shape, opts = sizes(what, ...)
    return finish(what, raw.full(shape, value, dtype_of(what, opts, "float32"), what), opts)
  end
end

--- zeros(2, 3) or zeros({2, 3}): a tensor of zeros. Options: dtype, requires_grad.
function tensor.zeros(...) return filled("zeros", 0)(...) end

--- ones(2, 3) or ones({2, 3}): a tensor of ones. Options: dtype, requires_grad.
function tensor.ones(...) return filled("ones", 1)(...) end

--- full({2, 3}, value): a tensor of one value. Options: dtype, requires_grad.
function tensor.full(shape, value, opts)
  if type(value) ~= "number" then fault("full: expects a number to fill with, got %s", class_of(value)) end
  return finish("full", raw.full((sizes("full", shape)), value, dtype_of("full", opts, "float32"), "full"), opts)
end

local function drawn(what, kind, a, b)
  return function(...)
    local shape, opts = sizes(what, ...)
    return finish(what, raw.random(kind, shape, a, b, what), opts)
  end
end

--- randn(2, 3): numbers of the standard normal distribution. Options: requires_grad. See seed.
function tensor.randn(...) return drawn("randn", "normal", 0, 1)(...) end

--- rand(2, 3): numbers spread evenly over [0, 1). Options: requires_grad. See seed.
function tensor.rand(...) return drawn("rand", "uniform", 0, 1)(...) end

--- randint([low,] high, shape): whole numbers from low (default 0) to high - 1.
function tensor.randint(low, high, shape)
  if shape == nil then low, high, shape = 0, low, high end
  if type(low) ~= "number" or type(high) ~= "number" or not (low < high and high - low < math.huge) then fault("randint: expects low < high, got %s and %s", tostring(low), tostring(high)) end
  return raw.random("randint", (sizes("randint", shape)), low, high, "randint")
end

--- randperm(n): the numbers 0 … n-1 in random order.
function tensor.randperm(n) return raw.random("permutation", (sizes("randperm", n)), 0, 1, "randperm") end

--- arange([start,] stop[, step]): start, start + step, … below stop; stop is not included. Options: dtype, requires_grad.
function tensor.arange(...)
  local args, opts = {...}, nil
  if type(args[#args]) == "table" then opts = table.remove(args) end
  local start, stop, step = args[1], args[2], args[3] or 1
  if stop == nil then start, stop = 0, start end
  if stop == nil then fault "arange: expects arange(stop) or arange(start, stop, step)" end
  for name, v in pairs {start = start, stop = stop, step = step} do
    if number("arange", name, v) - v ~= 0 then fault("arange: %s expects a finite number, got %s", name, shown(v)) end
  end
  if step == 0 then fault "arange: the step is not 0" end
  local n = math.max(0, math.ceil((stop - start) / step))
  local whole = math.type(start) == "integer" and math.type(stop) == "integer" and math.type(step) == "integer"
  return finish("arange", raw.arange(start, step, n, dtype_of("arange", opts, whole and "int64" or "float32"), "arange"), opts)
end

--- linspace(start, stop, steps): numbers at equal distances, both ends included.
function tensor.linspace(start, stop, steps)
  number("linspace", "start", start)
  number("linspace", "stop", stop)
  steps = whole("linspace", "steps", steps, 1)
  return raw.arange(start, steps > 1 and (stop - start) / (steps - 1) or 0, steps, "float32", "linspace")
end

--- eye(n[, m]): ones on the diagonal of an n × m matrix.
function tensor.eye(n, m)
  n = whole("eye", "n", n, 0)
  m = m == nil and n or whole("eye", "m", m, 0)
  return raw.eye(n, m, "eye")
end

for _, name in ipairs {"zeros", "ones", "randn", "rand"} do
  tensor[name .. "_like"] = function(x, opts) return tensor[name](want(name .. "_like", x).shape, opts) end
end

--- cat({a, b, …}, dim): tensors joined along a dimension (default 0).
function tensor.cat(list, dim)
  if type(list) ~= "table" or #list == 0 then fault "cat: expects a list of tensors" end
  for _, x in ipairs(list) do want("cat", x) end
  dim = axis("cat", list[1], dim or 0)
  local width = 8
  local function join(from, to)
    if from == to then return list[from] end
    local parts, n = {}, to - from + 1
    local step = math.max(1, math.ceil(n / width))
    if n <= width then step = 1 end
    local k = 0
    for i = from, to, step do
      k = k + 1
      parts[k] = join(i, math.min(i + step - 1, to))
    end
    return graph.op("concat", {unpack(parts, 1, k)}, {dim = dim})
  end
  return join(1, #list)
end

--- stack({a, b, …}, dim): tensors of one shape joined along a new dimension (default 0).
function tensor.stack(list, dim)
  if type(list) ~= "table" or #list == 0 then fault "stack: expects a list of tensors" end
  local rank = want("stack", list[1]):dim()
  dim = axis("stack", list[1], dim or 0, rank + 1)
  local out = {}
  for i, x in ipairs(list) do out[i] = want("stack", x):unsqueeze(dim) end
  return tensor.cat(out, dim)
end

--- where(condition, a, b): a where the condition is true, b elsewhere. Shapes broadcast.
function tensor.where(condition, a, b) return op "where"(condition, a, b) end

--- seed(n): starts the random numbers anew; the same seed gives the same numbers, whatever the number of threads.
function tensor.seed(n)
  core.engine.seed(whole("seed", "n", n))
end
tensor.manual_seed = tensor.seed

local function callable(what, f)
  if type(f) ~= "function" and not (getmetatable(f) or {}).__call then fault("%s: expects a function, got %s", what, class_of(f)) end
end

local function restored(mode, ok, ...)
  graph.grad_mode(mode)
  if not ok then error((...), 0) end
  return ...
end

--- no_grad(f, …): calls f(…) with gradients off, and returns what it returns. They are on again after an error too.
function tensor.no_grad(f, ...)
  callable("no_grad", f)
  return restored(graph.grad_mode(false), pcall(f, ...))
end

--- enable_grad(f, …): the opposite of no_grad, for code inside it.
function tensor.enable_grad(f, ...)
  callable("enable_grad", f)
  return restored(graph.grad_mode(true), pcall(f, ...))
end

--- load_tensor("x.npy"): reads a NumPy file.
function tensor.load_tensor(from) return core.file.load_npy(path("load_tensor", from)) end

--- save_tensor(x, "x.npy"): writes a NumPy file that numpy.load reads.
function tensor.save_tensor(x, to) core.file.save_npy(path("save_tensor", to), want("save_tensor", x)) end

--- is_tensor(x): whether x is a tensor.
function tensor.is_tensor(x) return is(x) end

-- ---- looking ----

--- x:dim(): how many dimensions.
function T.dim(x) return raw.rank(x) end

--- x:numel(): how many elements.
function T.numel(x) return raw.numel(x) end

--- x:size(): the shape; x:size(d): the length of dimension d (0-based).
function T.size(x, d)
  if d == nil then return raw.shape(x) end
  return raw.size(x, axis("size", x, d))
end

--- x:item(): the number in a tensor of one element.
function T.item(x) return raw.item(x) end

--- x:tolist(): its numbers as nested Lua tables (a number for a scalar).
function T.tolist(x)
  local shape, flat, at = raw.shape(x), raw.flat(x), 0
  local function build(d)
    if d > #shape then
      at = at + 1
      return flat[at]
    end
    local out = {}
    for i = 1, shape[d] do out[i] = build(d + 1) end
    return out
  end
  return build(1)
end

--- x:clone(): a new tensor with the same numbers; gradients flow through it.
function T.clone(x)
  if graph.grad_mode() and x.requires_grad then return x * 1 end
  return raw.clone(x)
end

--- x:detach(): the same numbers, cut off from the graph that made them.
function T.detach(x) return raw.detach(x) end

--- x:to("int64") (also :float(), :long(), :bool()): the numbers shown and saved as another type.
function T.to(x, dtype) return raw.cast(x, dtype_of("to", {dtype = dtype})) end
function T.float(x) return x.dtype == "float32" and x or raw.cast(x, "float32") end
function T.long(x) return raw.cast(x, "int64") end
T.int = T.long
function T.bool(x) return raw.cast(x, "bool") end
function T.contiguous(x) return x end
function T.cpu(x) return x end

-- Where a function of the properties is needed: x.shape, x.dtype, x.grad …
local get = {
  shape = raw.shape, dtype = raw.dtype, grad = raw.grad, requires_grad = raw.requires_grad, is_leaf = raw.is_leaf,
  ndim = raw.rank, data = raw.detach,
  frozen = raw.frozen, -- no optimizer moves it: see m:freeze
  T = function(x) return x:t() end,
}
local set = {
  requires_grad = function(x, on)
    if type(on) ~= "boolean" then fault("requires_grad: expects true or false, got %s", class_of(on)) end
    if on and raw.dtype(x) ~= "float32" then
      fault("requires_grad: only float32 tensors can have gradients, this one is %s (x:float(), or write 1.0 for 1)", raw.dtype(x))
    end
    raw.requires_grad(marked(x), on)
  end,
  grad = function(x, g) raw.grad(x, g ~= nil and want("grad", g) or nil) end,
  data = function(x, y) raw.copy(written(x), want("data", y), "data") end,
}

local function select_index(x, i)
  local rank = raw.rank(x)
  if rank == 0 then fault "cannot index a scalar (x:item() gives its number)" end
  local n = raw.size(x, 0)
  local at = math.tointeger(i)
  if not at or at < -n or at >= n then fault("index %s is out of range for dimension 0 of shape %s (0 to %d)", i, raw.shape(x), n - 1) end
  return x:select(0, at)
end

function T.__index(x, key)
  local method = rawget(T, key)
  if method ~= nil then return method end
  local property = get[key]
  if property then return property(x) end
  if type(key) == "number" then return select_index(x, key) end
  if is(key) or type(key) == "table" then return x:index_select(0, key) end
end

function T.__newindex(x, key, value)
  local property = set[key]
  if property then return property(x, value) end
  if math.tointeger(key) then
    local n = raw.rank(x) > 0 and raw.size(x, 0) or 0
    local i = math.tointeger(key)
    if not is(value) then number(("x[%d]"):format(i), "the new value", value) end
    if i < -n or i >= n then fault("index %d is out of range for shape %s", i, raw.shape(x)) end
    return raw.put(written(x), i % n, value)
  end
  fault("a tensor has no field '%s' to set (requires_grad and grad are)", tostring(key))
end

function T.__len(x) return raw.rank(x) > 0 and raw.size(x, 0) or fault "a scalar has no length" end

-- ---- arithmetic ----

local function binary(name, sign)
  return function(a, b)
    if not ((is(a) or type(a) == "number") and (is(b) or type(b) == "number")) then
      local other = a
      if is(a) or type(a) == "number" then other = b end
      fault("%s: expects tensors or numbers, got %s", name, class_of(other))
    end
    return op(name)(a, b)
  end, sign
end

for name, meta in pairs {add = "__add", sub = "__sub", mul = "__mul", div = "__div", pow = "__pow"} do
  local f = binary(name)
  T[meta], T[name] = f, f
end
for name, target in pairs {eq = "eq", ne = "ne", lt = "lt", le = "le", gt = "gt", ge = "ge", maximum = "maximum", minimum = "minimum"} do
  T[name] = binary(target)
  tensor[name] = T[name]
end
function T.__unm(x) return op "neg"(x) end

local function is_whole(v) return math.type(v) == "integer" or (is(v) and raw.dtype(v) == "int64") end

--- a // b: the quotient rounded down. a % b: what is left, with b's sign.
function T.__idiv(a, b)
  local q = T.__div(a, b):floor()
  return is_whole(a) and is_whole(b) and q:long() or q
end
function T.__mod(a, b) return T.__sub(a, T.__idiv(a, b) * b) end

-- Lua makes one true or false of a comparison.
function T.__lt() fault "< and > give one true or false in Lua: x:lt(y), x:le(y), x:gt(y), x:ge(y) compare element by element" end
T.__le = T.__lt

for _, name in ipairs {"neg", "exp", "log", "sqrt", "rsqrt", "square", "abs", "relu", "sigmoid", "tanh", "sign", "sin", "cos",
  "floor", "round", "gelu", "silu", "softplus", "hardswish"} do
  T[name] = function(x) return op(name)(want(name, x)) end
  tensor[name] = T[name]
end

--- x:reciprocal(): 1 / x. x:ceil(): rounded up.
function T.reciprocal(x) return 1 / want("reciprocal", x) end
function T.ceil(x) return -op "floor"(-want("ceil", x)) end

--- x:flip(d, …): the order along these dimensions turned round.
function T.flip(x, ...)
  local dims = {...}
  return op "flip"(x, {dims = axes("flip", want("flip", x), type(dims[1]) == "table" and dims[1] or dims)})
end

--- x:roll(shifts[, dims]): the elements moved by so many places along a dimension, or along each of a list; what leaves at one end
-- comes in at the other. Without dims over all elements in order.
function T.roll(x, shifts, dims)
  want("roll", x)
  if type(shifts) ~= "table" then shifts = {shifts} end
  for _, s in ipairs(shifts) do whole("roll", "a shift", s) end
  if dims == nil then return x:flatten():roll(shifts, 0):reshape(x.shape) end
  if type(dims) ~= "table" then dims = {dims} end
  local at = {}
  for i, d in ipairs(dims) do at[i] = axis("roll", x, d) end
  if #at ~= #shifts then fault("roll: expects a shift per dimension, got %d shifts and %d dimensions", #shifts, #at) end
  return op "roll"(x, {shifts = shifts, dims = at})
end
tensor.roll = T.roll

--- x:index_select(dim, index): the elements of one dimension that the vector index (a tensor or a list) names, from 0.
function T.index_select(x, dim, index)
  dim = along("index_select", x, dim)
  if type(index) == "table" then index = tensor.new(index) end
  want("index_select", index)
  if raw.dtype(index) == "bool" then fault "index_select: a mask of true and false is no index (tensor.where chooses by one)" end
  local least, most, _, bad, all_whole = raw.stats(index)
  if raw.numel(index) > 0 and (least < 0 or most >= raw.size(x, dim) or bad > 0 or not all_whole) then
    fault("index_select: expects whole numbers from 0 to %d for dimension %d of shape %s, got %s", raw.size(x, dim) - 1, dim, raw.shape(x),
      bad > 0 and "nan or inf" or not all_whole and "a fraction" or least < 0 and ("%d"):format(least) or ("%d"):format(most))
  end
  return op "index_select"(x, index, {dim = dim})
end

--- x:clamp(min, max): numbers below min become min, above max become max; nil: no bound.
function T.clamp(x, min, max)
  if min == nil and max == nil then fault "clamp: expects a lower or an upper bound" end
  return op "clamp"(x, {min = min or -math.huge, max = max or math.huge})
end

--- x:matmul(y): the matrix product; leading dimensions are batches.
function T.matmul(x, y) return op "matmul"(x, y) end
T.mm, T.bmm = T.matmul, T.matmul
tensor.matmul = T.matmul

--- x:softmax(dim), x:log_softmax(dim): over one dimension.
function T.softmax(x, dim) return op "softmax"(x, {dim = axis("softmax", x, dim or -1)}) end
function T.log_softmax(x, dim) return op "log_softmax"(x, {dim = axis("log_softmax", x, dim or -1)}) end

-- ---- shape ----

--- x:reshape(2, -1): the same numbers, in the order of the shape, under another shape; one -1 is worked out.
function T.reshape(x, ...)
  local shape = sizes("reshape", ...)
  local known_count, hole = 1, nil
  for i, d in ipairs(shape) do
    if d == -1 and not hole then hole = i
    elseif d < 0 then fault("reshape: expects sizes and at most one -1, got %s", setmetatable(shape, Shape))
    else known_count = known_count * d end
  end
  local n = raw.numel(x)
  if hole then
    if known_count == 0 or n % known_count ~= 0 then fault("reshape: %d elements of shape %s do not fit %s", n, raw.shape(x), setmetatable(shape, Shape)) end
    shape[hole] = n // known_count
  elseif known_count ~= n then
    fault("reshape: shape %s has %d elements, %s has %d", raw.shape(x), n, setmetatable(shape, Shape), known_count)
  end
  return op "reshape"(x, {shape = shape})
end
T.view = T.reshape

--- x:view_as(y): x under y's shape.
function T.view_as(x, y) return x:reshape(want("view_as", y).shape) end

--- x:flatten(start, stop): dimensions start … stop (default: all) made one.
function T.flatten(x, start, stop)
  local shape = raw.shape(x)
  if #shape == 0 then return x:reshape(1) end
  start, stop = axis("flatten", x, start or 0), axis("flatten", x, stop or -1)
  if start > stop then fault("flatten: expects start ≤ stop, got %d and %d", start, stop) end
  local out, n = {}, 1
  for i = 1, #shape do
    if i - 1 >= start and i - 1 <= stop then
      n = n * shape[i]
      if i - 1 == stop then out[#out + 1] = n end
    else out[#out + 1] = shape[i] end
  end
  return op "reshape"(x, {shape = out})
end

--- x:permute(0, 2, 3, 1): dimensions in another order.
function T.permute(x, ...)
  local dims = select("#", ...) == 1 and type(...) == "table" and ... or {...}
  dims = axes("permute", x, dims)
  if #dims ~= raw.rank(x) then fault("permute: shape %s has %d dimensions, got %d", raw.shape(x), raw.rank(x), #dims) end
  return op "permute"(x, {dims = dims})
end

--- x:transpose(a, b): two dimensions swapped.
function T.transpose(x, a, b)
  a, b = axis("transpose", x, a), axis("transpose", x, b)
  local dims = {}
  for i = 1, raw.rank(x) do dims[i] = i - 1 end
  dims[a + 1], dims[b + 1] = b, a
  return op "permute"(x, {dims = dims})
end

--- x:t(): a matrix transposed.
function T.t(x)
  if raw.rank(x) > 2 then fault("t: expects at most 2 dimensions, got shape %s (x:transpose(a, b))", raw.shape(x)) end
  if raw.rank(x) < 2 then return x end
  return x:transpose(0, 1)
end

--- x:unsqueeze(d): a new dimension of length 1 before dimension d.
function T.unsqueeze(x, d)
  local shape = raw.shape(x)
  d = axis("unsqueeze", x, d, #shape + 1)
  local out = {unpack(shape)}
  table.insert(out, d + 1, 1)
  return op "reshape"(x, {shape = out})
end

--- x:squeeze([d]): dimensions of length 1 (or dimension d, if its length is 1) taken away.
function T.squeeze(x, d)
  if d then d = axis("squeeze", x, d) end
  local out = {}
  for i, n in ipairs(raw.shape(x)) do
    if n ~= 1 or (d and d ~= i - 1) then out[#out + 1] = n end
  end
  return op "reshape"(x, {shape = out})
end

--- x:expand(3, -1): dimensions of length 1 repeated to these sizes; -1 leaves one as it is.
function T.expand(x, ...)
  local sz = select("#", ...) == 1 and type(...) == "table" and ... or {...}
  local shape, out = raw.shape(x), {}
  local lead = #sz - #shape
  if lead < 0 then fault("expand: shape %s has more dimensions than %d", shape, #sz) end
  for i, n in ipairs(sz) do out[i] = n == -1 and i > lead and shape[i - lead] or n end
  return op "expand"(x, {shape = out})
end

--- x:narrow(dim, start, length): a part of one dimension.
function T.narrow(x, dim, start, length)
  dim = along("narrow", x, dim)
  start, length = whole("narrow", "start", start), whole("narrow", "length", length)
  local n = raw.size(x, dim)
  if start < 0 then start = start + n end
  if start < 0 or length < 0 or start > n or length > n - start then
    fault("narrow: %d elements from %d do not lie in dimension %d of shape %s", length, start, dim, raw.shape(x))
  end
  return op "slice"(x, {dim = dim, start = start, stop = start + length, step = 1})
end

--- x:slice(dim, start, stop[, step]): elements start, start + step, … before stop, as x[start:stop:step] in PyTorch.
function T.slice(x, dim, start, stop, step)
  dim = along("slice", x, dim or 0)
  local n = raw.size(x, dim)
  local function clip(name, i)
    i = whole("slice", name, i)
    return math.max(0, math.min(n, i < 0 and i + n or i))
  end
  start, stop, step = clip("start", start or 0), clip("stop", stop or n), whole("slice", "step", step or 1, 1)
  return op "slice"(x, {dim = dim, start = start, stop = math.max(start, stop), step = step})
end

--- x:select(dim, i): element i of one dimension, which goes away.
function T.select(x, dim, i)
  dim = along("select", x, dim)
  i = whole("select", "index", i)
  local n = raw.size(x, dim)
  if i < -n or i >= n then fault("select: index %d is out of range for dimension %d of shape %s", i, dim, raw.shape(x)) end
  local part = x:narrow(dim, i % n, 1)
  local out = {unpack(raw.shape(part))}
  table.remove(out, dim + 1)
  return op "reshape"(part, {shape = out})
end

--- x:chunk(k, dim), x:split(n, dim): a list of parts along a dimension (default 0): k of them, or of n elements each.
function T.split(x, n, dim)
  dim, n = along("split", x, dim or 0), whole("split", "n", n, 1)
  local out, total = {}, raw.size(x, dim)
  for at = 0, total - 1, n do out[#out + 1] = x:narrow(dim, at, math.min(n, total - at)) end
  return out
end
function T.chunk(x, k, dim)
  dim, k = along("chunk", x, dim or 0), whole("chunk", "k", k, 1)
  return x:split(math.max(1, math.ceil(raw.size(x, dim) / k)), dim)
end

--- x:unbind(dim): a list of the elements along a dimension (default 0), which goes away.
function T.unbind(x, dim)
  dim = along("unbind", x, dim or 0)
  local out = {}
  for i = 0, raw.size(x, dim) - 1 do out[i + 1] = x:select(dim, i) end
  return out
end

-- ---- reductions ----

-- f(x, dims, keepdim): dims nil: over all.
local function reduction(name)
  return function(x, dims, keepdim)
    want(name, x)
    if type(dims) == "boolean" then fault("%s: expects a dimension, got %s", name, tostring(dims)) end
    return op(name)(x, {dims = dims ~= nil and axes(name, x, dims) or nil, keepdim = keepdim or false})
  end
end
T.sum = reduction "sum"
T.mean = reduction "mean"
T.prod = reduction "prod"

--- x:argmax([dim[, keepdim]]), x:argmin: where the greatest (least) is; without dim, its place in the flattened tensor.
local function place_of(name)
  return function(x, dim, keepdim)
    want(name, x)
    return op(name)(x, {dims = dim ~= nil and {axis(name, x, dim)} or nil, keepdim = keepdim or false})
  end
end
T.argmax = place_of "argmax"
T.argmin = place_of "argmin"

--- x:max(): the greatest number; x:max(dim): the greatest along a dimension, and where they are; x:max(y): elementwise.
local function extreme(name, arg, elementwise)
  return function(x, dim, keepdim)
    if is(dim) then return x[elementwise](x, dim) end
    if dim == nil then return op(name)(x, {}) end
    local d = axis(name, x, dim)
    return op(name)(x, {dims = {d}, keepdim = keepdim or false}), x[arg](x, d, keepdim)
  end
end
T.max = extreme("max", "argmax", "maximum")
T.min = extreme("min", "argmin", "minimum")

--- x:var([dim[, unbiased[, keepdim]]]): the variance, divided by n - 1 unless unbiased is false. x:std: its square root.
function T.var(x, dims, unbiased, keepdim)
  want("var", x)
  return op "var"(x, {dims = dims ~= nil and axes("var", x, dims) or nil, unbiased = unbiased ~= false, keepdim = keepdim or false})
end
function T.std(x, dims, unbiased, keepdim) return x:var(dims, unbiased, keepdim):sqrt() end

--- x:norm(): the root of the sum of squares.
function T.norm(x) return (x * x):sum():sqrt() end

--- x:all(), x:any(): whether all (any) numbers are not zero.
function T.all(x) return x:ne(0):sum():item() == raw.numel(x) end
function T.any(x) return x:ne(0):sum():item() > 0 end

--- x:equal(y): the same shape and the same numbers.
function T.equal(x, y) return raw.shape(want("equal", x)) == raw.shape(want("equal", y)) and raw.bytes(x) == raw.bytes(y) end

--- x:allclose(y[, rtol[, atol]]): whether |x - y| ≤ atol + rtol·|y| everywhere (1e-5 and 1e-8).
function T.allclose(x, y, rtol, atol)
  if raw.shape(x) ~= raw.shape(want("allclose", y)) then return false end
  return tensor.no_grad(function() return ((x - y):abs():le(y:abs() * (rtol or 1e-5) + (atol or 1e-8))):all() end)
end

--- x:topk(k): the k greatest along the last dimension, and where they are (a vector, or rows of a matrix).
function T.topk(x, k)
  local n = raw.rank(x) > 0 and raw.size(x, -1) or 1
  if whole("topk", "k", k, 1) > n then fault("topk: %d of %d elements", k, n) end
  local rows, values, places = x:reshape(-1, n):tolist(), {}, {}
  for r, row in ipairs(rows) do
    local order = {}
    for i = 1, n do order[i] = i end
    table.sort(order, function(a, b) if row[a] ~= row[b] then return row[a] > row[b] end return a < b end)
    for i = 1, k do
      values[(r - 1) * k + i], places[(r - 1) * k + i] = row[order[i]], order[i] - 1
    end
  end
  local shape = {unpack(raw.shape(x))}
  shape[#shape] = k
  return raw.from_list(shape, values), raw.from_list(shape, places, "int64")
end

-- ---- gradients ----

--- loss:backward([dy]): adds the gradient of loss to x.grad of every tensor beneath that requires one.
-- A tensor of more than one element needs dy, of its shape. Option {retain_graph = true} keeps the graph for another time.
function T.backward(x, dy, opts)
  if type(dy) == "table" then dy, opts = dy.gradient, dy end
  if opts ~= nil and type(opts) ~= "table" then fault("backward: expects options as a table, got %s", shown(opts)) end
  if type(dy) == "number" then dy = tensor.full(raw.shape(x), dy) end
  if dy ~= nil then want("backward", dy) end
  gradients.backward(x, dy, opts and (opts.retain_graph or opts.retain) or false)
end

--- x:retain_grad(): backward() keeps the gradient of x, a value that was computed, in x.grad, as it does for leaves. An error
-- where no gradient flows.
function T.retain_grad(x) return gradients.retain(want("retain_grad", x)) end

--- x:requires_grad_([on]): sets requires_grad (default true) and returns x.
function T.requires_grad_(x, on)
  x.requires_grad = on ~= false
  return x
end

-- ---- in place ----

--- x:copy_(y), x:fill_(v), x:zero_(), x:normal_([mean, std]), x:uniform_([a, b]): change the numbers of a tensor that was
--- not computed, in place; gradients do not see it.
function T.copy_(x, y)
  written(x)
  if type(y) == "number" then return raw.fill(x, y) end
  want("copy_", y)
  if raw.shape(y) ~= raw.shape(x) then y = tensor.no_grad(function() return y + tensor.zeros(raw.shape(x)) end) end
  return raw.copy(x, y)
end
function T.fill_(x, v) return raw.fill(written(x), number("fill_", "the value", v)) end
function T.zero_(x) return raw.fill(written(x), 0) end
function T.normal_(x, mean, std)
  return raw.redraw(written(x), "normal", number("normal_", "mean", mean or 0), number("normal_", "std", std or 1))
end
function T.uniform_(x, a, b)
  return raw.redraw(written(x), "uniform", number("uniform_", "a", a or 0), number("uniform_", "b", b or 1))
end

for name, meta in pairs {add_ = "__add", sub_ = "__sub", mul_ = "__mul", div_ = "__div", pow_ = "__pow"} do
  T[name] = function(x, y, opts)
    if opts ~= nil and type(opts) ~= "table" then fault("%s: expects options as a table, got %s", name, shown(opts)) end
    local alpha = opts and opts.alpha
    if alpha then y = y * alpha end
    return raw.copy(written(x), tensor.no_grad(T[meta], x, y), name)
  end
end
function T.clamp_(x, min, max) return raw.copy(written(x), tensor.no_grad(T.clamp, x, min, max), "clamp_") end

-- ---- printing, as PyTorch prints ----

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
  elseif hi > 0 and (hi / lo > 1000 or hi > 1e8 or lo < 1e-4) and (hi > 1e8 or lo < 1e-4 or hi / lo > 1000) then form = "%.4e" end
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
    if not last then return "[" .. table.concat(parts, "," .. ("\n"):rep(#shape - d) .. (" "):rep(indent + 1)) .. "]" end
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

-- Help for what has no comment of its own: the operation's own line.
local docs, ops = require("suture")._docs, graph.ops()
local same = {max = "x:max([dim[, keepdim]]): the greatest number; with dim also where they are; x:max(y): elementwise",
  min = "x:min([dim[, keepdim]]): the least number; with dim also where they are; x:min(y): elementwise"}
for name, f in pairs(T) do
  if type(f) == "function" and ops[name] and name:sub(1, 2) ~= "__" then
    docs[f] = same[name] or ("x:%s(…): %s"):format(name, ops[name].doc)
  end
end
for _, name in ipairs {"zeros", "ones", "randn", "rand"} do
  docs[tensor[name .. "_like"]] = ("%s_like(x): as %s, of x's shape."):format(name, name)
end
for _, name in ipairs {"add_", "sub_", "mul_", "div_", "pow_"} do
  docs[T[name]] = ("x:%s(y): %s in place, for tensors that no gradient flows through."):format(name, name:sub(1, -2))
end

require "suture.base.method"(T, {is = is, what = "a tensor", name = "x"})

tensor.tensor = tensor
return setmetatable(tensor, {__call = function(_, ...) return tensor.new(...) end, __name = "tensor module"})
