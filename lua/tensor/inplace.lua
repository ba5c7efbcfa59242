--- Functions that end in "_": they change a tensor in place (views.lua says how). What changes is announced to the
-- journal first.
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local base = require "suture.tensor.base"
local views = require "suture.tensor.views"
local tensor, T, raw, graph, is = base.tensor, base.T, base.raw, base.graph, base.is
local arguments, alone = options.arguments, base.alone
local docs = require "suture.base.docs"

-- A value of x's dtype and shape, from a number or a tensor that broadcasts.
local function fitting(what, x, y)
  if type(y) == "number" then return raw.full(raw.shape(x), y, raw.dtype(x)) end
  if raw.shape(y) ~= raw.shape(x) then y = base.stretched(what, y, raw.shape(x)) end
  return y:to(raw.dtype(x))
end

local copy_args, fill_args, zero_alone = arguments("copy_", "src:operand"), arguments("fill_", "value:operand"),
  alone "zero_"

--- x:copy_(y): x's numbers become y's, which broadcasts. Gradients flow to y; where x is a leaf that requires one,
-- they do not see it.
function T.copy_(x, ...) return views.write("copy_", x, fitting("copy_", x, (copy_args(...)))) end

--- x:fill_(value): all of x's numbers become one.
function T.fill_(x, ...)
  local value = fill_args(...)
  if is(value) then
    if raw.rank(value) > 0 then fault("fill_: value expects a number or a scalar, got shape %s", raw.shape(value)) end
    if graph.grad_mode() and raw.requires_grad(value) then
      return views.write("fill_", x, fitting("fill_", x, value))
    end
    value = tonumber(value:item()) or (value:item() and 1 or 0)
  end
  if raw.dtype(x) == "int64" then value = value < 0 and math.ceil(value) or math.floor(value) end
  if raw.dtype(x) == "bool" then value = value ~= 0 and 1 or 0 end
  return views.fill("fill_", x, value)
end

--- x:zero_(): all of x's numbers become 0.
function T.zero_(x, ...)
  zero_alone(...)
  return views.fill("zero_", x, 0)
end

-- Numbers drawn anew; in whole numbers they would be cut.
local function redrawn(what, x, kind, a, b)
  if raw.dtype(x) ~= "float32" then fault("%s: numbers are drawn in float32, x is %s", what, raw.dtype(x)) end
  return views.write(what, x, raw.random(kind, raw.shape(x), a, b))
end

local normal_args, uniform_args = arguments("normal_", "mean:finite=0 std:rate=1"), arguments("uniform_",
  "from:finite=0 to:finite=1")

--- x:normal_([mean (0), std (1)]): numbers of this normal distribution take the place of x's.
function T.normal_(x, ...) return redrawn("normal_", x, "normal", normal_args(...)) end

--- x:uniform_([from (0), to (1)]): numbers spread evenly over [from, to) take the place of x's.
function T.uniform_(x, ...)
  local from, to = uniform_args(...)
  if from > to then fault("uniform_: expects from ≤ to, got %s and %s", from, to) end
  return redrawn("uniform_", x, "uniform", from, to)
end

-- Whether a gradient flows to any of these operands, or to one in a table of options.
local function flows(...)
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if is(v) then
      if raw.requires_grad(v) then return true end
    elseif type(v) == "table" then
      for _, w in pairs(v) do if is(w) and raw.requires_grad(w) then return true end end
    end
  end
  return false
end

-- name_: x:name(…) takes the place of x's numbers.
local function in_place(name)
  local f, what = T[name], name .. "_"
  T[what] = function(x, ...)
    local y
    local root = views.box(x)
    if graph.grad_mode() and raw.requires_grad(root) and not graph.op_of(root) then
      if flows(...) then views.way(what, x, root, true) end
      y = tensor.no_grad(f, x, ...)
    else
      y = f(x, ...)
    end
    if raw.shape(y) ~= raw.shape(x) then
      fault("%s: the result has shape %s and does not fit into %s", what, raw.shape(y), raw.shape(x))
    end
    local got, own = raw.dtype(y), raw.dtype(x)
    if got ~= own and (got == "float32" or own == "bool") then
      fault("%s: the result is %s and does not fit into %s (x:%s())", what, got, own,
        got == "int64" and "long" or "float")
    end
    return views.write(what, x, y:to(raw.dtype(x)))
  end
  docs[T[what]] = ("x:%s(…): x:%s(…) in place. Gradients flow through it; where x is a leaf that requires one, they do "
    .. "not see it."):format(what, name)
end
for _, name in ipairs {"add", "sub", "mul", "div", "pow", "clamp", "neg", "exp", "log", "sqrt", "abs", "relu",
  "sigmoid", "tanh", "floor",
  "ceil", "round"} do in_place(name) end
