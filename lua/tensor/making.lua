--- Tensors made of nothing, of lists, of random numbers, of files, and of other tensors joined.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local base = require "suture.tensor.base"
local tensor, raw, graph, is, op, class_of = base.tensor, base.raw, base.graph, base.is, base.op, base.class_of
local arguments, listed = options.arguments, options.listed

local leaf = " * dtype:dtype=nil requires_grad:bool=false" -- what every tensor that is made may be given

local function finish(x, requires_grad)
  if requires_grad then x.requires_grad = true end
  return x
end

-- ---- of lists ----

-- A name among the numbers of a list: it would be lost.
local function no_names(list)
  for k in next, list do
    if type(k) ~= "number" then
      fault("tensor: '%s' stands among the numbers: options go into a table of their own, tensor({…}, {%s = …})",
        tostring(k), tostring(k))
    end
  end
end

-- Walks a nested list, fills flat and returns its shape.
local function flatten(list, flat, depth, shape)
  if depth > 8 then fault("tensor: at most 8 dimensions") end
  local n = #list
  if next(list, n > 0 and n or nil) ~= nil then no_names(list) end
  if shape[depth] == nil then shape[depth] = n
  elseif shape[depth] ~= n then
    fault("tensor: rows of different lengths, %d and %d, in dimension %d", shape[depth], n, depth - 1)
  end
  for i = 1, n do
    local v = list[i]
    if is(v) then v = v:tolist() end
    if type(v) == "table" then
      if shape.leaf and shape.leaf <= depth then
        fault("tensor: a list and a number side by side in dimension %d", depth - 1)
      end
      flatten(v, flat, depth + 1, shape)
    else
      if type(v) ~= "number" and type(v) ~= "boolean" then fault("tensor: expects numbers, got %s", class_of(v)) end
      if shape.leaf and shape.leaf ~= depth then
        fault("tensor: a list and a number side by side in dimension %d", depth - 1)
      end
      shape.leaf = depth
      flat[#flat + 1] = v
    end
  end
end

-- What numbers are as they stand: all true or false: bool; all whole (or of these): int64; else float32.
local function natural_dtype(flat)
  local dtype = "bool"
  for _, v in ipairs(flat) do
    if math.type(v) == "float" then return "float32" end
    if type(v) == "number" then dtype = "int64" end
  end
  return #flat > 0 and dtype or "float32"
end

local new_args = arguments("tensor", "* dtype:dtype=nil requires_grad:bool=false")

--- tensor{…}: a tensor from a number or nested lists, row by row: `tensor{{1, 2}, {3, 4}}`.
-- Options in a second table: dtype ("float32", "int64", "bool"; default: whole numbers give int64, as in PyTorch),
-- requires_grad. The module itself has zeros, ones, cat, stack …
function tensor.new(value, ...)
  if ... ~= nil and not options.is_options(...) then
    fault("tensor: expects one list of numbers, as tensor{1, 2}, and options behind it, got %s as the second",
      options.show(...))
  end
  local dtype, requires_grad = new_args(...)
  if is(value) then return finish(raw.clone(dtype and value:to(dtype) or value), requires_grad) end
  local scalar = type(value) == "number" or type(value) == "boolean"
  if not scalar and type(value) ~= "table" then
    fault("tensor: expects a number or nested lists of numbers, got %s", class_of(value))
  end
  local flat, shape = {value}, {}
  if not scalar then
    flat = {}
    flatten(value, flat, 1, shape)
    shape.leaf = nil
  end
  return finish(raw.from_list(shape, flat, dtype or requires_grad and "float32" or natural_dtype(flat)), requires_grad)
end

-- ---- of one number ----

local zeros_args, ones_args = listed("zeros", "size:shape" .. leaf), listed("ones", "size:shape" .. leaf)

-- what: who asks, for errors.
local function filled(what, value, size, dtype, requires_grad)
  return finish(raw.full(size, value, dtype, what), requires_grad)
end

--- zeros(2, 3) or zeros({2, 3}): a tensor of zeros. Options: dtype ("float32"), requires_grad.
function tensor.zeros(...) return filled("zeros", 0, zeros_args(...)) end

--- ones(2, 3) or ones({2, 3}): a tensor of ones. Options: dtype ("float32"), requires_grad.
function tensor.ones(...) return filled("ones", 1, ones_args(...)) end

local full_args = arguments("full", "size:shape fill_value:scalar" .. leaf)

-- One value, true or false among them, and the dtype it has as it stands.
local function one(value, dtype, requires_grad)
  dtype = dtype or requires_grad and "float32" or natural_dtype {value}
  return value == true and 1 or value == false and 0 or value, dtype
end

--- full({2, 3}, fill_value): a tensor of one value. Options: dtype (default: 7 gives int64, 7.0 float32, true bool, as
-- in PyTorch), requires_grad.
function tensor.full(...)
  local size, value, dtype, requires_grad = full_args(...)
  value, dtype = one(value, dtype, requires_grad)
  return filled("full", value, size, dtype, requires_grad)
end

-- ---- of random numbers ----

local randn_args = listed("randn", "size:shape * dtype:float32=nil requires_grad:bool=false")
local rand_args = listed("rand", "size:shape * dtype:float32=nil requires_grad:bool=false")

--- randn(2, 3): numbers of the standard normal distribution. Options: requires_grad. See seed.
function tensor.randn(...)
  local size, _, requires_grad = randn_args(...)
  return finish(raw.random("normal", size, 0, 1, "randn"), requires_grad)
end

--- rand(2, 3): numbers spread evenly over [0, 1). Options: requires_grad. See seed.
function tensor.rand(...)
  local size, _, requires_grad = rand_args(...)
  return finish(raw.random("uniform", size, 0, 1, "rand"), requires_grad)
end

-- f(a) or f(a, …) where what stands first may be left out: `missing` is put there when only `few` came by place.
local function with_first(missing, few, ...)
  local n = select("#", ...)
  local last = select(n > 0 and n or 1, ...)
  if n > 0 and options.is_options(last) then n = n - 1 end
  if n == few then return missing, ... end
  return ...
end

local randint_args = arguments("randint", "low:int high:int size:shape * dtype:dtype=int64 requires_grad:bool=false")

--- randint([low,] high, size): whole numbers from low (default 0) to high - 1. Options: dtype ("int64"), requires_grad.
function tensor.randint(...)
  local named = select(math.max(1, select("#", ...)), ...)
  local few = options.is_options(named) and named.size and 1 or 2
  local low, high, size, dtype, requires_grad = randint_args(with_first(0, few, ...))
  if high <= low then fault("randint: expects low < high, got %d and %d", low, high) end
  local x = raw.random("randint", size, low, high, "randint")
  return finish(dtype == "int64" and x or raw.cast(x, dtype), requires_grad)
end

local randperm_args = arguments("randperm", "n:natural * dtype:dtype=int64")

--- randperm(n): the numbers 0 … n-1 in random order. Option: dtype ("int64").
function tensor.randperm(...)
  local n, dtype = randperm_args(...)
  local x = raw.random("permutation", {n}, 0, 1, "randperm")
  return dtype == "int64" and x or raw.cast(x, dtype)
end

local seed_args = arguments("seed", "n:int")

--- seed(n): starts the random numbers anew; the same seed gives the same numbers, whatever the number of threads.
function tensor.seed(...) core.engine.seed((seed_args(...))) end
tensor.manual_seed = tensor.seed

-- ---- of numbers in a row ----

local arange_args = arguments("arange", "start:finite stop:finite step:finite=1" .. leaf)

--- arange([start,] stop[, step]): start, start + step, … before stop; stop is not included. Options: dtype (default:
-- int64 where all three are whole), requires_grad.
function tensor.arange(...)
  if ... == nil then fault "arange: expects arange(stop) or arange(start, stop, step)" end
  local start, stop, step, dtype, requires_grad = arange_args(with_first(0, 1, ...))
  if step == 0 then fault "arange: the step is not 0" end
  local n = math.max(0, math.ceil((stop - start) / step))
  if n > 2 ^ 53 then fault("arange: %g numbers are out of reach", n) end
  local whole = math.type(start) == "integer" and math.type(stop) == "integer" and math.type(step) == "integer"
  return finish(raw.arange(start, step, n, dtype or whole and not requires_grad and "int64" or "float32", "arange"),
    requires_grad)
end

local linspace_args = arguments("linspace", "start:finite stop:finite steps:natural" .. leaf)

--- linspace(start, stop, steps): numbers at equal distances, both ends included. Options: dtype ("float32"),
-- requires_grad.
function tensor.linspace(...)
  local start, stop, steps, dtype, requires_grad = linspace_args(...)
  local x = raw.arange(start, steps > 1 and (stop - start) / (steps - 1) or 0, steps, "float32", "linspace")
  return finish((dtype or "float32") == "float32" and x or raw.cast(x, dtype), requires_grad)
end

local eye_args = arguments("eye", "n:natural m:natural=nil" .. leaf)

--- eye(n[, m]): ones on the diagonal of an n × m matrix. Options: dtype ("float32"), requires_grad.
function tensor.eye(...)
  local n, m, dtype, requires_grad = eye_args(...)
  m = m or n
  local x = raw.eye(n, m, "eye")
  return finish((dtype or "float32") == "float32" and x or raw.cast(x, dtype), requires_grad)
end

-- ---- like another ----

local like = " * dtype:dtype=nil requires_grad:bool=false"
local zeros_like_args, ones_like_args = arguments("zeros_like", "input:tensor" .. like), arguments("ones_like",
  "input:tensor" .. like)
local full_like_args = arguments("full_like", "input:tensor fill_value:scalar" .. like)

local function filled_like(value, x, dtype, requires_grad)
  return filled("full_like", value, raw.shape(x), dtype or requires_grad and "float32" or raw.dtype(x), requires_grad)
end

--- zeros_like(x): zeros of x's shape and dtype. Options: dtype, requires_grad.
function tensor.zeros_like(...) return filled_like(0, zeros_like_args(...)) end

--- ones_like(x): ones of x's shape and dtype. Options: dtype, requires_grad.
function tensor.ones_like(...) return filled_like(1, ones_like_args(...)) end

--- full_like(x, fill_value): one value in x's shape and dtype. Options: dtype, requires_grad.
function tensor.full_like(...)
  local x, value, dtype, requires_grad = full_like_args(...)
  return filled_like(value == true and 1 or value == false and 0 or value, x, dtype, requires_grad)
end

local drawn_like = "input:tensor * dtype:float32=nil requires_grad:bool=false"
local randn_like_args, rand_like_args = arguments("randn_like", drawn_like), arguments("rand_like", drawn_like)

local function draw_like(what, make, x, dtype, requires_grad)
  if not dtype and raw.dtype(x) ~= "float32" then
    fault('%s: numbers are drawn in float32, x is %s (option dtype = "float32")', what, raw.dtype(x))
  end
  return make(raw.shape(x), {requires_grad = requires_grad})
end

--- randn_like(x): numbers of the standard normal distribution in x's shape. Options: dtype ("float32"), requires_grad.
function tensor.randn_like(...) return draw_like("randn_like", tensor.randn, randn_like_args(...)) end

--- rand_like(x): numbers spread evenly over [0, 1) in x's shape. Options: dtype ("float32"), requires_grad.
function tensor.rand_like(...) return draw_like("rand_like", tensor.rand, rand_like_args(...)) end

-- ---- of others, joined ----

local cat_args = arguments("cat", "tensors:tensors dim:dim=0")
local stack_args = arguments("stack", "tensors:tensors dim:dim=0")
local WIDTH = 8 -- how many inputs a core operation has

local function concat(x, dim)
  return base.op "concat"(x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], {dim = dim})
end

--- cat({a, b, …}[, dim (0)]): tensors joined along a dimension.
function tensor.cat(list, dim, ...)
  if math.type(dim) ~= "integer" or type(list) ~= "table" or #list == 0 or #list > WIDTH or select("#", ...) > 0 then
    list, dim = cat_args(list, dim, ...)
  else
    for _, x in ipairs(list) do
      if not raw.is(x) then list, dim = cat_args(list, dim) end
    end
  end
  if #list == 0 then fault "cat: expects at least one tensor" end
  dim = base.axis("cat", list[1], dim)
  if #list == 1 then return list[1] end
  if #list <= WIDTH then return concat(list, dim) end
  local function join(from, to)
    if from == to then return list[from] end
    local parts, n = {}, to - from + 1
    local step = n <= WIDTH and 1 or math.ceil(n / WIDTH)
    local k = 0
    for i = from, to, step do
      k = k + 1
      parts[k] = join(i, math.min(i + step - 1, to))
    end
    return concat(parts, dim)
  end
  return join(1, #list)
end

--- stack({a, b, …}[, dim (0)]): tensors of one shape joined along a new dimension.
function tensor.stack(...)
  local list, dim = stack_args(...)
  if #list == 0 then fault "stack: expects at least one tensor" end
  dim = base.axis("stack", list[1], dim, raw.rank(list[1]) + 1)
  local out = {}
  for i, x in ipairs(list) do
    if raw.shape(x) ~= raw.shape(list[1]) then
      fault("stack: expects tensors of one shape, got %s and %s", raw.shape(list[1]), raw.shape(x))
    end
    out[i] = x:unsqueeze(dim)
  end
  return tensor.cat(out, dim)
end

local where_args = arguments("where", "condition:tensor x:operand y:operand")

--- where(condition, x, y): x where the condition is true, y elsewhere. Shapes broadcast; x and y may be numbers.
function tensor.where(...) return op "where"(where_args(...)) end

-- ---- of files ----

local load_args, save_args = arguments("load_tensor", "path:str"), arguments("save_tensor", "x:tensor path:str")

--- load_tensor("x.npy"): reads a NumPy file.
function tensor.load_tensor(...) return core.file.load_npy((load_args(...))) end

--- save_tensor(x, "x.npy"): writes a NumPy file that numpy.load reads. save({x = x}, "x.safetensors") writes others.
function tensor.save_tensor(...)
  local x, path = save_args(...)
  if not path:lower():find "%.npy$" then
    fault("save_tensor: %s: writes NumPy's files, whose names end in .npy · save({x = x}, \"x.pth\") and .safetensors "
      .. "write PyTorch's", path)
  end
  core.file.save_npy(path, x)
end

--- is_tensor(x): whether x is a tensor.
function tensor.is_tensor(x) return is(x) end

-- ---- gradients on and off ----

local function restored(mode, ok, ...)
  graph.grad_mode(mode)
  if not ok then error((...), 0) end
  return ...
end

local function called(what, on, f, ...)
  if type(f) ~= "function" and not (getmetatable(f) or {}).__call then
    fault("%s: expects a function, got %s", what, class_of(f))
  end
  return restored(graph.grad_mode(on), pcall(f, ...))
end

--- no_grad(f, …): calls f(…) with gradients off, and returns what it returns. They are on again after an error too.
function tensor.no_grad(f, ...) return called("no_grad", false, f, ...) end

--- enable_grad(f, …): the opposite of no_grad, for code inside it.
function tensor.enable_grad(f, ...) return called("enable_grad", true, f, ...) end

