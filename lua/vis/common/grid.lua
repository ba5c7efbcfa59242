--- Where a value of the graph has its map: which dimensions are rows and columns of the picture, also of transformers'
-- tokens. Known from the operations that made it.
local grid = {}

local first = {} -- operations whose rank-4 result is (N, C, H, W)
for name in ([[conv2d bn_train bn_eval bn_row max_pool2d avg_pool2d adaptive_avg_pool2d]]):gmatch "%S+" do
  first[name] = true
end
local last = {layer_norm = true, linear = true, packed_attention = true, scaled_dot_product_attention = true}

local keeps = {concat = true, pad = true, slice = true} -- change sizes, but not what a dimension means

local function same(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do if a[i] ~= b[i] then return false end end
  return true
end

-- "first": (N, C, H, W), "last": (N, H, W, C), or nil, of a node of rank 4.
local function layout(node, seen)
  if seen[node] then return nil end
  seen[node] = true
  if first[node.op] then return "first" end
  if last[node.op] then return "last" end
  if node.op == nil then return not node.name and "first" or nil end -- the pictures themselves
  if node.op == "permute" then
    local d = node.attrs.dims
    if d and d[2] == 3 and d[3] == 1 then return "first" end
    if d and d[2] == 2 and d[4] == 1 then return "last" end
    return nil
  end
  if node.op == "reshape" then
    local from = node.inputs[1]
    return from and from.shape[#from.shape] == node.shape[4] and "last" or nil
  end
  for _, input in ipairs(node.inputs) do
    if input and (same(input.shape, node.shape) or keeps[node.op]) and not input.name then
      local found = layout(input, seen)
      if found then return found end
    end
  end
end

-- Rows and columns of T tokens: those of the nearest map above that has T places, or T - 1: a class token joined them.
local function token_grid(node)
  local tokens, queue, seen, at = node.shape[2], {node}, {}, 1
  while queue[at] do
    local n = queue[at]
    at = at + 1
    if not seen[n] then
      seen[n] = true
      if n.op == "conv2d" or n ~= node and #n.shape == 4 and first[n.op] then
        local places = n.shape[3] * n.shape[4]
        if places == tokens or places == tokens - 1 then return n.shape[3], n.shape[4], tokens - places end
      end
      for _, input in ipairs(n.inputs) do if input then queue[#queue + 1] = input end end
    end
  end
end

--- grid.node(t, value): the node of the trace t that made a value, or nil.
function grid.node(t, value)
  local by = t._by
  if not by then
    by = {}
    for _, node in ipairs(t.nodes) do by[node.value] = node end
    rawset(t, "_by", by)
  end
  return by[value]
end

--- grid.layout(node): "first" where a node's value is (N, C, H, W), "last" where (N, H, W, C); nil where neither is
-- known.
function grid.layout(node) return #node.shape == 4 and layout(node, {}) or nil end

--- grid.of(t, value): for a value of the trace t: {h, w, extra (tokens in front that are no place), kind ("first",
-- "last", "tokens")}; nil where it is no map, or a single place.
function grid.of(t, value)
  local node = grid.node(t, value)
  if not node or node.dtype ~= "float32" or node.shape[1] ~= t.inputs[1].shape[1] then return nil end
  local s = node.shape
  if #s == 4 then
    local kind = layout(node, {})
    local h, w = kind == "first" and s[3] or s[2], kind == "first" and s[4] or s[3]
    return kind and h > 1 and w > 1 and {h = h, w = w, extra = 0, kind = kind} or nil
  elseif #s == 3 then
    local h, w, extra = token_grid(node)
    return h and h > 1 and w > 1 and {h = h, w = w, extra = extra, kind = "tokens"} or nil
  end
end

--- grid.map(g, x): x, a value or a gradient of that grid, as (N, C, h, w).
function grid.map(g, x)
  if g.kind == "first" then return x end
  if g.kind == "last" then return x:permute(0, 3, 1, 2) end
  if g.extra > 0 then x = x:narrow(1, g.extra, g.h * g.w) end
  return x:transpose(1, 2):reshape(x.shape[1], -1, g.h, g.w)
end

--- grid.back(g, x, whole): the opposite: x (N, C, h, w) as the value has it; tokens in front are those of `whole`.
function grid.back(g, x, whole)
  if g.kind == "first" then return x end
  if g.kind == "last" then return x:permute(0, 2, 3, 1) end
  local rows = x:flatten(2):transpose(1, 2)
  if g.extra == 0 then return rows end
  return require("suture.tensor").cat({whole:narrow(1, 0, g.extra):expand(x.shape[1], -1, -1), rows}, 1)
end

return grid
