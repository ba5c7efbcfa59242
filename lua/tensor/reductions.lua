--- Many numbers made fewer: sums, extremes, norms, and whether all or any of them are so.
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local stray = require "suture.base.stray"
local base = require "suture.tensor.base"
local tensor, T, raw, is, op, axis, axes = base.tensor, base.T, base.raw, base.is, base.op, base.axis, base.axes
local arguments = options.arguments
local docs = require "suture.base.docs"

-- The dims of a core reduction: none named: all of them.
local function over(what, x, dims) return dims and axes(what, x, dims) or nil end

-- ---- sums ----

local sum_args = arguments("sum", "dim:dims=nil keepdim:bool=false dtype:dtype=nil")
local mean_args = arguments("mean", "dim:dims=nil keepdim:bool=false dtype:float32=nil")
local prod_args = arguments("prod", "dim:dim=nil keepdim:bool=false dtype:dtype=nil")

local function reduced(name, x, dims, keepdim, dtype)
  if dtype then x = x:to(dtype) end
  return op(name)(x, {dims = over(name, x, dims), keepdim = keepdim})
end

--- x:sum([dim[, keepdim[, dtype]]]): the sum over a dimension or a list of them (default: all). keepdim (false): they
-- stay, with length 1. dtype: what x is made first.
function T.sum(x, ...) return reduced("sum", x, sum_args(...)) end

--- x:mean([dim[, keepdim]]): the mean over a dimension or a list of them (default: all). keepdim (false): they stay,
-- with length 1.
function T.mean(x, ...) return reduced("mean", x, mean_args(...)) end

--- x:prod([dim[, keepdim[, dtype]]]): the product over one dimension (default: all numbers). keepdim (false): it stays,
-- with length 1. dtype: what x is made first.
function T.prod(x, ...)
  local dim, keepdim, dtype = prod_args(...)
  return reduced("prod", x, dim and {dim}, keepdim, dtype)
end

-- ---- extremes ----

local function place_of(name, x, dim, keepdim)
  if dim then dim = axis(name, x, dim) end
  if raw.rank(x) == 0 and raw.numel(x) == 1 then dim = nil end -- a scalar has one place, whatever dimension is meant
  return op(name)(x, {dims = dim and {dim} or nil, keepdim = keepdim})
end

local argmax_args = arguments("argmax", "dim:dim=nil keepdim:bool=false")
local argmin_args = arguments("argmin", "dim:dim=nil keepdim:bool=false")

--- x:argmax([dim[, keepdim]]): where the greatest is, the first of equals; without dim its place in the flattened
-- tensor.
function T.argmax(x, ...) return place_of("argmax", x, argmax_args(...)) end

--- x:argmin([dim[, keepdim]]): where the least is, the first of equals; without dim its place in the flattened tensor.
function T.argmin(x, ...) return place_of("argmin", x, argmin_args(...)) end

-- One, with dim the value and its place; the value's gradient goes to that place.
local function extreme(name, arg, elementwise)
  local read, other = arguments(name, "dim:dim=nil keepdim:bool=false"), arguments(name, "other:tensor")
  return function(x, first, ...)
    if is(first) or options.is_options(first) and first.other ~= nil then return T[elementwise](x, other(first,
      ...)) end
    local dim, keepdim = read(first, ...)
    if dim == nil then
      if keepdim then fault("%s: keepdim goes with a dimension, as x:%s(0, true)", name, name) end
      return op(name)(x, {})
    end
    dim = axis(name, x, dim)
    local dims = raw.rank(x) > 0 and {dim} or nil
    return op(name)(x, {dims = dims, keepdim = keepdim, first = true}), place_of(arg, x, dim, keepdim)
  end
end

T.max = extreme("max", "argmax", "maximum")
T.min = extreme("min", "argmin", "minimum")
for _, name in ipairs {"max", "min"} do
  local most, more = name == "max" and "greatest" or "least", name == "max" and "greater" or "lesser"
  docs[T[name]] = ([[x:%s(): the %s number. x:%s(dim[, keepdim]): the %s along a dimension, and where they are;
x:%s(y): the %s of both, element by element. Among equals the gradient is shared by %s() and a%s, and goes to the
place named by %s(dim).]]):format(name, most, name, most, name, more, name, name, name)
end

local amax_args = arguments("amax", "dim:dims=nil keepdim:bool=false")
local amin_args = arguments("amin", "dim:dims=nil keepdim:bool=false")

--- x:amax([dim[, keepdim]]): the greatest over a dimension or a list of them (default: all); the gradient is shared
-- among equals.
function T.amax(x, ...) return reduced("max", x, amax_args(...)) end

--- x:amin([dim[, keepdim]]): the least over a dimension or a list of them (default: all); the gradient is shared among
-- equals.
function T.amin(x, ...) return reduced("min", x, amin_args(...)) end

-- ---- spread ----

-- The square root of what is never below 0, without a gradient at 0 (where the root has none), as PyTorch's norm and
-- std.
local function root(x)
  local some = x:ne(0)
  return tensor.where(some, x, 1):sqrt() * some:float()
end
base.root = root

-- dim, correction and keepdim of var and std: (unbiased) or (dim, unbiased, keepdim), or by name.
local spread_args, all_args = {}, {}
for _, name in ipairs {"var", "std"} do
  spread_args[name] = arguments(name, "dim:dims=nil unbiased:bool=nil keepdim:bool=false * correction:natural=nil")
  all_args[name] = arguments(name, "unbiased:bool")
end
local function variance(name, x, ...)
  local dims, unbiased, keepdim, correction
  if type((...)) == "boolean" then unbiased = all_args[name](...)
  else dims, unbiased, keepdim, correction = spread_args[name](...) end
  if correction and unbiased ~= nil then fault("%s: takes unbiased or correction, not both", name) end
  correction = correction or (unbiased == false and 0 or 1)
  dims = over(name, x, dims)
  local y = op "var"(x, {dims = dims, unbiased = correction == 1, keepdim = keepdim or false})
  if correction < 2 then return y end
  local n = raw.numel(x) // math.max(1, raw.numel(y))
  y = op "var"(x, {dims = dims, unbiased = false, keepdim = keepdim or false})
  return y * (n / math.max(0, n - correction))
end

--- x:var([dim[, unbiased[, keepdim]]]), x:var(unbiased): the variance over a dimension or a list of them (default:
-- all), divided by n - 1 unless unbiased is false, or by n - correction (option, default 1).
function T.var(x, ...) return variance("var", x, ...) end

--- x:std([dim[, unbiased[, keepdim]]]), x:std(unbiased): the square root of x:var. Its gradient is 0 where all numbers
-- are equal.
function T.std(x, ...) return root(variance("std", x, ...)) end

local norm_args = arguments("norm", "p:any=2 dim:dims=nil keepdim:bool=false dtype:float32=nil")

--- x:norm([p (2), dim, keepdim (false)]): (Σ |x|ᵖ)^(1/p) over a dimension or a list of them (default: all). p: a
-- number; math.huge: the greatest |x|, -math.huge the least; 0: how many are not 0; "fro": 2. The gradient is 0 where
-- the norm is.
function T.norm(x, ...)
  local p, dims, keepdim = norm_args(...)
  if p == "fro" then p = 2 end
  if math.type(p) == "integer" then p = p + 0.0 end
  if type(p) ~= "number" or p ~= p then
    fault('norm: p expects a number, math.huge or "fro", got %s', options.show(p))
  end
  local attrs = {dims = over("norm", x, dims), keepdim = keepdim}
  if p == 2 then return root(op "sum"(x * x, attrs)) end
  if p == 0 then return op "sum"(x:sign() * x:sign(), attrs) end
  local size = x:abs()
  if p == 1 then return op "sum"(size, attrs) end
  if p == math.huge then return op "max"(size, attrs) end
  if p == -math.huge then return op "min"(size, attrs) end
  if p < 0 then -- 0 where any of them is, without a gradient
    local some, all = size:ne(0), op "min"(size, attrs):ne(0)
    local sum = op "sum"(tensor.where(some, size, 1) ^ p, attrs)
    return tensor.where(all, sum, 1) ^ (1 / p) * all:float()
  end
  local some = size:ne(0)
  local sum = op "sum"(tensor.where(some, size, 1) ^ p * some:float(), attrs)
  local any = sum:ne(0)
  return tensor.where(any, sum, 1) ^ (1 / p) * any:float()
end

-- ---- true or false ----

local all_of_args, any_args = arguments("all", "dim:dim=nil keepdim:bool=false"), arguments("any",
  "dim:dim=nil keepdim:bool=false")

-- How many are (not) zero along dim, compared with zero: exact at any size, as no count but 0 has to be.
local function counted(what, count, against, dim, keepdim)
  if dim == nil then
    if keepdim then fault("%s: keepdim goes with a dimension, as x:%s(0, true)", what, what) end
    return op(against)(op "sum"(count, {}), 0):item()
  end
  dim = axis(what, count, dim)
  return op(against)(op "sum"(count, {dims = raw.rank(count) > 0 and {dim} or nil, keepdim = keepdim}), 0)
end

--- x:all(): whether all numbers are not zero: true or false, as Lua has them. x:all(dim[, keepdim]): along a dimension,
-- as a tensor.
function T.all(x, ...) return counted("all", x:eq(0), "eq", all_of_args(...)) end

--- x:any(): whether any number is not zero: true or false, as Lua has them. x:any(dim[, keepdim]): along a dimension,
-- as a tensor.
function T.any(x, ...) return counted("any", x:ne(0), "gt", any_args(...)) end

local equal_args = arguments("equal", "other:tensor")

--- x:equal(y): the same shape and the same numbers. What stands behind y, as in a:equal(b:max(0)), is another value of
-- that call.
function T.equal(x, ...)
  local y, behind = ...
  if is(y) and is(behind) then stray.refuse("equal", 1, y, select(3, ...)) else y = equal_args(...) end
  return raw.shape(x) == raw.shape(y) and (raw.numel(x) == 0 or x:eq(y):all())
end

local allclose_args = arguments("allclose", "other:tensor rtol:rate=1e-5 atol:rate=1e-8 equal_nan:bool=false")

--- x:allclose(y[, rtol (1e-5), atol (1e-8), equal_nan (false)]): whether |x - y| ≤ atol + rtol·|y| everywhere; equal
-- infinities are close, NaN to NaN only with equal_nan. Shapes differ: false.
function T.allclose(x, ...)
  local y, rtol, atol, equal_nan = allclose_args(...)
  if raw.shape(x) ~= raw.shape(y) then return false end
  return tensor.no_grad(function()
    local bound = y:abs() * rtol + atol
    local near = ((x - y):abs():le(bound) * bound:lt(math.huge)) + x:eq(y)
    if equal_nan then near = near + x:ne(x) * y:ne(y) end
    return near:all()
  end)
end

-- ---- the k greatest ----

local topk_args = arguments("topk", "k:natural dim:dim=-1 largest:bool=true sorted:bool=true")

--- x:topk(k[, dim (-1), largest (true), sorted]): the k greatest (least) along a dimension, in order, and where they
-- are. NaN counts as the greatest, as in PyTorch; they come sorted in any case.
function T.topk(x, ...)
  local k, dim, largest = topk_args(...)
  local rank = raw.rank(x)
  dim = axis("topk", x, dim)
  local n = rank > 0 and raw.size(x, dim) or 1
  if k > n or rank == 0 and k == 0 then fault("topk: %d of %d element%s", k, n, n == 1 and "" or "s") end
  local last = rank > 0 and x:transpose(dim, -1) or x
  local shape = {table.unpack(raw.shape(last))}
  local flat = op "reshape"(last, {shape = {raw.numel(x)}})
  local numbers = raw.flat(flat)
  local values, places, taken = {}, {}, {}
  local function before(a, b, i, j) -- is number a at i to come before b at j?
    if a ~= a or b ~= b then
      if a ~= a and b ~= b then return i < j end
      return (a ~= a) == largest
    end
    if a ~= b then return (a > b) == largest end
    return i < j
  end
  for r = 0, (n > 0 and raw.numel(x) // n or 0) - 1 do
    local order, first = {}, r * n
    for i = 1, n do
      order[i] = i
      local v = numbers[first + i]
      if type(v) == "boolean" then numbers[first + i] = v and 1 or 0 end
    end
    table.sort(order, function(i, j) return before(numbers[first + i], numbers[first + j], i, j) end)
    for i = 1, k do
      local at = #places + 1
      values[at], places[at], taken[at] = numbers[first + order[i]], order[i] - 1, first + order[i] - 1
    end
  end
  if rank > 0 then shape[rank] = k end
  local where = raw.from_list(shape, places, "int64")
  local what
  if not raw.requires_grad(x) then what = raw.from_list(shape, values, raw.dtype(x)) else
    if raw.numel(x) > base.places then
      fault("topk: a gradient reaches at most %d elements, got %d (x:detach())", base.places, raw.numel(x))
    end
    what = op "reshape"(op "index_select"(flat, raw.from_list({#taken}, taken, "int64"), {dim = 0}), {shape = shape})
  end
  if rank > 0 then return what:transpose(dim, -1), where:transpose(dim, -1) end
  return what, where
end

-- tensor.name(x, …) as x:name(…)
for _, name in ipairs {"amax", "amin"} do
  tensor[name] = function(x, ...) return T[name](x, ...) end
  docs[tensor[name]] = T[name]
end
