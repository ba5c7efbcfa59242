--- Pictures as numbers that a gradient moves well: Fourier coefficients whose low frequencies count most, in colours
-- that are independent in photographs. Olah, Mordvintsev & Schubert 2017, "Feature Visualization", Distill; the
-- formulas are those of lucid (optvis/param/spatial.py, color.py).
local F = require "suture.nn.functional"
local tensor = require "suture.tensor"
local painted = {}

-- Square root of the colours' covariance over ImageNet, divided by its longest column (lucid: color_correlation).
local colour
local function colours()
  if colour then return colour end
  local rows = {{0.26, 0.09, 0.02}, {0.27, 0.00, -0.05}, {0.27, -0.09, 0.03}}
  local most = 0
  for k = 1, 3 do most = math.max(most, math.sqrt(rows[1][k] ^ 2 + rows[2][k] ^ 2 + rows[3][k] ^ 2)) end
  for _, row in ipairs(rows) do for k = 1, 3 do row[k] = row[k] / most end end
  colour = tensor.tensor(rows)
  return colour
end

local made = setmetatable({}, {__mode = "v"}) -- what a size needs, as long as somebody has it

-- The inverse real DFT (torch.fft.irfft2) of h × w as two matrix products: down the columns A (2h, 2h), from h real
-- rows over h imaginary ones to pairs; along the rows B (2 (w // 2 + 1), w). Each frequency's weight (2h, w // 2 + 1).
local function plan(h, w)
  local key = h .. "x" .. w
  if made[key] then return made[key] end
  local half = w // 2 + 1
  local function table_of(f, n)
    local out = {}
    for i = 0, n - 1 do out[i] = f(2 * math.pi * i / n) end
    return out
  end
  local ch, sh, cw, sw = table_of(math.cos, h), table_of(math.sin, h), table_of(math.cos, w), table_of(math.sin, w)
  local a, b, weight = {}, {}, {}
  for y = 0, h - 1 do
    local re, im = {}, {}
    for u = 0, h - 1 do
      local c, s = ch[u * y % h] / h, sh[u * y % h] / h
      re[u + 1], re[h + u + 1], im[u + 1], im[h + u + 1] = c, -s, s, c
    end
    a[2 * y + 1], a[2 * y + 2] = re, im
  end
  for v = 0, half - 1 do
    local re, im = {}, {}
    local twice = (v == 0 or 2 * v == w) and 1 or 2 -- those of -v are the conjugates
    for x = 0, w - 1 do
      re[x + 1], im[x + 1] = twice * cw[v * x % w] / w, -twice * sw[v * x % w] / w
    end
    b[v + 1], b[half + v + 1] = re, im
  end
  local least = 1 / math.max(h, w)
  for u = 0, h - 1 do
    local fy, row = (2 * u >= h and u - h or u) / h, {}
    for v = 0, half - 1 do row[v + 1] = math.sqrt(h * w) / math.max(math.sqrt(fy * fy + (v / w) ^ 2), least) / 4 end
    weight[u + 1], weight[h + u + 1] = row, row
  end
  made[key] = {a = tensor.tensor(a), b = tensor.tensor(b), weight = tensor.tensor(weight)}
  return made[key]
end

--- painted.fourier(n, c, h, w): n pictures (c, h, w) by their frequencies: {numbers = {sizes}, picture =
-- f(coefficients) → (n, c, h, w)}: the inverse real DFT of the coefficients (n c, 2h, w // 2 + 1), h real rows over h
-- imaginary ones, each divided by its frequency, times √(h w) / 4.
function painted.fourier(n, c, h, w)
  local p = plan(h, w)
  return {numbers = {n * c, 2 * h, w // 2 + 1}, picture = function(x)
    return p.a:matmul(x * p.weight):reshape(n * c, h, -1):matmul(p.b):reshape(n, c, h, w)
  end}
end

--- painted.pixels(n, c, h, w): the same by their pixels: the coefficients are the picture.
function painted.pixels(n, c, h, w) return {numbers = {n, c, h, w}, picture = function(x) return x end} end

--- painted.coloured(x): (n, 3, h, w) in independent colours as red, green and blue, any number each; x of one channel
-- as it is. 0 to 1 after a sigmoid.
function painted.coloured(x)
  local n, c, h, w = table.unpack(x.shape)
  if c ~= 3 then return x end
  return colours():matmul(x:reshape(n, 3, h * w)):reshape(n, 3, h, w)
end

--- painted.logit(x): what a sigmoid makes x of, for x from 0 to 1; less than 1/100 from an end is 1/100 from it.
function painted.logit(x)
  x = x:clamp(0.01, 0.99)
  return (x / (1 - x)):log()
end

painted.sigmoid = F.sigmoid

--- painted.variation(x): the total variation of pictures (n, c, h, w): the mean absolute difference of neighbours.
function painted.variation(x)
  local h, w = x.shape[3], x.shape[4]
  local down, across = x:narrow(2, 1, h - 1) - x:narrow(2, 0, h - 1), x:narrow(3, 1, w - 1) - x:narrow(3, 0, w - 1)
  return down:abs():mean() + across:abs():mean()
end

return painted
