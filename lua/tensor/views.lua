--- Views: names for a part of another tensor, or for it in another shape or order. A write into a view is one into the
-- tensor that it is a part of, and the tensor's other views follow: each remembers what it was made of and how, and is
-- made anew. Inside a module's forward only views of leaves do: computed values there are nobody's to keep.
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local base = require "suture.tensor.base"
local raw, graph = base.raw, base.graph
local op, owns = base.op, raw.owns

local views = {}

local function link(view, of, name, attrs)
  local how = raw.made(of)
  if how and how.name == "reshape" then views.box(of) end -- which may turn out to be a copy
  raw.link(view, {of = of, name = name, attrs = attrs})
end

--- From now on x is part of nothing but itself.
function views.cut(x) raw.link(x) end

--- The core operation `name` on x with these attributes, whose result is a view of x.
function views.of(x, name, attrs)
  local y = op(name)(x, attrs)
  if owns(x) then link(y, x, name, attrs) end
  return y
end

--- A tensor of x's numbers that no gradient flows through.
function views.detached(x)
  local how = raw.made(x)
  if how and how.name ~= "detach" then -- the same view, without a gradient
    local mode = graph.grad_mode(false)
    local y = base.op(how.name)(how.of, how.attrs)
    graph.grad_mode(mode)
    link(y, how.of, how.name, how.attrs)
    return y
  end
  local y = raw.detach(x)
  if raw.owns(x) then link(y, x, "detach") end
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

--- Whose numbers x's are, and where: a tensor, and the box of x in its row-major order: {at=, size=, step=}.
function views.box(x)
  local how = raw.made(x)
  if not how then return whole(x) end
  local root, box = views.box(how.of)
  if ways[how.name](box, how.attrs) then return root, box end
  views.cut(x)
  return whole(x)
end

-- ---- changes in place ----

local parts = {reshape = true, permute = true, slice = true, expand = true}

-- The box of x, for a write: refuses where it would be lost, or where one number is several elements.
local function writable(what, x)
  local root, box = views.box(x)
  if rawequal(root, x) and graph.depth() > 0 and parts[graph.op_of(x) or ""] then
    fault("%s: x is a part of a value that this module computes, which would not see it "
      .. "(x:clone(), or assign to the value itself)", what)
  end
  for d, step in ipairs(box.step) do
    if step == 0 and box.size[d] > 1 then
      fault("%s: x is expanded, several of its elements are one number (x:clone())", what)
    end
  end
  return root, box
end

--- Whose numbers x's are, and where, for a write that the journal is told of. what: for errors.
function views.target(what, x)
  local root, box = writable(what, x)
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

local fill, copy, take, redraw = raw.fill, raw.copy, raw.take, raw.redraw -- of what is no part

local function put(what, x, y, root, box)
  if rawequal(root, x) then copy(x, y, what)
  elseif is_whole(root, box) then copy(root, base.op "reshape"(y, {shape = {table.unpack(raw.shape(root))}}), what)
  else raw.put(root, {box.at}, box.size, box.step, y) end
  return x
end

--- The numbers y, of x's shape and dtype, take the place of x's. Returns x.
function views.write(what, x, y) return put(what, x, y, views.target(what, x)) end

local function put_one(x, value, root, box)
  if is_whole(root, box) then fill(root, value) else raw.put(root, {box.at}, box.size, box.step, value) end
  return x
end

--- One number takes their place. Returns x.
function views.fill(what, x, value) return put_one(x, value, views.target(what, x)) end

-- The same for the library's own writes, which tell the journal themselves: a part changes where it is a part of.
function raw.fill(x, value)
  if not raw.made(x) then return fill(x, value) end
  return put_one(x, value, writable("fill_", x))
end
function raw.copy(x, y, what)
  if not raw.made(x) then return copy(x, y, what) end
  if raw.shape(x) ~= raw.shape(y) then
    fault("%s: expects shape %s, got %s", what or "copy_", raw.shape(x), raw.shape(y))
  end
  return put(what or "copy_", x, y, writable(what or "copy_", x))
end
function raw.take(x, y)
  if not raw.made(x) then return take(x, y) end
  return raw.copy(x, y, "take")
end
function raw.redraw(x, kind, a, b)
  if not raw.made(x) then return redraw(x, kind, a, b) end
  return raw.copy(x, raw.random(kind, raw.shape(x), a, b), kind .. "_")
end

-- A view of what has changed in place is made anew.
raw.on_stale(function(view)
  local how = raw.made(view)
  if how.name == "detach" then return raw.become(view, raw.detach(how.of)) end
  if rawequal(views.box(view), view) then return end -- a copy, as it turns out
  local mode = graph.grad_mode(raw.requires_grad(view))
  raw.become(view, base.op(how.name)(how.of, how.attrs))
  graph.grad_mode(mode)
end)

return views
