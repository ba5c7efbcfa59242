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

-- The layout of a value that a permutation of a map gave, or nil.
local function permuted(node)
  local d = node.attrs.dims
  if d and d[2] == 3 and d[3] == 1 then return "first" end
  if d and d[2] == 2 and d[4] == 1 then return "last" end
end

-- The parts of a reshaped value: those of the value before, taken in order; nil where they cannot be told apart.
local function regrouped(before, shape)
  local queue, at, parts = {}, 1, {}
  for _, dim in ipairs(before) do for _, part in ipairs(dim) do queue[#queue + 1] = {part[1], part[2]} end end
  for i, size in ipairs(shape) do
    parts[i] = {}
    while size > 1 do
      local part = queue[at]
      local taken = part and math.min(size, part[2])
      if not part or size % taken > 0 or part[2] % taken > 0 then return nil end
      if taken > 1 then parts[i][#parts[i] + 1] = {part[1], taken} end
      size, part[2] = size // taken, part[2] // taken
      if part[2] == 1 then at = at + 1 end
    end
  end
  return parts
end

-- What each dimension of a value is made of: a list of {axis, size} from the slowest to the fastest, where axis is the
-- dimension of the map (rank 4) that it came from by reshapes, permutations and what leaves all but the last dimension
-- where it is. nil where that is not known. known: what was found before.
local function parts_of(node, known)
  if known[node] ~= nil then return known[node] or nil end
  known[node] = false
  local parts
  local from = node.inputs[1]
  if node.op == "reshape" then
    local before = from and parts_of(from, known)
    parts = before and regrouped(before, node.shape)
  elseif node.op == "permute" then
    local before = from and node.attrs.dims and parts_of(from, known)
    for i, d in ipairs(before and node.attrs.dims or {}) do
      parts = parts or {}
      parts[i] = before[d + 1]
    end
  elseif #node.shape == 4 then
    for _, input in ipairs(not first[node.op] and node.inputs or {}) do
      local s = input and not input.name and #input.shape == 4 and input.shape
      local before = s and s[2] == node.shape[2] and s[3] == node.shape[3] and parts_of(input, known)
      if before then
        parts = {before[1], before[2], before[3], {{4, node.shape[4]}}}
        break
      end
    end
    if not parts then
      parts = {}
      for d, size in ipairs(node.shape) do parts[d] = {{d, size}} end
    end
  end
  known[node] = parts or false
  return parts
end

-- Whether the second and the third dimension are no longer the rows and the columns, but parts of them: windows of
-- neighbours, or grids of places far apart.
local function partitioned(node)
  local parts = parts_of(node, {})
  for d = 2, parts and 3 or 0 do
    for _, part in ipairs(parts[d]) do if part[1] ~= parts[d][1][1] then return true end end
  end
  return false
end

-- "first": (N, C, H, W), "last": (N, H, W, C), or nil, of a node of rank 4.
local function layout(node, seen)
  if seen[node] then return nil end
  seen[node] = true
  if first[node.op] then return "first" end
  if last[node.op] then return not partitioned(node) and "last" or nil end
  if node.op == nil then return not node.name and "first" or nil end -- the pictures themselves
  if node.op == "permute" then return permuted(node) end
  if node.op == "reshape" then
    local from = node.inputs[1]
    if not from or from.shape[#from.shape] ~= node.shape[4] or partitioned(node) then return nil end
    return "last"
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
