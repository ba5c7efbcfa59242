--- x[…] read and assigned: x[2], x["1:4"], x[{0, ":", "::2", "...", "None", mask, tensor}], as x[0, :, ::2, …] in
-- PyTorch: numbers, slices, all the dimensions between, a new dimension, and advanced indices: tensors of places and
-- masks.
local absent = require "suture.base.absent"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local options = require "suture.base.options"
local base = require "suture.tensor.base"
local views = require "suture.tensor.views"
local tensor, T, raw, is, op = base.tensor, base.T, base.raw, base.is, base.op
local unpack = table.unpack

-- ---- what stands in the brackets ----

local function refuse(item)
  fault('an index is a whole number, a slice as "1:4", "...", "None", a tensor of places or a mask, or a list of these '
    .. "in one table, "
    .. "got %s", options.show(item))
end

-- An item taken apart: {int=}, {start=, stop=, step=}, {dots=true}, {new=true}, {places=tensor} or {mask=tensor}.
local function item_of(v)
  if type(v) == "number" then return {int = math.tointeger(v) or refuse(v)} end
  if type(v) == "string" then
    if v == "..." then return {dots = true} elseif v == "None" then return {new = true} end
    local start, stop, step = v:match "^%s*(-?%d*)%s*:%s*(-?%d*)%s*:?%s*(-?%d*)%s*$"
    if not start then refuse(v) end
    step = step == "" and 1 or math.tointeger(step)
    if not step or step < 1 then fault("x[%q]: a step is a whole number of 1 or above (x:flip(dim) turns round)", v) end
    return {start = math.tointeger(start), stop = math.tointeger(stop), step = step}
  end
  if type(v) == "table" and not getmetatable(v) then v = tensor.new(v) end
  if not is(v) then refuse(v) end
  if raw.dtype(v) == "bool" then return {mask = v} end
  if raw.numel(v) == 0 then return {places = v} end
  if raw.dtype(v) ~= "int64" then
    local _, _, _, bad, whole = raw.stats(v)
    if bad > 0 or not whole then
      fault("an index is made of whole numbers or of true and false, got %s", raw.dtype(v))
    end
  end
  if raw.rank(v) == 0 then return {int = math.tointeger(v:item())} end
  return {places = v}
end

-- The items of a key. A table of numbers alone names one element: with fewer than dimensions it could as well be meant
-- as Python's list of places, x[[0, 2]].
local function items_of(x, key)
  if type(key) ~= "table" or getmetatable(key) then return {item_of(key)} end
  if #key == 0 then refuse(key) end
  local out, numbers = {}, true
  for i, v in ipairs(key) do
    out[i] = item_of(v)
    numbers = numbers and type(v) == "number"
  end
  if numbers and #out < raw.rank(x) then
    local list = table.concat(key, ", ")
    fault('x[{%s}]: %d of %d dimensions: x[{%s, "..."}] is the part there, x[{{%s}}] the places of dimension 0', list,
      #out, raw.rank(x),
      list, list)
  end
  return out
end

--- Whether a string is an index: a slice, "..." or "None".
local function is_slice(key) return key:find(":", 1, true) or key == "..." or key == "None" end

-- The places, per dimension, of what is true in a mask.
local function places_of(mask)
  local shape, lists, flat = raw.shape(mask), {}, raw.flat(mask)
  for d = 1, #shape do lists[d] = {} end
  for at, v in ipairs(flat) do
    if v then
      local rest = at - 1
      for d = #shape, 1, -1 do
        lists[d][#lists[d] + 1] = rest % shape[d]
        rest = rest // shape[d]
      end
    end
  end
  for d, list in ipairs(lists) do lists[d] = raw.from_list({#list}, list, "int64") end
  return lists
end

-- Places checked against the length n of dimension d, and counted from the front.
local function in_range(places, n, d)
  if raw.numel(places) == 0 then return places end
  local least, most = raw.stats(places)
  if least < -n or most >= n then
    fault("index %d is out of range for dimension %d of length %d (%d to %d)", least < -n and least or most, d, n, -n,
      n - 1)
  end
  return least < 0 and tensor.where(places:lt(0), places + n, places) or places
end

-- Applies the items to a cursor (see below). Returns the advanced indices left over: {{dim=, places=} …}.
local function walk(x, items, cursor)
  local shape, taken = raw.shape(x), 0
  local rank, dots = #shape, false
  for _, item in ipairs(items) do
    if item.dots then
      if dots then fault 'x[{…}]: "..." stands there twice' end
      dots = true
    elseif item.mask then taken = taken + raw.rank(item.mask)
    elseif not item.new then taken = taken + 1 end
  end
  if taken > rank then
    if rank == 0 then fault "cannot index a scalar (x:item() gives its number)" end
    fault("x[{…}]: %d indices for shape %s%s", taken, shape,
      rank == 1 and " (several places of one dimension: x[{{0, 2}}] or x[tensor{0, 2}])" or "")
  end
  local d, own, advanced = 0, 0, {} -- the dimension of the cursor, and of x
  for _, item in ipairs(items) do
    if item.dots then
      d, own = d + rank - taken, own + rank - taken
    elseif item.new then
      cursor:unsqueeze(d)
      d = d + 1
    elseif item.int then
      local n, i = shape[own + 1], item.int
      if i < -n or i >= n then
        fault("index %d is out of range for dimension %d of shape %s (%d to %d)%s", i, own, shape, -n, n - 1,
          i == n and #items == 1 and " · ipairs begins at 1 and misses x[0]: for i, v in pairs(x)" or "")
      end
      cursor:select(d, i % n)
      own = own + 1
    elseif item.step then
      local n = shape[own + 1]
      local function clip(i) return math.max(0, math.min(n, i < 0 and i + n or i)) end
      local start, stop = clip(item.start or 0), clip(item.stop or n)
      if start > 0 or stop < n or item.step > 1 then cursor:slice(d, start, math.max(start, stop), item.step) end
      d, own = d + 1, own + 1
    elseif item.places then
      advanced[#advanced + 1] = {dim = d, places = in_range(item.places, shape[own + 1], own)}
      d, own = d + 1, own + 1
    else
      local sides = raw.shape(item.mask)
      for k = 1, #sides do
        if sides[k] ~= shape[own + k] then
          fault("a mask of shape %s does not fit dimension %d of shape %s", sides, own + k - 1, shape)
        end
      end
      if #sides == 0 then refuse(item.mask) end
      for _, places in ipairs(places_of(item.mask)) do
        advanced[#advanced + 1] = {dim = d, places = places}
        d = d + 1
      end
      own = own + #sides
    end
  end
  return advanced
end

-- The shape that the places of all advanced indices broadcast to.
local function common_shape(advanced)
  local shape = {}
  for _, a in ipairs(advanced) do
    local own = raw.shape(a.places)
    local lead = math.max(#shape, #own)
    for k = 1, lead do
      local at, mine = #shape - k + 1, own[#own - k + 1] or 1
      if at < 1 then table.insert(shape, 1, mine)
      elseif shape[at] == 1 then shape[at] = mine
      elseif mine ~= 1 and mine ~= shape[at] then
        fault("x[{…}]: indices of shapes %s and %s do not broadcast", raw.shape(advanced[1].places), own)
      end
    end
  end
  return shape
end

-- Where the broadcast places come to stand among the dimensions left: in place of the first when they stand side by
-- side, in front otherwise, as in NumPy.
local function place_of(advanced)
  for k = 2, #advanced do
    if advanced[k].dim ~= advanced[k - 1].dim + 1 then return 0 end
  end
  return advanced[1].dim
end

-- The order of dims that brings `n` of them from the front to behind the first `at`; back: the other way.
local function moved(rank, n, at, back)
  local order = {}
  for d = 0, at - 1 do order[#order + 1] = n + d end
  for d = 0, n - 1 do order[#order + 1] = d end
  for d = n + at, rank - 1 do order[#order + 1] = d end
  if not back then return order end
  local inverse = {}
  for d, from in ipairs(order) do inverse[from + 1] = d - 1 end
  return inverse
end

-- ---- reading ----

local Reader = {}
Reader.__index = Reader
function Reader:unsqueeze(d) self.x = self.x:unsqueeze(d) end
function Reader:select(d, i) self.x = base.element(self.x, d, i) end
function Reader:slice(d, start, stop, step) self.x = self.x:slice(d, start, stop, step) end

-- The dimensions of x with advanced indices brought to the front and made one, of `many` places, in front of the
-- `rest`; which of them the indices name, in which shape and where it stands: {order=, rest=, many=, flat=, common=,
-- at=}.
local function arranged(x, advanced)
  local shape, among = raw.shape(x), {}
  local g = {common = common_shape(advanced), at = place_of(advanced), order = {}, rest = {}, many = 1}
  for _, a in ipairs(advanced) do g.order[#g.order + 1], among[a.dim] = a.dim, true end
  for d = 0, #shape - 1 do
    if not among[d] then g.order[#g.order + 1], g.rest[#g.rest + 1] = d, shape[d + 1] end
  end
  local flat
  for k = #advanced, 1, -1 do
    local a = advanced[k]
    flat = flat and flat + a.places * g.many or a.places
    g.many = g.many * shape[a.dim + 1]
  end
  if g.many > base.places then
    fault("x[{…}]: places among more than %d cannot be named, got %d", base.places, g.many)
  end
  g.flat = flat:expand(g.common):reshape(-1)
  return g
end

local function joined(a, b) return table.move(b, 1, #b, #a + 1, {unpack(a)}) end

local function gather(x, advanced)
  local shape, g = raw.shape(x), arranged(x, advanced)
  if #advanced == 1 then
    local sizes = joined({unpack(shape, 1, g.at)}, g.common)
    return op "reshape"(op "index_select"(x, g.flat, {dim = g.at}), {shape = joined(sizes, {unpack(shape, g.at + 2)})})
  end
  local out = op "reshape"(op "permute"(x, {dims = g.order}), {shape = {g.many, unpack(g.rest)}})
  local sizes = joined(g.common, g.rest)
  out = op "reshape"(op "index_select"(out, g.flat, {dim = 0}), {shape = sizes})
  return g.at == 0 and out or op "permute"(out, {dims = moved(#sizes, #g.common, g.at)})
end

local function read(x, key)
  local i = type(key) == "number" and math.tointeger(key)
  if i and i >= 0 and raw.rank(x) > 0 and i < raw.size(x, 0) then return base.element(x, 0, i) end -- what most keys are
  local reader = setmetatable({x = x}, Reader)
  local advanced = walk(x, items_of(x, key), reader)
  if #advanced > 0 then return gather(reader.x, advanced) end
  return reader.x
end

-- ---- assigning ----

-- A part of a tensor's numbers, in its row-major order: where it begins, its sizes, and the way from one element to the
-- next.
local Box = {}
Box.__index = Box
function Box:unsqueeze(d)
  table.insert(self.size, d + 1, 1)
  table.insert(self.step, d + 1, 0)
end
function Box:select(d, i)
  self.at = self.at + i * self.step[d + 1]
  table.remove(self.size, d + 1)
  table.remove(self.step, d + 1)
end
function Box:slice(d, start, stop, step)
  self.at = self.at + start * self.step[d + 1]
  self.size[d + 1] = (stop - start + step - 1) // step
  self.step[d + 1] = self.step[d + 1] * step
end

-- The sizes of the part that advanced indices name: the shape of their places among the dimensions left.
local function sizes_of(sizes, advanced)
  local common, at, among, left = common_shape(advanced), place_of(advanced), {}, {}
  for _, a in ipairs(advanced) do among[a.dim] = true end
  for d = 0, #sizes - 1 do if not among[d] then left[#left + 1] = sizes[d + 1] end end
  return joined(joined({unpack(left, 1, at)}, common), {unpack(left, at + 1)}), common, at
end

-- y, which broadcasts to the part that advanced indices name, with their places in front.
local function in_order(y, sizes, advanced)
  local all, common, at = sizes_of(sizes, advanced)
  y = base.stretched("x[…] = y", y, all)
  return at > 0 and op "permute"(y, {dims = moved(#all, #common, at, true)}) or y
end

-- The numbers y as boxes that begin at each of the places and have these dims of their own.
local function scatter(root, box, advanced, y)
  local common, among, size, step = common_shape(advanced), {}, {}, {}
  for _, a in ipairs(advanced) do among[a.dim] = true end
  for d = 0, #box.size - 1 do
    if not among[d] then
      size[#size + 1], step[#step + 1] = box.size[d + 1], box.step[d + 1]
    end
  end
  local places = {}
  for _, a in ipairs(advanced) do
    local way = box.step[a.dim + 1]
    for i, p in ipairs(raw.flat(a.places:expand(common):contiguous())) do places[i] = (places[i]
      or box.at) + math.tointeger(p) * way end
  end
  raw.put(root, places, size, step, is(y) and in_order(y, box.size, advanced) or y)
end

-- x with y where the advanced indices say, as a value that gradients flow through: of several numbers for one place
-- the last stays, and only its gradient is not zero.
local function scattered(x, advanced, y)
  local g, shape, sizes, back = arranged(x, advanced), raw.shape(x), {}, {}
  y = op "reshape"(in_order(y, shape, advanced), {shape = {raw.numel(g.flat), unpack(g.rest)}})
  local out = op "reshape"(op "permute"(x, {dims = g.order}), {shape = {g.many, unpack(g.rest)}})
  for i, d in ipairs(g.order) do sizes[i], back[d + 1] = shape[d + 1], i - 1 end
  return op "permute"(op "reshape"(op "index_copy"(out, y, g.flat), {shape = sizes}), {dims = back})
end

-- The numbers of what x, which is in no graph that gradients or a module need, has there.
local function assign_numbers(x, items, y, root, box)
  local advanced = walk(x, items, setmetatable(box, Box))
  views.want_single("x[…] = y", box)
  if journal.held(root) then return end -- of a frozen module: nothing in it changes
  journal.writes(root)
  if #advanced > 0 then return scatter(root, box, advanced, y) end
  raw.put(root, {box.at}, box.size, box.step, is(y) and base.stretched("x[…] = y", y, box.size) or y)
end

local function assign(x, key, y)
  if type(y) == "boolean" then y = y and 1 or 0 end
  if type(y) ~= "number" and not is(y) then
    fault("x[…] = y: y expects a number or a tensor, got %s%s", options.show(y), type(y) == "table"
      and " (tensor{…} makes one)" or "")
  end
  if is(y) then y = y:to(raw.dtype(x))
  elseif raw.dtype(x) == "int64" then y = y < 0 and math.ceil(y) or math.floor(y)
  elseif raw.dtype(x) == "bool" then y = y ~= 0 and 1 or 0 end
  local root, box = views.box(x)
  local items = items_of(x, key)
  if views.way("x[…] = y", x, root, is(y) and raw.requires_grad(y)) == "numbers" then
    return tensor.no_grad(assign_numbers, x, items, y, root, box)
  end
  local reader = setmetatable({x = x}, Reader)
  local advanced = walk(x, items, reader)
  if not is(y) then y = raw.full({}, y, raw.dtype(x)) end
  if #advanced > 0 then y = scattered(reader.x, advanced, y)
  else y = base.stretched("x[…] = y", y, raw.shape(reader.x)) end
  views.write("x[…] = y", reader.x, y)
end

-- ---- the metatable ----

function T.__index(x, key)
  local method = rawget(T, key)
  if method ~= nil then return method end
  local property = base.get[key]
  if property then return property(x) end
  local kind = type(key)
  if kind == "number" or kind == "table" or is(key) or kind == "string" and is_slice(key) then return read(x, key) end
  if kind ~= "string" and absent.by_user(2) then
    fault('x[%s] is no place of a tensor: x[0] is one, x[{"None"}] adds a dimension', tostring(key))
  end
  absent.field(x, key, "a tensor", 2, base.get)
end

function T.__newindex(x, key, value)
  local property = base.set[key]
  if property then return property(x, value) end
  local kind = type(key)
  if kind == "number" or kind == "table" or is(key) or kind == "string" and is_slice(key) then return assign(x, key,
    value) end
  fault("a tensor has no field '%s' to set (requires_grad and grad are)", tostring(key))
end

local function next_element(x, i)
  i = i + 1
  if i < raw.size(x, 0) then return i, base.element(x, 0, i) end
end

-- for i, row in pairs(x): from 0 on. (ipairs begins at 1, whatever it is given.)
function T.__pairs(x)
  if raw.rank(x) == 0 then fault "pairs: a scalar has no elements to walk over" end
  return next_element, x, -1
end

function T.__len(x) return raw.rank(x) > 0 and raw.size(x, 0) or fault "a scalar has no length" end

-- ---- places of one dimension ----

local index_select_args = options.arguments("index_select", "dim:dim index:any")

--- x:index_select(dim, index): the elements of one dimension that the vector index (a tensor or a list) names, from 0.
function T.index_select(x, dim, index, ...)
  if type(index) == "table" and next(index) == nil then index = raw.from_list({0}, {},
    "int64") end -- a list of none is no options
  dim, index = index_select_args(dim, index, ...)
  dim = base.axis("index_select", x, dim)
  if type(index) == "table" and not getmetatable(index) then index = tensor.new(index) end
  base.want("index_select", index)
  if raw.rank(index) > 1 then fault("index_select: expects an index of one dimension, got %s", raw.shape(index)) end
  if raw.dtype(index) == "bool" then
    fault "index_select: a mask of true and false is no index (x[mask] chooses by one)"
  end
  local n = raw.rank(x) > 0 and raw.size(x, dim) or 1
  local least, most, _, bad, all_whole = raw.stats(index)
  if raw.numel(index) > 0 and (bad > 0 or not all_whole or least < 0 or most >= n) then
    fault("index_select: expects whole numbers from 0 to %d for dimension %d of shape %s, got %s", n - 1, dim,
      raw.shape(x),
      bad > 0 and "nan or inf" or not all_whole and "a fraction" or least < 0 and ("%d"):format(least)
        or ("%d"):format(most))
  end
  if raw.rank(x) > 0 then return op "index_select"(x, index, {dim = dim}) end
  if raw.numel(index) ~= 1 then fault("index_select: a scalar has one element, got %d places", raw.numel(index)) end
  return x:clone()
end
