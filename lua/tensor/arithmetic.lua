--- Element by element, matrix products, and what has the shape of its input.
local fault = require "suture.base.fault"
local note = require "suture.base.note"
local options = require "suture.base.options"
local base = require "suture.tensor.base"
local tensor, T, raw, is, op, class_of, want = base.tensor, base.T, base.raw, base.is, base.op, base.class_of, base.want
local arguments = options.arguments
local select = select
local docs, ops = require "suture.base.docs", base.graph.ops()

local function is_operand(v) return is(v) or type(v) == "number" end

local function is_bool(v) return is(v) and raw.dtype(v) == "bool" end

-- What an operation makes of bools, as in PyTorch: of two another bool, by this operation; or a word on what to write.
local of_bools = {add = "maximum", mul = "minimum", maximum = "maximum", minimum = "minimum"}
local refused = {sub = "a mask is inverted by x:eq(0), a:ne(b) tells where two differ, x:float() - y takes off numbers"}

-- A core operation of two tensors or numbers, as the operators call it.
local function binary(name)
  local same, why = of_bools[name], refused[name]
  return function(a, b)
    if not (is_operand(a) and is_operand(b)) then
      local other = a
      if is_operand(a) then other = b end
      fault("%s: expects tensors or numbers, got %s", name, class_of(other))
    end
    if (same or why) and (is_bool(a) or is_bool(b)) then
      if why then fault("%s: is not of bool tensors · %s", name, why) end
      if is_bool(a) and is_bool(b) then return op(same)(a, b):bool() end
    end
    return op(name)(a, b)
  end
end

-- The method of such an operation: its second operand by place or by name. What comes by place alone takes the short
-- way.
local function method(name, f, argument)
  local read = arguments(name, argument)
  return function(x, y, ...)
    if select("#", ...) > 0 or not is_operand(y) then y = read(y, ...) end
    return f(x, y)
  end
end

for name, sign in pairs {mul = "__mul", pow = "__pow"} do
  T[sign] = binary(name)
  T[name] = method(name, T[sign], name == "pow" and "exponent:operand" or "other:operand")
end
for name, sign in pairs {add = "__add", sub = "__sub"} do
  local f, read = binary(name), arguments(name, "other:operand * alpha:num=1")
  T[sign] = f
  T[name] = function(x, y, ...)
    local alpha = 1
    if select("#", ...) > 0 or not is_operand(y) then y, alpha = read(y, ...) end
    return f(x, alpha == 1 and y or y * alpha)
  end
  docs[T[name]] = ("x:%s(y[, {alpha = 1}]): x %s alpha · y; y a tensor or a number. Shapes broadcast."):format(name,
    name == "add" and "+" or "-")
end
docs[T.mul] = "x:mul(y): x · y, element by element; y a tensor or a number. Shapes broadcast."
docs[T.pow] = "x:pow(y): x to the power of y, a tensor or a number. Shapes broadcast."

local function is_whole(v) return math.type(v) == "integer" or (is(v) and raw.dtype(v) ~= "float32") end

-- Whole numbers stay whole when they are rounded.
local function rounded(what, x, f)
  if raw.dtype(want(what, x)) ~= "float32" then return x:clone() end
  return f(x)
end
local function floor(x) return op "floor"(x) end
local function ceil(x) return -op "floor"(-x) end

T.__div = binary "div"
local divided = require("suture.core").whole.divide -- whole numbers too great for float32; nil of others
local div_args = arguments("div", "other:operand * rounding_mode:trunc|floor=nil")

--- x:div(y[, {rounding_mode = "trunc"|"floor"}]): x / y; with a rounding_mode cut towards 0, or rounded down (whole
-- numbers then stay whole). Shapes broadcast.
function T.div(x, y, ...)
  local mode
  if select("#", ...) > 0 or not is_operand(y) then y, mode = div_args(y, ...) end
  local whole = mode and divided(x, y, mode)
  if whole then return whole end
  local q = T.__div(x, y)
  if not mode then return q end
  q = mode == "floor" and floor(q) or tensor.where(q:lt(0), ceil(q), floor(q))
  return is_whole(x) and is_whole(y) and q:long() or q
end

--- a // b: the quotient rounded down. a % b: what is left, with b's sign.
function T.__idiv(a, b)
  local whole = divided(a, b, "floor")
  if whole then return whole end
  local q = floor(T.__div(a, b))
  return is_whole(a) and is_whole(b) and q:long() or q
end
function T.__mod(a, b)
  local whole = divided(a, b, "rest")
  if whole then return whole end
  return T.__sub(a, T.__idiv(a, b) * b)
end

function T.__unm(x)
  if is_bool(x) then fault "neg: is not of bool tensors · a mask is inverted by x:eq(0)" end
  return op "neg"(x)
end

-- ---- comparisons ----

local signs = {eq = "=", ne = "≠", lt = "<", le = "≤", gt = ">", ge = "≥"}
for name, sign in pairs(signs) do
  local f = method(name, binary(name), "other:operand")
  T[name], tensor[name] = f, f
  docs[f] = ("x:%s(y): true where x %s y, element by element; y a tensor or a number. Shapes broadcast."):format(name,
    sign)
end
for _, name in ipairs {"maximum", "minimum"} do
  local f = method(name, binary(name), "other:operand")
  T[name], tensor[name] = f, f
  docs[f] = ("x:%s(y): the %s of both, element by element; y a tensor or a number. Shapes broadcast."):format(name,
    name == "maximum" and "greater" or "lesser")
end

local function first(x)
  local v = raw.flat(x)[1]
  return type(v) == "boolean" and (v and 1 or 0) or v
end

-- a == b: one true or false. Lua asks only of two tensors that are not the same object: t == 1 is false without a word.
function T.__eq(a, b)
  if not (is(a) and is(b)) then return false end
  if raw.numel(a) == 1 and raw.numel(b) == 1 then return first(a) == first(b) end
  note.once("tensor ==", ("note: x == y of shapes %s and %s asks whether they are the same object: "
    .. "x:eq(y) compares element by element, "
    .. "x:equal(y) the whole"):format(raw.shape(a), raw.shape(b)))
  return false
end
docs[T.eq] = docs[T.eq] .. "\nx == y compares tensors of one element by value, of others it asks whether they are the "
  .. "same object (x:equal(y) compares the whole);\nwith a number, x == 1, Lua itself answers false: x:item() == 1."

-- Lua makes one true or false of a comparison.
function T.__lt()
  fault "< and > give one true or false in Lua: x:lt(y), x:le(y), x:gt(y), x:ge(y) compare element by element"
end
T.__le = T.__lt

-- ---- of one tensor ----

-- A function of one tensor and no more.
local function unary(name, f, doc)
  local alone = base.alone(name)
  local function method_of(x, ...)
    if select("#", ...) > 0 then alone(...) end
    return f(x)
  end
  T[name], tensor[name] = method_of, method_of
  docs[method_of] = ("x:%s(): %s"):format(name, doc)
end

for _, name in ipairs {"neg", "exp", "log", "sqrt", "rsqrt", "square", "abs", "relu", "sigmoid", "tanh", "sign", "sin",
  "cos", "silu",
  "hardswish"} do
  unary(name, function(x) return op(name)(want(name, x)) end, ops[name].doc)
end
unary("reciprocal", function(x) return 1 / want("reciprocal", x) end, "1 / x.")
unary("floor", function(x) return rounded("floor", x, floor) end, "rounded down.")
unary("ceil", function(x) return rounded("ceil", x, ceil) end, "rounded up.")

local round_args = arguments("round", "* decimals:int=0")

--- x:round([{decimals = 0}]): the nearest whole number, halves to even; or the nearest with so many decimals (below 0:
-- tens, hundreds …).
function T.round(x, ...)
  local decimals = round_args(...)
  return rounded("round", x, function()
    if decimals == 0 then return op "round"(x) end
    local scale = 10.0 ^ math.abs(decimals)
    return decimals > 0 and op "round"(x * scale) / scale or op "round"(x / scale) * scale
  end)
end
tensor.round = T.round

local gelu_args = arguments("gelu", "approximate:none|tanh=none")

--- x:gelu([{approximate = "none"|"tanh"}]): x Φ(x), Φ the normal distribution; or its approximation by tanh.
-- Hendrycks & Gimpel 2016, arXiv:1606.08415.
function T.gelu(x, ...)
  local approximate = "none"
  if select("#", ...) > 0 then approximate = gelu_args(...) end
  return op "gelu"(want("gelu", x), {tanh = approximate == "tanh"})
end
tensor.gelu = T.gelu

local softplus_args = arguments("softplus", "beta:num=1 threshold:num=20")

--- x:softplus([beta (1), threshold (20)]): ln(1 + e^βx) / β; x itself where βx is above the threshold.
function T.softplus(x, ...)
  local beta, threshold = softplus_args(...)
  return op "softplus"(want("softplus", x), {beta = beta, threshold = threshold})
end
tensor.softplus = T.softplus

local clamp_args = arguments("clamp", "min:operand=nil max:operand=nil")

--- x:clamp(min, max): numbers below min become min, above max become max; nil: no bound. Each bound is a number, or a
-- tensor that broadcasts with x.
function T.clamp(x, ...)
  local min, max = clamp_args(...)
  if min == nil and max == nil then fault "clamp: expects a lower or an upper bound" end
  if not is(min) and not is(max) then return op "clamp"(x, {min = min or -math.huge, max = max or math.huge}) end
  local y = x
  if min ~= nil then y = tensor.where(y:lt(min), min, y) end
  if max ~= nil then y = tensor.where(y:gt(max), max, y) end
  return y
end
tensor.clamp = T.clamp

local softmax_args, log_softmax_args = arguments("softmax", "dim:dim=nil"), arguments("log_softmax", "dim:dim=nil")

-- Of a batch of rows it is clear which dimension is meant; of more PyTorch itself takes another than people expect.
local function classes_of(what, x, dim)
  if dim == nil and #raw.shape(want(what, x)) > 2 then
    fault("%s: over which dimension of %s? x:%s(-1) is over the last, x:%s(1) over channels", what, raw.shape(x), what,
      what)
  end
  return base.axis(what, x, dim or -1)
end

--- x:softmax([dim]): eˣ / Σ eˣ over one dimension; of a vector or a matrix the last, where none is said.
function T.softmax(x, ...) return op "softmax"(x, {dim = classes_of("softmax", x, (softmax_args(...)))}) end

--- x:log_softmax([dim]): the logarithm of softmax.
function T.log_softmax(x, ...)
  return op "log_softmax"(x, {dim = classes_of("log_softmax", x, (log_softmax_args(...)))})
end

-- ---- matrix products ----

local function product(what)
  local read = arguments(what, what == "matmul" and "other:tensor" or "mat2:tensor")
  return function(x, y, ...)
    if select("#", ...) > 0 or not is(y) then y = read(y, ...) end
    return x, y, raw.rank(x), raw.rank(y)
  end
end
local matmul_operands, mm_operands, bmm_operands = product "matmul", product "mm", product "bmm"

--- x:matmul(y): the matrix product over the last two dimensions; leading ones are batches, and broadcast. A vector is a
-- row on the left, a column on the right, and that dimension goes again.
function T.matmul(...)
  local x, y, m, n = matmul_operands(...)
  if m == 0 or n == 0 then
    fault("matmul: expects at least one dimension, got %s and %s", raw.shape(x), raw.shape(y))
  end
  if m > 1 and n > 1 then return op "matmul"(x, y) end
  local z = op "matmul"(m == 1 and x:unsqueeze(0) or x, n == 1 and y:unsqueeze(-1) or y)
  if n == 1 then z = z:squeeze(-1) end
  return m == 1 and z:squeeze(n == 1 and -1 or -2) or z
end

local function of_rank(what, rank, in_words, x, y, m, n)
  if m ~= rank or n ~= rank then
    fault("%s: expects two %s, got %s and %s (x:matmul(y) takes others)", what, in_words, raw.shape(x), raw.shape(y))
  end
  return op "matmul"(x, y)
end

--- x:mm(y): the product of two matrices.
function T.mm(...) return of_rank("mm", 2, "matrices", mm_operands(...)) end

--- x:bmm(y): the products of two batches of matrices, (N, a, b) and (N, b, c).
function T.bmm(x, y, ...)
  local a, b, m, n = bmm_operands(x, y, ...)
  if m == 3 and n == 3 and raw.size(a, 0) ~= raw.size(b, 0) then
    fault("bmm: expects batches of one length, got %s and %s", raw.shape(a), raw.shape(b))
  end
  return of_rank("bmm", 3, "batches of matrices", a, b, m, n)
end

local function function_of(name) -- tensor.name(x, …) as x:name(…)
  local f = T[name]
  tensor[name] = function(x, ...) return f(want(name, x), ...) end
  docs[tensor[name]] = f
end
for _, name in ipairs {"matmul", "mm", "bmm"} do function_of(name) end
