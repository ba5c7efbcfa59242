--- Views and changes in place. Values never change, names move: a tensor is a name for a node of the graph.
--
-- A view is a name for a part of another tensor, or for it in another shape or order; it remembers what it was made of
-- and how. A write into it is one into the tensor that all its numbers are of, the root; and each view of the root is
-- made anew when it is looked at next. A write takes one of three ways:
--   numbers: no gradient is concerned: they change where they lie (who was made of them before keeps what was recorded:
--     core/write.c). So are leaves that require a gradient written, which PyTorch allows under no_grad alone.
--   record: a gradient flows through the root or what comes in: the root becomes the name of a new value, made of the
--     old one and of what was written; so gradients are those of what was computed, as in PyTorch.
--   unseen: under no_grad, or through x.data: the root gets other numbers and keeps its gradient.
-- Within a module's forward computed values take the second way, so that the graph shows what ran.
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local base = require "suture.tensor.base"
local raw, graph = base.raw, base.graph
local op = base.op

local views = {}

-- detached: no gradient flows from the view to `of`.
local function link(view, of, name, detached)
  local from = raw.part_of(of)
  -- A reshape of a view may turn out to be a copy; of a whole tensor it never does.
  if from and raw.part_of(from) and raw.made(of).name == "reshape" then views.box(of) end
  raw.link(view, of, name, detached)
end

--- From now on x is part of nothing but itself.
function views.cut(x) raw.link(x) end

--- The core operation `name` on x with these attributes, whose result is a view of x.
function views.of(x, name, attrs)
  local y = op(name)(x, attrs)
  link(y, x, name)
  return y
end

--- A tensor of x's numbers that no gradient flows through.
function views.detached(x)
  views.box(x) -- which may turn out to be a copy
  local how = raw.made(x)
  if how and how.name ~= "detach" then -- the same view, without a gradient
    local mode = graph.grad_mode(false)
    local y = op(how.name)(how.of, how.attrs)
    graph.grad_mode(mode)
    link(y, how.of, how.name, true)
    return y
  end
  local y = raw.detach(x)
  link(y, x, "detach", true)
  return y
end

-- ---- where a view lies ----

-- The steps of a shape over the elements of another with these sizes and steps; nil where no steps lead there, so that
-- reshape copies. As PyTorch's computeStride.
local function steps_of(size, step, shape)
  local out, count = {}, 1
  for d = 1, #size do count = count * size[d] end
  if #size == 0 or count == 0 then
    for d = #shape, 1, -1 do out[d] = 1 end
    return out
  end
  local d, unit, own, new = #shape, step[#size], 1, 1
  for k = #size, 1, -1 do
    own = own * size[k]
    if k == 1 or (size[k - 1] ~= 1 and step[k - 1] ~= own * unit) then
      while d > 0 and (new < own or shape[d] == 1) do
        out[d] = new * unit
        new = new * shape[d]
        d = d - 1
      end
      if new ~= own then return nil end
      if k > 1 then unit, own, new = step[k - 1], 1, 1 end
    end
  end
  return d == 0 and out or nil
end

-- What each operation makes of a box; false: its result is a copy.
local ways = {
  detach = function() return true end,
  reshape = function(box, attrs)
    local step = steps_of(box.size, box.step, attrs.shape)
    if not step then return false end
    box.size, box.step = {table.unpack(attrs.shape)}, step
    return true
  end,
  permute = function(box, attrs)
    local size, step = {}, {}
    for i, d in ipairs(attrs.dims) do size[i], step[i] = box.size[d + 1], box.step[d + 1] end
    box.size, box.step = size, step
    return true
  end,
  slice = function(box, attrs)
    local d = attrs.dim + 1
    box.at = box.at + attrs.start * box.step[d]
    box.size[d] = (attrs.stop - attrs.start + attrs.step - 1) // attrs.step
    box.step[d] = box.step[d] * attrs.step
    return true
  end,
  expand = function(box, attrs)
    local size, step, lead = {table.unpack(attrs.shape)}, {}, #attrs.shape - #box.size
    for i = 1, #size do
      local own = i > lead and box.size[i - lead]
      step[i] = own == size[i] and box.step[i - lead] or 0
    end
    box.size, box.step = size, step
    return true
  end,
}

local function whole(x)
  local size, step, n = {table.unpack(raw.shape(x))}, {}, 1
  for d = #size, 1, -1 do step[d], n = n, n * size[d] end
  return x, {at = 0, size = size, step = step}
end

--- Whose numbers x's are, and where: a tensor, and the box of x in its row-major order: {at=, size=, step=}. A view of
-- what backward() has let go of, which nobody can look at any more, stands for itself.
function views.box(x)
  local how = raw.made(x)
  if not how then return whole(x) end
  local root, box = views.box(how.of)
  if not raw.gone(root) and ways[how.name](box, how.attrs) then return root, box end
  views.cut(x)
  return whole(x)
end

--- Whether x's numbers lie one after another, in the order of its shape.
function views.in_order(x)
  if not raw.part_of(x) then return true end
  local _, box = views.box(x)
  local step = 1
  for d = #box.size, 1, -1 do
    if box.size[d] == 0 then return true end
    if box.size[d] > 1 and box.step[d] ~= step then return false end
    step = step * box.size[d]
  end
  return true
end

-- ---- changes in place ----

--- Refuses a write into a box where one number is several elements.
function views.want_single(what, box)
  for _, n in ipairs(box.size) do if n == 0 then return end end
  for d, step in ipairs(box.step) do
    if step == 0 and box.size[d] > 1 then
      fault("%s: x is expanded, several of its elements are one number (x:clone())", what)
    end
  end
end

local function writable(what, x)
  local root, box = views.box(x)
  views.want_single(what, box)
  return root, box
end

--- Whose numbers x's are, and where, for a write that the journal is told of. what: for errors.
function views.target(what, x)
  local root, box = writable(what, x)
  if journal.held(root) then -- of a frozen module: nothing in it changes, and what is written goes nowhere
    return raw.full(raw.shape(root), 0, raw.dtype(root)), box
  end
  journal.writes(root)
  return root, box
end

-- Whether a box is all of the tensor, in its order.
local function is_whole(root, box)
  if box.at ~= 0 then return false end
  local n = 1
  for d = #box.size, 1, -1 do
    if box.size[d] ~= 1 and box.step[d] ~= n then return false end
    n = n * box.size[d]
  end
  return n == raw.numel(root)
end

local function is_detached(x)
  local of, detached = raw.part_of(x)
  while of do
    if detached then return true end
    of, detached = raw.part_of(of)
  end
  return false
end

--- The way a write into x, whose numbers are root's, takes: "numbers", "record" or "unseen". flows: whether what comes
-- in requires a gradient.
function views.way(what, x, root, flows)
  local on, through = graph.grad_mode(), raw.requires_grad(root)
  flows = flows and on
  if flows and (is_detached(x) or through and not graph.op_of(root)) then
    fault("%s: a gradient flows to what comes in, and would be lost: x %s (y:detach(), or no_grad; "
      .. "or make a new tensor)",
      what, is_detached(x) and "is detached from what it is a part of" or "is a leaf that requires a gradient")
  end
  if flows then return "record" end
  if not graph.op_of(root) then return "numbers" end
  if through then return on and not is_detached(x) and "record" or "unseen" end
  return graph.depth() > 0 and not graph.known(root) and "record" or "numbers"
end

local fill, copy, take, redraw = raw.fill, raw.copy, raw.take, raw.redraw -- of what is no part

-- The root's value with y in its box; where the view is of one of several elements that are one number.
local function value_at(root, box, y)
  local places = {box.at}
  for d, n in ipairs(box.size) do
    local more = {}
    for _, at in ipairs(places) do for i = 0, n - 1 do more[#more + 1] = at + i * box.step[d] end end
    places = more
  end
  local shape, count = {table.unpack(raw.shape(root))}, raw.numel(root)
  if count > base.places then fault("x[…] = y: places among more than %d cannot be named", base.places) end
  local z = op "index_copy"(op "reshape"(root, {shape = {count}}), op "reshape"(y, {shape = {#places}}),
    raw.from_list({#places}, places, "int64"))
  return op "reshape"(z, {shape = shape})
end

-- Whether x is a part of a view that repeats numbers.
local function repeats(x)
  local how = raw.made(x)
  if not how then return false end
  return how.name == "expand" and raw.numel(x) ~= raw.numel(how.of) or repeats(how.of)
end

-- The root's value with y in the place of its part x.
local function value_with(x, y)
  local how = raw.made(x)
  if not how then return y end
  local of, name, attrs = how.of, how.name, how.attrs
  if name == "reshape" or name == "expand" then y = op "reshape"(y, {shape = {table.unpack(raw.shape(of))}})
  elseif name == "permute" then
    local back = {}
    for i, d in ipairs(attrs.dims) do back[d + 1] = i - 1 end
    y = op "permute"(y, {dims = back})
  elseif name == "slice" then
    y = op "slice_scatter"(of, y, {dim = attrs.dim, start = attrs.start, step = attrs.step})
  end
  return value_with(of, y)
end

-- The root becomes the name of another value.
local function rename(x, y, root, box, way)
  local on = graph.grad_mode(way == "record" and graph.grad_mode())
  local z = repeats(x) and value_at(root, box, y) or value_with(x, y)
  if way == "unseen" then
    graph.grad_mode(true)
    z = op "straight_through"(z, root)
  elseif rawequal(z, y) then z = op "reshape"(z, {shape = {table.unpack(raw.shape(z))}}) end -- y keeps its own name
  graph.grad_mode(on)
  raw.become(root, z)
end

local function put(what, x, y, root, box, way)
  way = way or views.way(what, x, root, raw.requires_grad(y))
  if way ~= "numbers" then rename(x, y, root, box, way)
  elseif rawequal(root, x) then copy(x, y, what)
  elseif is_whole(root, box) then copy(root, op "reshape"(y, {shape = {table.unpack(raw.shape(root))}}), what)
  else raw.put(root, {box.at}, box.size, box.step, y) end
  return x
end

--- The numbers y, of x's shape and dtype, take the place of x's. Returns x.
function views.write(what, x, y) return put(what, x, y, views.target(what, x)) end

local function put_one(what, x, value, root, box)
  local way = views.way(what, x, root, false)
  if way ~= "numbers" then return put(what, x, raw.full(raw.shape(x), value, raw.dtype(x)), root, box, way) end
  if is_whole(root, box) then fill(root, value) else raw.put(root, {box.at}, box.size, box.step, value) end
  return x
end

--- One number takes their place. Returns x.
function views.fill(what, x, value) return put_one(what, x, value, views.target(what, x)) end

-- The same for the library's own writes, which tell the journal themselves: a part changes where it is a part of, and
-- what gradients flow through becomes a leaf.
local function plain(x) return not raw.part_of(x) and not (graph.op_of(x) and raw.requires_grad(x)) end

local function write_plainly(what, x, y)
  if raw.shape(x) ~= raw.shape(y) then fault("%s: expects shape %s, got %s", what, raw.shape(x), raw.shape(y)) end
  if not raw.part_of(x) then
    raw.become(x, raw.clone(y))
    return x
  end
  local on = graph.grad_mode(false)
  local back <close> = setmetatable({}, {__close = function() graph.grad_mode(on) end})
  return put(what, x, y, writable(what, x))
end

function raw.fill(x, value)
  if plain(x) then return fill(x, value) end
  return write_plainly("fill_", x, raw.full(raw.shape(x), value, raw.dtype(x)))
end
function raw.copy(x, y, what)
  if plain(x) then return copy(x, y, what) end
  return write_plainly(what or "copy_", x, y)
end
function raw.take(x, y)
  if plain(x) then return take(x, y) end
  return write_plainly("take", x, y)
end
function raw.redraw(x, kind, a, b)
  if plain(x) then return redraw(x, kind, a, b) end
  return write_plainly(kind .. "_", x, raw.random(kind, raw.shape(x), a, b))
end

-- A view of what has changed in place is made anew.
raw.on_stale(function(view)
  local how = raw.made(view)
  if how.name == "detach" then return raw.become(view, raw.detach(how.of)) end
  if rawequal(views.box(view), view) then return end -- a copy, as it turns out
  local mode = graph.grad_mode(how.grad)
  raw.become(view, op(how.name)(how.of, how.attrs))
  graph.grad_mode(mode)
end)

return views
