--- The receptive field of a value: which part of the picture each of its places depends on, computed from the graph
-- along all ways. Exact for what looks through windows (convolution, pooling, with stride, padding and dilation) and
-- for what moves numbers; what mixes all places (a mean over the map, attention, batch statistics) sees what they see
-- together. Araujo, Norris & Sim 2019, doi:10.23915/distill.00021, with the places counted one by one, so that the
-- picture's edges and pools of unequal parts are right too.
--
-- A value has two axes, y and x, of the picture: nil where it does not depend on it, else {dim (of the value that
-- counts its places, from 0; nil: all see the same), lo, hi (lists: the first and last row of each place; lo > hi:
-- none), start, jump, size (of place 0, as if the picture had no edges; nil where places are not regular)}.
local groups = require "suture.vis.common.groups"

local NONE, ALL = math.huge, -math.huge

local function hull(a)
  if not a then return nil end
  local lo, hi = NONE, ALL
  for i = 1, #a.lo do lo, hi = math.min(lo, a.lo[i]), math.max(hi, a.hi[i]) end
  return {lo = {lo}, hi = {hi}}
end

-- What a place sees that looks at what both see.
local function union(a, b)
  if not a or not b then return a or b end
  if a.dim and b.dim and a.dim ~= b.dim then return union(hull(a), hull(b)) end
  if not a.dim then a, b = b, a end
  local out = {dim = a.dim, lo = {}, hi = {}}
  for i = 1, #a.lo do
    local k = b.dim and i or 1
    out.lo[i], out.hi[i] = math.min(a.lo[i], b.lo[k]), math.max(a.hi[i], b.hi[k])
  end
  if a.start and b.start and a.jump == b.jump then
    local last = math.max(a.start + a.size, b.start + b.size)
    out.start, out.jump = math.min(a.start, b.start), a.jump
    out.size = last - out.start
  end
  return out
end

-- An axis of n places, place i (from 0) made of the places that taps(i) names (those outside are padding).
local function gathered(a, n, taps)
  local out = {dim = a.dim, lo = {}, hi = {}}
  for i = 0, n - 1 do
    local lo, hi = NONE, ALL
    for _, k in ipairs(taps(i)) do
      if a.lo[k + 1] then lo, hi = math.min(lo, a.lo[k + 1]), math.max(hi, a.hi[k + 1]) end
    end
    out.lo[i + 1], out.hi[i + 1] = lo, hi
  end
  return out
end

local function window(a, n, kernel, stride, padding, dilation)
  local out = gathered(a, n, function(i)
    local list = {}
    for k = 0, kernel - 1 do list[k + 1] = i * stride - padding + k * dilation end
    return list
  end)
  if a.start then
    out.start, out.jump = a.start - padding * a.jump, a.jump * stride
    out.size = a.size + (kernel - 1) * dilation * a.jump
  end
  return out
end

-- Both axes through f.
local function both(of, f) return {y = of.y and f(of.y), x = of.x and f(of.x)} end

local whole = math.tointeger

local rules = {}

-- What looks through windows of kernel(node) over dims 2 and 3.
local function windows(kernel)
  return function(node, of)
    local a = node.attrs
    return both(of[1], function(axis)
      local i = axis.dim and axis.dim - 1
      if not i or i < 1 then return hull(axis) end
      return window(axis, node.shape[i + 2], whole(kernel(node)[i]), whole(a.stride[i]), whole(a.padding[i]),
        a.dilation and whole(a.dilation[i]) or 1)
    end)
  end
end
local convolution = windows(function(node) return {node.inputs[2].shape[3], node.inputs[2].shape[4]} end)
function rules.conv2d(node, of)
  local out, by = convolution(node, of), of[2] -- weights that depend on the picture: all that they see
  return {y = union(out.y, hull(by and by.y)), x = union(out.x, hull(by and by.x))}
end
rules.max_pool2d = windows(function(node) return node.attrs.kernel end)
rules.avg_pool2d = rules.max_pool2d

function rules.adaptive_avg_pool2d(node, of)
  return both(of[1], function(axis)
    if not axis.dim or axis.dim < 2 then return hull(axis) end
    local from, to = #axis.lo, node.shape[axis.dim + 1]
    if from % to == 0 then return window(axis, to, from // to, from // to, 0, 1) end
    return gathered(axis, to, function(k)
      local list = {}
      for p = k * from // to, ((k + 1) * from + to - 1) // to - 1 do list[#list + 1] = p end
      return list
    end)
  end)
end

-- Element by element; shapes broadcast.
local function elementwise(node, of)
  local out, rank = {}, #node.shape
  for k, input in ipairs(node.inputs) do
    if input and of[k] then
      local moved = both(of[k], function(axis)
        if not axis.dim then return axis end
        local d = axis.dim + rank - #input.shape
        if input.shape[axis.dim + 1] == 1 and node.shape[d + 1] > 1 then return hull(axis) end
        return setmetatable({dim = d}, {__index = axis})
      end)
      out.y, out.x = union(out.y, moved.y), union(out.x, moved.x)
    end
  end
  return out
end
for name in ([[add sub mul div pow maximum minimum neg abs exp log sqrt rsqrt square sin cos tanh sigmoid relu
  leaky_relu elu gelu silu hardswish softplus clamp round floor sign cast layout dropout dropout_channels
  stochastic_depth straight_through where eq ne lt le gt ge bn_eval expand]]):gmatch "%S+" do
  rules[name] = elementwise
end

-- Dimensions that an op mixes: who looks along one sees what all its places see. keep: they stay.
local function mixed(of, rank, dims, keep)
  local set = {}
  for _, d in ipairs(dims) do set[whole(d) % rank] = true end
  return both(of, function(axis)
    if not axis.dim then return axis end
    if set[axis.dim] then return hull(axis) end
    local before = 0
    for d = 0, axis.dim - 1 do before = before + (set[d] and not keep and 1 or 0) end
    return setmetatable({dim = axis.dim - before}, {__index = axis})
  end)
end
local function all_dims(rank)
  local list = {}
  for d = 0, rank - 1 do list[d + 1] = d end
  return list
end
for name in ("sum mean max min prod var"):gmatch "%S+" do
  rules[name] = function(node, of)
    local rank = #node.inputs[1].shape
    local dims = node.attrs.dims
    return mixed(of[1], rank, #dims > 0 and dims or all_dims(rank), node.attrs.keepdim ~= 0)
  end
end
function rules.softmax(node, of) return mixed(of[1], #node.shape, {node.attrs.dim}, true) end
rules.log_softmax = rules.softmax
function rules.layer_norm(node, of)
  local dims = {}
  for i = 1, whole(node.attrs.dims) do dims[i] = -i end
  return mixed(of[1], #node.shape, dims, true)
end
function rules.linear(node, of) return mixed(of[1], #node.shape, {-1}, true) end

function rules.matmul(node, of)
  local out, rank = {}, #node.shape
  for k = 1, 2 do
    if of[k] then
      local r = #node.inputs[k].shape
      local turned = (k == 1 and node.attrs.ta or node.attrs.tb) ~= 0
      -- the dim that is summed over, and the one that stays
      local summed = (k == 1) ~= turned and r - 1 or r - 2
      local moved = both(of[k], function(axis)
        if not axis.dim then return axis end
        if axis.dim == summed then return hull(axis) end
        local d = axis.dim >= r - 2 and (k == 1 and rank - 2 or rank - 1) or axis.dim + rank - r
        if node.inputs[k].shape[axis.dim + 1] == 1 and node.shape[d + 1] > 1 then return hull(axis) end
        return setmetatable({dim = d}, {__index = axis})
      end)
      out.y, out.x = union(out.y, moved.y), union(out.x, moved.x)
    end
  end
  return out
end

function rules.permute(node, of)
  local rank, to = #node.shape, {}
  for i, d in ipairs(node.attrs.dims) do to[whole(d) % rank] = i - 1 end
  return both(of[1], function(axis)
    return axis.dim and setmetatable({dim = to[axis.dim]}, {__index = axis}) or axis
  end)
end

-- An axis that is counted by dim d of the sizes `from`, counted over all of them in a row.
local function joined(axis, from, d)
  local n, inner = 1, 1
  for i, s in ipairs(from) do
    n = n * s
    if i > d then inner = inner * s end
  end
  local out = {lo = {}, hi = {}}
  for p = 0, n - 1 do
    local i = p // inner % from[d] + 1
    out.lo[p + 1], out.hi[p + 1] = axis.lo[i], axis.hi[i]
  end
  return out
end

-- The one of the sizes `to` that an axis over all of them in a row hangs on: its number and the axis; nil: on several.
local function split(axis, to)
  local inner = 1
  for k = #to, 1, -1 do
    local out, fits = {lo = {}, hi = {}}, true
    for p = 0, #axis.lo - 1 do
      local i = p // inner % to[k] + 1
      local lo, hi = axis.lo[p + 1], axis.hi[p + 1]
      if out.lo[i] == nil then out.lo[i], out.hi[i] = lo, hi end
      if out.lo[i] ~= lo or out.hi[i] ~= hi then
        fits = false
        break
      end
    end
    if fits then return k, out end
    inner = inner * to[k]
  end
end

function rules.reshape(node, of)
  local old, new = node.inputs[1].shape, node.shape
  local list = groups(old, new)
  return both(of[1], function(axis)
    if not axis.dim then return axis end
    for _, g in ipairs(list) do
      if axis.dim + 1 >= g[1] and axis.dim + 1 <= g[2] then
        local from, to = {table.unpack(old, g[1], g[2])}, {table.unpack(new, g[3], g[4])}
        local k, out = split(joined(axis, from, axis.dim + 2 - g[1]), to)
        if not k then return hull(axis) end
        out.dim = g[3] + k - 2
        if #out.lo == #axis.lo then out.start, out.jump, out.size = axis.start, axis.jump, axis.size end
        return out
      end
    end
    return hull(axis)
  end)
end

function rules.slice(node, of)
  local rank = #node.shape
  local dim, step = whole(node.attrs.dim) % rank, whole(node.attrs.step)
  local size, first = node.inputs[1].shape[dim + 1], node.attrs.start
  first = math.max(0, math.min(size, first < 0 and first + size or first))
  return both(of[1], function(axis)
    if axis.dim ~= dim then return axis end
    return window(axis, node.shape[dim + 1], 1, step, -whole(first), 1)
  end)
end

function rules.pad(node, of)
  local rank = #node.shape
  return both(of[1], function(axis)
    local before = axis.dim and node.attrs.pad[2 * (rank - 1 - axis.dim) + 1]
    if not before then return axis end
    return window(axis, node.shape[axis.dim + 1], 1, 1, whole(before), 1)
  end)
end

function rules.roll(node, of)
  local rank, shifts = #node.shape, {}
  for i, d in ipairs(node.attrs.dims) do
    d = whole(d) % rank
    shifts[d] = (shifts[d] or 0) + whole(node.attrs.shifts[i])
  end
  return both(of[1], function(axis)
    local shift = axis.dim and shifts[axis.dim]
    local n = #axis.lo
    return shift and gathered(axis, n, function(i) return {(i - shift) % n} end) or axis
  end)
end

function rules.flip(node, of)
  local turned = {}
  for _, d in ipairs(node.attrs.dims) do turned[whole(d) % #node.shape] = true end
  return both(of[1], function(axis)
    local n = #axis.lo
    return turned[axis.dim] and gathered(axis, n, function(i) return {n - 1 - i} end) or axis
  end)
end

function rules.index_select(node, of)
  local dim = whole(node.attrs.dim) % #node.shape
  local list
  return both(of[1], function(axis)
    if axis.dim ~= dim then return axis end
    list = list or node.inputs[2].value:reshape(-1):tolist()
    return gathered(axis, #list, function(i) return {whole(list[i + 1])} end)
  end)
end

function rules.concat(node, of)
  local dim = whole(node.attrs.dim) % #node.shape
  local out = {}
  for _, name in ipairs {"y", "x"} do
    local along = false
    for k in ipairs(node.inputs) do along = along or of[k] and of[k][name] and of[k][name].dim == dim end
    if along then -- one after another
      local a = {dim = dim, lo = {}, hi = {}}
      for k, input in ipairs(node.inputs) do
        local b = of[k] and of[k][name]
        if b and b.dim and b.dim ~= dim then b = hull(b) end
        for i = 1, input and input.shape[dim + 1] or 0 do
          a.lo[#a.lo + 1] = b and b.lo[b.dim and i or 1] or NONE
          a.hi[#a.hi + 1] = b and b.hi[b.dim and i or 1] or ALL
        end
      end
      out[name] = a
    else
      for k in ipairs(node.inputs) do out[name] = union(out[name], of[k] and of[k][name]) end
    end
  end
  return out
end

-- Of an op that is not known: every place sees what all places of all inputs see.
local function together(node, of)
  local out = {}
  for k in ipairs(node.inputs) do
    if of[k] then out.y, out.x = union(out.y, hull(of[k].y)), union(out.x, hull(of[k].x)) end
  end
  return out
end

local function line(n, dim)
  local a = {dim = dim, lo = {}, hi = {}, start = 0, jump = 1, size = 1}
  for i = 1, n do a.lo[i], a.hi[i] = i - 1, i - 1 end
  return a
end

-- Rules that look at all their inputs. Of the others only those hold whose first input depends on the picture.
local several = {[elementwise] = true, [rules.concat] = true, [rules.matmul] = true}

--- receptive_field(t, value): of a value of the trace t of pictures (N, C, H, W): {y, x}, its axes as described above.
return function(t, value)
  local input, fields = t.inputs[1], {}
  for _, node in ipairs(t.nodes) do
    local field
    if not node.op then
      if rawequal(node.value, input) then field = {y = line(node.shape[3], 2), x = line(node.shape[4], 3)} end
    else
      local of, any = {}, false
      for k, from in ipairs(node.inputs) do
        of[k] = from and fields[from] or false
        any = any or of[k]
      end
      local rule = rules[node.op]
      if rule and not of[1] and not several[rule] then rule = nil end
      if any then field = (rule or together)(node, of) end
    end
    fields[node] = field
    if rawequal(node.value, value) then return field or {} end
  end
  return {}
end
