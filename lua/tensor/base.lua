--- What the files of this room share: the module `tensor`, the methods' table, the operations, and how dimensions are
-- read.
local core = require "suture.core"
local counted = require "suture.base.counted"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local raw, graph = core.tensor, core.graph
local is = raw.is

local base = {raw = raw, graph = graph, is = is}

base.tensor = {}          -- the module; also callable: tensor{…}
base.T = raw.metatable()  -- methods live in the metatable itself
base.T.__name = "suture.tensor"

base.places = 1 << 24 -- whole numbers up to here are exact in float32, and so are the places that an index names

-- The function of a core operation, found when first used.
local fns = {}
function base.op(name)
  local f = fns[name]
  if not f then
    f = graph.fn(name)
    if not f then fault("this build has no operation '%s'", name) end
    fns[name] = f
  end
  return f
end

--- What a value is, in words.
function base.class_of(v)
  if is(v) then return "a tensor" end
  local mt = type(v) == "table" and getmetatable(v)
  return mt and mt.__name or type(v)
end

--- x, or an error that says what came in place of a tensor.
function base.want(what, x)
  if not is(x) then fault("%s: expects a tensor, got %s", what, base.class_of(x)) end
  return x
end

-- For functions without arguments behind the tensor: refuses what came.
function base.alone(what)
  local read = options.arguments(what, "")
  return function(...) if select("#", ...) > 0 then read(...) end end
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

Shape.__index = counted.places("x.shape", "x:size(d) counts from 0, and -1 is the last", true)

--- A list of sizes that prints as shapes do.
function base.shape(list) return setmetatable(list, Shape) end

--- A dim as PyTorch reads it: 0-based, negative from the end. rank: that of x unless given.
function base.axis(what, x, d, rank)
  rank = rank or raw.rank(x)
  local i = math.tointeger(d)
  if not i then fault("%s: a dimension is a whole number, got %s", what, options.show(d)) end
  local room = math.max(rank, 1)
  if i < -room or i >= room then
    fault("%s: dimension %d is out of range for shape %s (%d to %d)", what, i, raw.shape(x), -room, room - 1)
  end
  return i < 0 and i + rank or i
end

--- The same for a list of dims, each named once.
function base.axes(what, x, dims)
  local out, seen, rank = {}, {}, raw.rank(x)
  for i, d in ipairs(dims) do
    out[i] = base.axis(what, x, d, rank)
    if seen[out[i]] then fault("%s: dimension %d is given twice", what, d) end
    seen[out[i]] = true
  end
  return out
end

return base
