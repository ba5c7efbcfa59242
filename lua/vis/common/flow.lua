--- One number for each place of a picture's map, led through the graph that ran: moved as the places are (windows,
-- shifts, merged and unmerged tokens), mixed where they are. A value's numbers have its shape, with one channel for
-- all; 0 for tokens that are no place.
local F = require "suture.nn.functional"
local groups = require "suture.vis.common.groups"
local heads = require "suture.vis.common.heads"
local tensor = require "suture.tensor"

local flow = {}

local elementwise, same = {}, {}
for name in ("add sub mul div maximum minimum where pow"):gmatch "%S+" do elementwise[name] = true end
for name in ([[relu leaky_relu elu gelu silu hardswish softplus sigmoid tanh exp log neg abs square sqrt rsqrt clamp
  cast layout dropout dropout_channels stochastic_depth layer_norm bn_eval softmax straight_through]]):gmatch "%S+" do
  same[name] = true
end

local whole = math.tointeger
local function size(v, d) return v.shape[d + 1] end

-- Several channels made one.
local function one(v, d) return size(v, d) > 1 and v:mean(d, true) or v end

-- Whether dim d of what is led through (v) counts places, as it does in the node's value: channels are one.
local function counts(v, shape, d) return size(v, d) == shape[d + 1] end

-- ---- where maps are ----

-- What the dims of a node's value count: "y", "x" (rows and columns of a map, also of a coarser one), "f" (what lies
-- within such a place), or false.
local function labelled(node, of)
  local rank, op = #node.shape, node.op
  if op == "conv2d" or op == "max_pool2d" or op == "avg_pool2d" or op == "adaptive_avg_pool2d" then
    return {false, false, "y", "x"}
  end
  local from = node.inputs[1]
  local mine = from and of[from]
  if op == "permute" and mine then
    local out = {}
    for i, d in ipairs(node.attrs.dims) do out[i] = mine[whole(d) % rank + 1] end
    return out
  elseif op == "reshape" and mine then
    local out = {}
    for d = 1, rank do out[d] = false end
    for _, g in ipairs(groups(from.shape, node.shape)) do
      if g[1] == g[2] and g[3] <= g[4] then
        local label = mine[g[1]]
        for d = g[3], g[4] do out[d] = d == g[3] and label or label and "f" or false end
      end
    end
    return out
  elseif op == "roll" or op == "slice" or op == "pad" or op == "flip" or op == "linear" or same[op] then
    return mine
  elseif elementwise[op] then
    for _, input in ipairs(node.inputs) do
      if input and of[input] and tostring(input.shape) == tostring(node.shape) then return of[input] end
    end
  end
end

--- flow.maps(t): the nodes of the trace t through which all that comes from the picture goes, in order, and whose value
-- is a map: a list of {node, at (its number in t.nodes), y, x (the dims of its rows and columns, from 0), h, w}.
function flow.maps(t)
  local hangs, last, label, out = {}, {}, {}, {}
  for i, node in ipairs(t.nodes) do
    hangs[node] = not node.op and rawequal(node.value, t.inputs[1]) or nil
    for _, input in ipairs(node.inputs) do
      if input and hangs[input] then
        hangs[node], last[input] = true, i
      end
    end
    if node.op and hangs[node] then label[node] = labelled(node, label) end
  end
  local open = 0 -- the last use of what came before
  for i, node in ipairs(t.nodes) do
    if hangs[node] then
      local l = label[node]
      if l and open <= i and #node.shape == 4 then
        local y, x
        for d, name in ipairs(l) do
          if name == "y" then y = d - 1 elseif name == "x" then x = d - 1 end
        end
        local h, w = y and node.shape[y + 1], x and node.shape[x + 1]
        if h and w and h > 1 and w > 1 then out[#out + 1] = {node = node, at = i, y = y, x = x, h = h, w = w} end
      end
      open = math.max(open, last[node] or 0)
    end
  end
  return out
end

-- ---- through the graph ----

local rules = {}

-- The mean over the places that a window sees; padding is none.
local function windowed(v, kernel, a)
  local function sums(x)
    return F.conv2d(x, tensor.ones(1, 1, whole(kernel[1]), whole(kernel[2])), nil, {
      stride = {whole(a.stride[1]), whole(a.stride[2])}, padding = {whole(a.padding[1]), whole(a.padding[2])},
      dilation = a.dilation and {whole(a.dilation[1]), whole(a.dilation[2])} or nil,
    })
  end
  return sums(v) / sums(tensor.ones(v.shape)):clamp(1)
end

function rules.conv2d(node, of)
  local v, a, k = one(of[1], 1), node.attrs, node.inputs[2].shape
  if k[3] * k[4] * a.stride[1] * a.stride[2] == 1 and a.padding[1] + a.padding[2] == 0 then return v end
  return windowed(v, {k[3], k[4]}, a)
end

local function pooled(node, of)
  local v = windowed(one(of[1], 1), node.attrs.kernel, node.attrs)
  local h, w = node.shape[3], node.shape[4] -- in ceil mode a last window hangs over
  if size(v, 2) < h then v = F.pad(v, {0, 0, 0, h - size(v, 2)}) end
  if size(v, 3) < w then v = F.pad(v, {0, w - size(v, 3)}) end
  return v
end
rules.max_pool2d, rules.avg_pool2d = pooled, pooled
function rules.adaptive_avg_pool2d(node, of)
  return F.adaptive_avg_pool2d(one(of[1], 1), {node.shape[3], node.shape[4]})
end

function rules.linear(_, of) return one(of[1], #of[1].shape - 1) end

function rules.permute(node, of)
  local dims = {}
  for i, d in ipairs(node.attrs.dims) do dims[i] = whole(d) end
  return of[1]:permute(table.unpack(dims))
end

function rules.reshape(node, of)
  local v, old, new = of[1], node.inputs[1].shape, node.shape
  local sizes = {}
  for _, g in ipairs(groups(old, new)) do
    local places, n = true, 1
    for d = g[1], g[2] do
      places = places and v.shape[d] == old[d]
      n = n * v.shape[d]
    end
    if places then for d = g[3], g[4] do sizes[d] = new[d] end
    elseif g[3] == g[4] then sizes[g[3]] = n
    elseif n == 1 then for d = g[3], g[4] do sizes[d] = 1 end
    else return nil end
  end
  return v:reshape(table.unpack(sizes, 1, #new))
end

function rules.slice(node, of)
  local v, from = of[1], node.inputs[1].shape
  local d = whole(node.attrs.dim) % #from
  if not counts(v, from, d) then return one(v, d) end
  local start = node.attrs.start
  start = whole(math.max(0, math.min(from[d + 1], start < 0 and start + from[d + 1] or start)))
  local step = whole(node.attrs.step)
  return v:slice(d, start, start + (node.shape[d + 1] - 1) * step + 1, step)
end

function rules.pad(node, of)
  local v, pads, from = of[1], {}, node.inputs[1].shape
  for i, p in ipairs(node.attrs.pad) do
    local d = #from - 1 - (i - 1) // 2
    pads[i] = counts(v, from, d) and whole(p) or 0
  end
  return F.pad(v, pads)
end

function rules.roll(node, of)
  local v, shifts, dims = of[1], {}, {}
  for i, d in ipairs(node.attrs.dims) do
    d = whole(d) % #node.shape
    if counts(v, node.shape, d) then shifts[#shifts + 1], dims[#dims + 1] = whole(node.attrs.shifts[i]), d end
  end
  return #dims > 0 and v:roll(shifts, dims) or v
end

function rules.flip(node, of)
  local v, dims = of[1], {}
  for _, d in ipairs(node.attrs.dims) do
    d = whole(d) % #node.shape
    if counts(v, node.shape, d) then dims[#dims + 1] = d end
  end
  return #dims > 0 and v:flip(table.unpack(dims)) or v
end

function rules.expand(node, of)
  local v, sizes, more = of[1], {}, #node.shape - #of[1].shape
  for d = 1, #node.shape do
    local had = node.inputs[1].shape[d - more]
    sizes[d] = had and had == node.shape[d] and v.shape[d - more] or node.shape[d]
  end
  return v:expand(table.unpack(sizes))
end

local function reduced(node, of)
  local dims = {}
  for i, d in ipairs(node.attrs.dims) do dims[i] = whole(d) end
  if #dims == 0 then return of[1]:mean() end
  return of[1]:mean(dims, node.attrs.keepdim ~= 0)
end
for name in ("sum mean max min var"):gmatch "%S+" do rules[name] = reduced end

function rules.index_select(node, of)
  local d = whole(node.attrs.dim) % #node.shape
  if not counts(of[1], node.inputs[1].shape, d) then return of[1] end
  return of[1]:index_select(d, node.inputs[2].value:long())
end

function rules.concat(node, of, mixing)
  local d = whole(node.attrs.dim) % #node.shape
  local first
  for k, input in ipairs(node.inputs) do if input and of[k] then first = first or k end end
  if not counts(of[first], node.inputs[first].shape, d) then -- channels of one place
    return flow.together(node, of, mixing)
  end
  local parts = {}
  for k, input in ipairs(node.inputs) do
    if input then
      local sizes = {table.unpack(of[first].shape)}
      sizes[d + 1] = input.shape[d + 1]
      parts[#parts + 1] = of[k] or tensor.zeros(sizes)
    end
  end
  return tensor.cat(parts, d)
end

-- The mean of those inputs that have the places of the result; what is broadcast over them (a gate) has none.
function flow.together(node, of, mixing)
  local list, wide = {}, 0
  for k in ipairs(node.inputs) do
    if of[k] then
      local n = of[k]:numel()
      if n > wide then list, wide = {}, n end
      if n == wide then list[#list + 1] = of[k] end
    end
  end
  local sum = list[1]
  if not mixing then return sum end
  for i = 2, #list do sum = sum + list[i] end
  return #list > 1 and sum / #list or sum
end

-- Each place takes of the others what its attention says, the heads' mean.
local function attended(weights, v) -- weights (…, heads, L, S), v (…, S, 1)
  return weights:mean(#weights.shape - 3):matmul(v)
end
function rules.packed_attention(node, of, mixing)
  local v = one(of[1], #of[1].shape - 1)
  return mixing and attended(heads.parts(node).weights, v) or v
end
function rules.scaled_dot_product_attention(node, of, mixing)
  local v = of[3]
  if not v then return nil end
  v = one(one(v, #v.shape - 1), #v.shape - 3)
  if not mixing then return v end
  local weights = heads.parts(node).weights
  return attended(weights, v:squeeze(#v.shape - 3)):unsqueeze(#v.shape - 3)
end

function rules.matmul(node, of, mixing)
  local a, b = of[1], of[2]
  local by = node.inputs[1]
  if b and by.op == "softmax" then -- attention, written out
    b = one(b, #b.shape - 1)
    if not mixing then return b end
    local weights = by.value:detach()
    local d = #weights.shape - 3
    if d >= 0 and size(b, d) == 1 and size(weights, d) > 1 then weights = weights:mean(d, true) end
    return weights:matmul(b)
  end
  if a and not b then return one(a, #a.shape - 1) end
end

--- flow.through(t, from, v, upto, mixing): v, led from the map `from` (of flow.maps; v has its shape with one channel)
-- to the node `upto`. mixing: places mix by attention, sums (half and half), pools and convolutions (evenly); else each
-- place keeps its own number, and what mixes them otherwise than by attention and sums ends it. Returns the numbers, or
-- nil and the node at which they were lost.
function flow.through(t, from, v, upto, mixing)
  local at, lost = {[from.node] = v}, nil
  for i = from.at + 1, #t.nodes do
    local node, of, any = t.nodes[i], {}, false
    for k, input in ipairs(node.inputs) do
      of[k] = input and at[input] or false
      any = any or of[k]
    end
    if any then
      local rule = rules[node.op]
      local out
      if same[node.op] then out = of[1]
      elseif elementwise[node.op] then out = flow.together(node, of, mixing)
      elseif rule and (of[1] or node.op == "concat" or node.op == "matmul" or node.op:find "attention") then
        out = rule(node, of, mixing)
      end
      at[node] = out or nil
      if not out and not lost then lost = node end
    end
    if node == upto then break end
  end
  return at[upto], lost
end

return flow
