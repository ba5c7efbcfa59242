--- Principal components: the directions in which rows of numbers differ most. Hotelling 1933; found by the randomised
-- subspace iteration of Halko, Martinsson & Tropp 2011, arXiv:0909.4061, until it stands still.
local looked = require "suture.vis.common.looked"
local tensor = require "suture.tensor"

local MORE, MOST = 6, 300 -- directions beside those wanted, turns

-- The b columns of rows (lists of b numbers) made orthonormal, by Gram and Schmidt, twice; what is left of a column
-- that hangs on others is 0.
local function orthonormal(rows, b)
  local n = #rows
  for k = 1, b do
    for _ = 1, 2 do
      for j = 1, k - 1 do
        local dot = 0
        for i = 1, n do dot = dot + rows[i][j] * rows[i][k] end
        for i = 1, n do rows[i][k] = rows[i][k] - dot * rows[i][j] end
      end
      local size = 0
      for i = 1, n do size = size + rows[i][k] ^ 2 end
      size = size > 1e-30 and 1 / math.sqrt(size) or 0
      for i = 1, n do rows[i][k] = rows[i][k] * size end
    end
  end
  return rows
end

-- Eigenvalues and eigenvectors (columns) of a small symmetric matrix, the greatest first: Jacobi's rotations.
local function eigen(a)
  local n, v = #a, {}
  for i = 1, n do
    v[i] = {}
    for k = 1, n do v[i][k] = i == k and 1 or 0 end
  end
  for _ = 1, 60 do
    local off = 0
    for p = 1, n - 1 do
      for q = p + 1, n do
        off = off + a[p][q] ^ 2
        if a[p][q] ~= 0 then
          local t = (a[q][q] - a[p][p]) / (2 * a[p][q])
          t = (t < 0 and -1 or 1) / (math.abs(t) + math.sqrt(t * t + 1))
          local c = 1 / math.sqrt(t * t + 1)
          local s = t * c
          for i = 1, n do a[i][p], a[i][q] = c * a[i][p] - s * a[i][q], s * a[i][p] + c * a[i][q] end
          for i = 1, n do a[p][i], a[q][i] = c * a[p][i] - s * a[q][i], s * a[p][i] + c * a[q][i] end
          for i = 1, n do v[i][p], v[i][q] = c * v[i][p] - s * v[i][q], s * v[i][p] + c * v[i][q] end
        end
      end
    end
    if off < 1e-24 then break end
  end
  local order = {}
  for i = 1, n do order[i] = i end
  table.sort(order, function(i, k) return a[i][i] > a[k][k] end)
  return a, v, order
end

--- pca(x, k): of rows x (n, c): the coordinates (n, k) along the k directions of greatest variance, these directions
-- (c, k) of length 1, each with its greatest number above 0, and the share of the variance that each holds (a list).
return function(x, k)
  local c = x.shape[2]
  x = (x - x:mean(0, true)):detach()
  local total, b = x:square():sum():item(), math.min(c, k + MORE)
  local v = looked.seeded(1, function() return tensor.randn(c, b):tolist() end)
  local vectors, values, order, before
  for _ = 1, MOST do
    local q = tensor.tensor(orthonormal(v, b))
    local seen = x:matmul(q)
    local a = seen:t():matmul(seen):tolist()
    values, vectors, order = eigen(a)
    local now = 0
    for i = 1, math.min(k, b) do now = now + values[order[i]][order[i]] end
    local turned = {}
    for i = 1, b do
      turned[i] = {}
      for j = 1, b do turned[i][j] = vectors[i][order[j]] end
    end
    v = q:matmul(tensor.tensor(turned)):detach()
    if before and math.abs(now - before) <= 1e-7 * total then break end
    before = now
    v = x:t():matmul(x:matmul(v)):tolist()
  end
  if type(v) == "table" then v = tensor.tensor(orthonormal(v, b)) end
  v = v:narrow(1, 0, math.min(k, b))
  local signs, shares = {}, {}
  for j, column in ipairs(v:t():tolist()) do
    local top = 0
    for _, w in ipairs(column) do if math.abs(w) > math.abs(top) then top = w end end
    signs[j] = top < 0 and -1.0 or 1.0
    shares[j] = total > 0 and values[order[j]][order[j]] / total or 0
  end
  v = (v * tensor.tensor(signs)):detach()
  return x:matmul(v):detach(), v, shares
end
