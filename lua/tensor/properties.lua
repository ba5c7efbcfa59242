--- What a tensor is: shape, numbers, dtype, and its place among gradients.
local counted = require "suture.base.counted"
local fault = require "suture.base.fault"
local gradients = require "suture.tensor.gradients"
local journal = require "suture.base.journal"
local options = require "suture.base.options"
local base = require "suture.tensor.base"
local views = require "suture.tensor.views"
local tensor, T, raw, graph, want, op = base.tensor, base.T, base.raw, base.graph, base.want, base.op
local arguments, alone = options.arguments, base.alone

-- ---- looking ----

local dim_alone, numel_alone, item_alone, tolist_alone = alone "dim", alone "numel", alone "item", alone "tolist"

--- x:dim(): how many dimensions.
function T.dim(x, ...)
  dim_alone(...)
  return raw.rank(x)
end

--- x:numel(): how many elements.
function T.numel(x, ...)
  numel_alone(...)
  return raw.numel(x)
end

local size_args = arguments("size", "dim:dim=nil")

--- x:size(): the shape; x:size(dim): the length of a dimension, from 0; below 0 from the end.
function T.size(x, ...)
  local d = size_args(...)
  if d == nil then return raw.shape(x) end
  if raw.rank(x) == 0 then fault "size: a scalar has no dimensions" end
  return raw.size(x, base.axis("size", x, d))
end

--- x:item(): the number in a tensor of one element.
function T.item(x, ...)
  item_alone(...)
  return raw.item(x)
end

--- x:tolist(): its numbers as nested Lua tables (a number for a scalar), which count from 1: x:tolist()[1] is x[0].
function T.tolist(x, ...)
  tolist_alone(...)
  local shape, flat, at = raw.shape(x), raw.flat(x), 0
  local function build(d)
    if d > #shape then
      at = at + 1
      return flat[at]
    end
    local out = {}
    for i = 1, shape[d] do out[i] = build(d + 1) end
    return counted.list(out, "x:tolist()", "x:tolist()[1] is x[0]")
  end
  return build(1)
end

-- ---- copies and dtypes ----

local clone_alone, detach_alone = alone "clone", alone "detach"

--- x:clone(): a new tensor with the same numbers; gradients flow through it.
function T.clone(x, ...)
  clone_alone(...)
  if graph.grad_mode() and raw.requires_grad(x) then return x * 1 end
  return raw.clone(x)
end

--- x:detach(): the same numbers, cut off from the graph that made them; they are shared, as with x.data.
function T.detach(x, ...)
  detach_alone(...)
  return views.detached(x)
end

local function cast(x, dtype)
  if raw.dtype(x) == dtype then return x end
  return raw.cast(x, dtype)
end

local to_args = arguments("to", "dtype:dtype")

--- x:to("int64"): the numbers shown and saved as another type; x itself where it has that type. x:float(), x:long(),
-- x:bool() too. x:to("cpu") is x: this engine computes on the CPU.
function T.to(x, dtype, ...)
  if dtype == "cpu" and select("#", ...) == 0 then return x end
  if type(dtype) == "string" and (dtype:find "^cuda" or dtype == "mps") then
    fault("to: this engine computes on the CPU, there is no %s to move to", dtype)
  end
  return cast(x, (to_args(dtype, ...)))
end

local function of_dtype(name, dtype)
  local none = alone(name)
  return function(x, ...)
    none(...)
    return cast(x, dtype)
  end
end
T.float, T.long, T.int, T.bool = of_dtype("float", "float32"), of_dtype("long", "int64"), of_dtype("int", "int64"),
  of_dtype("bool", "bool")
local docs = require "suture.base.docs"
docs[T.float] = "x:float(): x as float32; x itself where it is."
docs[T.long] = "x:long(): x as int64, cut towards 0; x itself where it is. No gradient flows through it.\n"
  .. "int64 is exact beyond 2^24 too where it is read, written, moved, compared, added, summed, multiplied and "
  .. "divided (// and %); other functions would round there, and refuse."
docs[T.int] = "x:int(): as x:long(): whole numbers are int64."
docs[T.bool] = "x:bool(): true where x is not 0. No gradient flows through it."

local contiguous_alone, cpu_alone = alone "contiguous", alone "cpu"

--- x:contiguous(): x where its numbers are all of a tensor, or a part, one after another; else a copy that is no view.
function T.contiguous(x, ...)
  contiguous_alone(...)
  if views.in_order(x) then return x end
  return op "reshape"(x, {shape = {table.unpack(raw.shape(x))}})
end

--- x:cpu(): x: this engine computes on the CPU.
function T.cpu(x, ...)
  cpu_alone(...)
  return x
end

-- ---- gradients ----

local backward_args = arguments("backward", "gradient:operand=nil retain_graph:bool=false")

--- loss:backward([gradient, retain_graph (false)]): adds the gradient of loss to x.grad of every tensor beneath that
-- requires one. A tensor of more than one element needs gradient, of its shape (a number: that everywhere).
-- {retain_graph = true} keeps the graph for another time.
function T.backward(x, ...)
  local dy, retain = backward_args(...)
  if type(dy) == "number" then dy = raw.full(raw.shape(x), dy) end
  gradients.backward(x, dy, retain)
end

local retain_grad_args = arguments("retain_grad", "")

--- x:retain_grad(): backward() keeps the gradient of x, a value that was computed, in x.grad, as it does for leaves.
-- An error where no gradient flows. Returns x.
function T.retain_grad(x, ...)
  retain_grad_args(...)
  return gradients.retain(x)
end

local requires_grad_args = arguments("requires_grad_", "requires_grad:bool=true")

--- x:requires_grad_([requires_grad (true)]): sets requires_grad and returns x.
function T.requires_grad_(x, ...)
  x.requires_grad = requires_grad_args(...)
  return x
end

-- ---- x.name, x.name = value ----

-- Where a function of the properties is needed: x.shape, x.dtype, x.grad …
base.get = {
  shape = raw.shape, dtype = raw.dtype, grad = raw.grad, requires_grad = raw.requires_grad, is_leaf = raw.is_leaf,
  ndim = raw.rank, data = T.detach,
  frozen = raw.frozen, -- no optimizer moves it: see m:freeze
  T = T.t,
}
base.set = {
  requires_grad = function(x, on)
    if type(on) ~= "boolean" then fault("requires_grad: expects true or false, got %s", options.show(on)) end
    if on and raw.dtype(x) ~= "float32" then
      fault("requires_grad: only float32 tensors can have gradients, this one is %s (x:float(), or write 1.0 for 1)",
        raw.dtype(x))
    end
    raw.requires_grad(journal.marks(x), on)
  end,
  grad = function(x, g) raw.grad(x, g ~= nil and want("grad", g) or nil) end,
  data = function(x, y) tensor.no_grad(T.copy_, x, want("data", y)) end,
}
