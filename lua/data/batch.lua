--- Changes of whole batches of pictures, x (N, C, H, W) or (C, H, W) of values from 0 to 1: what
-- torchvision.transforms.functional does to tensors, in floating point and in the graph, so that gradients pass. (The
-- functions of `image` without batch are those of PIL images, in 8 bits.) They come before the normalisation: most
-- results are kept within 0 and 1.
local adjust = require "suture.data.adjust"
local core = require "suture.core"
local docs = require "suture.base.docs"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local tensor = require "suture.tensor"

local batch = {}

-- Declares image.batch.<name>(x, …): f(x (N, C, H, W), options) → (N, C, h, w).
local function declare(name, text, f, about)
  local what = "image.batch." .. name
  local read = options.signature(what, text)
  batch[name] = function(x, ...)
    if not core.tensor.is(x) or #x.shape ~= 4 and #x.shape ~= 3 then
      fault("%s expects pictures (N, C, H, W) or (C, H, W), got %s", what,
        core.tensor.is(x) and "shape " .. tostring(x.shape) or options.show(x))
    end
    local o = read(...)
    if #x.shape == 4 then return f(x, o, what) end
    return f(x:unsqueeze(0), o, what):squeeze(0)
  end
  docs[batch[name]] = ("image.batch.%s(x%s): %s"):format(name, text == "" and "" or ", " .. options.usage(text), about)
end

local function colours(what, x)
  local c = x.shape[2]
  if c ~= 1 and c ~= 3 then fault("%s expects 1 or 3 channels, got shape %s", what, tostring(x.shape)) end
  return c
end

-- factor of x and the rest of y, within 0 and 1.
local function blend(x, y, factor) return (factor * x + (1 - factor) * y):clamp(0, 1) end

local function grey(x)
  local r, g, b = x:narrow(1, 0, 1), x:narrow(1, 1, 1), x:narrow(1, 2, 1)
  return 0.2989 * r + 0.587 * g + 0.114 * b
end

declare("adjust_brightness", "factor:rate", function(x, o, what)
  colours(what, x)
  return blend(x, 0, o.factor)
end, "times factor; 0 is black, 1 as it is.")

declare("adjust_contrast", "factor:rate", function(x, o, what)
  local y = colours(what, x) == 3 and grey(x) or x
  return blend(x, y:mean({1, 2, 3}, true), o.factor)
end, "away from the mean grey of each picture by factor; 0 is grey, 1 as it is.")

declare("adjust_saturation", "factor:rate", function(x, o, what)
  return colours(what, x) == 1 and x or blend(x, grey(x), o.factor)
end, "away from its grey by factor; 0 is grey, 1 as it is.")

-- Hue, saturation and value of (N, 3, H, W), each (N, 1, H, W).
local function hsv_of(x)
  local r, g, b = x:narrow(1, 0, 1), x:narrow(1, 1, 1), x:narrow(1, 2, 1)
  local most, least = r:maximum(g):maximum(b), r:minimum(g):minimum(b)
  local none = most:eq(least)
  local ones, range = tensor.ones_like(most), most - least
  local divisor = tensor.where(none, ones, range)
  local rc, gc, bc = (most - r) / divisor, (most - g) / divisor, (most - b) / divisor
  local is_r, is_g = most:eq(r):float(), most:eq(g):float()
  local h = is_r * (bc - gc) + is_g * (1 - is_r) * (2 + rc - bc) + (1 - is_g) * (1 - is_r) * (4 + gc - rc)
  h = h / 6 + 1
  return h - h:floor(), range / tensor.where(none, ones, most), most
end

declare("adjust_hue", "shift:num", function(x, o, what)
  if not (o.shift >= -0.5 and o.shift <= 0.5) then
    fault("%s: shift expects a number from -0.5 to 0.5, got %s", what, options.show(o.shift))
  end
  if colours(what, x) == 1 then return x end
  local h, s, v = hsv_of(x)
  h = h + o.shift
  h = (h - h:floor()) * 6
  local i = h:floor()
  local f = h - i
  local p, q, t = (v * (1 - s)):clamp(0, 1), (v * (1 - s * f)):clamp(0, 1), (v * (1 - s * (1 - f))):clamp(0, 1)
  local sum
  for k, place in ipairs {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}} do
    local is = k == 1 and (i:eq(0):float() + i:eq(6):float()) or i:eq(k - 1):float()
    local one = tensor.cat(place, 1) * is
    sum = sum and sum + one or one
  end
  return sum
end, "its hues moved around their circle by shift, -0.5 to 0.5.")

-- Each channel by one kernel (kh, kw), a flat list; no padding.
local function filtered(x, kernel, kh, kw)
  local c = x.shape[2]
  return F.conv2d(x, tensor.tensor(kernel):reshape(1, 1, kh, kw):expand(c, 1, kh, kw), {groups = c})
end

declare("adjust_sharpness", "factor:rate", function(x, o, what)
  colours(what, x)
  local h, w = x.shape[3], x.shape[4]
  if h <= 2 or w <= 2 then return x end
  local smooth = filtered(x, {1 / 13, 1 / 13, 1 / 13, 1 / 13, 5 / 13, 1 / 13, 1 / 13, 1 / 13, 1 / 13}, 3, 3)
  local inner = F.pad(tensor.ones(1, 1, h - 2, w - 2), {1, 1, 1, 1})
  return blend(x, F.pad(smooth, {1, 1, 1, 1}) + x * (1 - inner), o.factor)
end, "away from its smoothed form by factor; 0 is smooth, 1 as it is, 2 sharp.")

declare("rgb_to_grayscale", "num_output_channels:int=1", function(x, o, what)
  if o.num_output_channels ~= 1 and o.num_output_channels ~= 3 then
    fault("%s: num_output_channels is 1 or 3, got %d", what, o.num_output_channels)
  end
  local y = colours(what, x) == 3 and grey(x) or x
  return o.num_output_channels == 3 and tensor.cat({y, y, y}, 1) or y
end, "its grey (ITU-R 601), in 1 channel or 3.")

declare("invert", "", function(x) return 1 - x end, "1 - x.")

declare("solarize", "threshold:num", function(x, o) return tensor.where(x:ge(o.threshold), 1 - x, x) end,
  "values of threshold and above inverted.")

declare("autocontrast", "", function(x)
  local low, high = x:amin({2, 3}, true), x:amax({2, 3}, true)
  local flat = high:eq(low)
  local zeros, ones = tensor.zeros_like(low), tensor.ones_like(low)
  return ((x - tensor.where(flat, zeros, low)) / tensor.where(flat, ones, high - low)):clamp(0, 1)
end, "each channel of each picture stretched from its least and greatest value to 0 and 1.")

declare("hflip", "", function(x) return x:flip(3) end, "left and right exchanged.")
declare("vflip", "", function(x) return x:flip(2) end, "top and bottom exchanged.")

-- A number or one for each channel, as (1, C, 1, 1).
local function per_channel(what, name, v, c)
  if type(v) == "number" then v = {v} end
  if type(v) ~= "table" or (#v ~= 1 and #v ~= c) then
    fault("%s: %s expects a number or one for each of %d channels, got %s", what, name, c, options.show(v))
  end
  for _, one in ipairs(v) do
    if type(one) ~= "number" then fault("%s: %s has %s", what, name, options.show(one)) end
  end
  return tensor.tensor(v):reshape(1, #v, 1, 1)
end

declare("normalize", "mean:any std:any", function(x, o, what)
  local c = x.shape[2]
  return (x - per_channel(what, "mean", o.mean, c)) / per_channel(what, "std", o.std, c)
end, "less mean, divided by std: a number or one for each channel, as m.preprocess has them.")

declare("gaussian_blur", "kernel_size:pair sigma:any=nil", function(x, o, what)
  local kh, kw, sh, sw = table.unpack(adjust.blur_of(what, o.kernel_size, o.sigma))
  local function curve(k, sigma)
    local list, sum = {}, 0
    for i = 1, k do
      list[i] = math.exp(-0.5 * ((i - 1 - (k - 1) * 0.5) / sigma) ^ 2)
      sum = sum + list[i]
    end
    for i = 1, k do list[i] = list[i] / sum end
    return list
  end
  local down, across, kernel = curve(kh, sh), curve(kw, sw), {}
  for _, a in ipairs(down) do for _, b in ipairs(across) do kernel[#kernel + 1] = a * b end end
  return filtered(F.pad(x, {kw // 2, kw // 2, kh // 2, kh // 2}, "reflect"), kernel, kh, kw)
end, "blurred by a Gaussian of kernel_size (odd, a number or {h, w}) and sigma (0.3 ((k - 1) / 2 - 1) + 0.8); the " ..
  "border is mirrored.")

-- ---- changes of place ----

local last = {} -- where pixels come from in the last change of place: batches come in rows

-- Where the pixels of an (H, W) picture come from: from(x, y) → the place of the middle of pixel (x, y), in pixels'
-- middles from 0. → {index =, weight =} each, and the weights' sum, for one (nearest) or four pixels.
local function places(key, h, w, how, from)
  key = ("%s %d %d %s"):format(key, h, w, how)
  if last.key == key then return last end
  local n = how == "nearest" and 1 or 4
  local index, weight, inside = {}, {}, {}
  for k = 1, n do index[k], weight[k] = {}, {} end
  local i = 0
  for y = 0, h - 1 do
    for x = 0, w - 1 do
      i = i + 1
      local u, v = from(x, y)
      local u0, v0 = math.floor(n == 1 and u + 0.5 or u), math.floor(n == 1 and v + 0.5 or v)
      local du, dv, sum = u - u0, v - v0, 0
      for k = 1, n do
        local right, below = (k - 1) % 2, (k - 1) // 2
        local a, b = u0 + right, v0 + below
        local there = a >= 0 and a < w and b >= 0 and b < h
        local part = n == 1 and 1 or (right == 1 and du or 1 - du) * (below == 1 and dv or 1 - dv)
        index[k][i], weight[k][i] = there and b * w + a or 0, there and part or 0
        sum = sum + weight[k][i]
      end
      inside[i] = sum
    end
  end
  local made = {key = key, inside = tensor.tensor(inside)}
  for k = 1, n do made[k] = {tensor.tensor(index[k], {dtype = "int64"}), tensor.tensor(weight[k])} end
  last = made
  return made
end

local function moved(x, o, key, from)
  local n, c, h, w = table.unpack(x.shape)
  local all = places(key, h, w, o.interpolation, from)
  local flat, sum = x:reshape(n, c, h * w), nil
  for _, one in ipairs(all) do
    local part = flat:index_select(2, one[1]) * one[2]
    sum = sum and sum + part or part
  end
  if o.fill then sum = sum * all.inside + (1 - all.inside) * o.fill end -- torchvision's: the rim counts twice
  return sum:reshape(n, c, h, w)
end

-- The inverse of: turned by angle, scaled, sheared about the middle, then moved (torchvision's
-- _get_inverse_affine_matrix), of an (H, W) picture.
local function affine(x, o, angle, translate, scale, shear)
  local h, w = x.shape[3], x.shape[4]
  local turn, sx, sy = math.rad(angle), math.rad(shear[1]), math.rad(shear[2])
  local a, b = math.cos(turn - sy) / math.cos(sy), -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
  local c, d = math.sin(turn - sy) / math.cos(sy), -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
  a, b, c, d = d / scale, -b / scale, -c / scale, a / scale
  local function from(px, py)
    local u, v = px + 0.5 - w / 2 - translate[1], py + 0.5 - h / 2 - translate[2]
    return a * u + b * v + w / 2 - 0.5, c * u + d * v + h / 2 - 0.5
  end
  local key = {}
  for i, v in ipairs {a, b, c, d, translate[1], translate[2]} do key[i] = ("%.17g"):format(v) end
  return moved(x, o, table.concat(key, " "), from)
end

declare("rotate", "angle:finite interpolation:nearest|bilinear=nearest fill:num=nil", function(x, o)
  return affine(x, o, -o.angle, {0, 0}, 1, {0, 0})
end, "turned counter-clockwise by angle, in degrees, about its centre, in the same size; fill (0) where nothing " ..
  "comes from.")

declare("affine", [[angle:finite=0 translate:any=0 scale:positive=1 shear:any=0
    interpolation:nearest|bilinear=nearest fill:num=nil]], function(x, o, what)
  local tx, ty = adjust.two(what, "translate", o.translate)
  local sx, sy = adjust.two(what, "shear", o.shear)
  return affine(x, o, o.angle, {tx, ty}, o.scale, {sx, sy})
end, "turned clockwise by angle, scaled and sheared (degrees, a number or {x, y}) about its centre, moved by " ..
  "translate {x, y} in pixels; fill (0) where nothing comes from.")

-- Solves a (n, n) x = b by elimination with pivots; nil: it has no one solution.
local function solved(a, b)
  local n = #b
  for k = 1, n do
    local top = k
    for i = k + 1, n do if math.abs(a[i][k]) > math.abs(a[top][k]) then top = i end end
    if math.abs(a[top][k]) < 1e-12 then return nil end
    a[k], a[top], b[k], b[top] = a[top], a[k], b[top], b[k]
    for i = k + 1, n do
      local f = a[i][k] / a[k][k]
      for j = k, n do a[i][j] = a[i][j] - f * a[k][j] end
      b[i] = b[i] - f * b[k]
    end
  end
  local x = {}
  for k = n, 1, -1 do
    local sum = b[k]
    for j = k + 1, n do sum = sum - a[k][j] * x[j] end
    x[k] = sum / a[k][k]
  end
  return x
end

local function corners(what, name, v)
  local fits = type(v) == "table" and #v == 4
  for _, p in ipairs(fits and v or {}) do
    fits = fits and type(p) == "table" and #p == 2 and type(p[1]) == "number" and type(p[2]) == "number"
  end
  if not fits then
    fault("%s: %s expects four corners {x, y}: top left, top right, bottom right, bottom left, got %s", what, name,
      options.show(v))
  end
  return v
end

declare("perspective", "startpoints:table endpoints:table interpolation:nearest|bilinear=bilinear fill:num=nil",
  function(x, o, what)
    local start, stop = corners(what, "startpoints", o.startpoints), corners(what, "endpoints", o.endpoints)
    local a, b, key = {}, {}, {"perspective"}
    for i = 1, 4 do
      local p, q = stop[i], start[i]
      a[2 * i - 1], b[2 * i - 1] = {p[1], p[2], 1, 0, 0, 0, -q[1] * p[1], -q[1] * p[2]}, q[1]
      a[2 * i], b[2 * i] = {0, 0, 0, p[1], p[2], 1, -q[2] * p[1], -q[2] * p[2]}, q[2]
    end
    local k = solved(a, b) or fault("%s: three of the corners lie on a line", what)
    for i, v in ipairs(k) do key[i + 1] = ("%.17g"):format(v) end
    return moved(x, o, table.concat(key, " "), function(px, py)
      local u, v = px + 0.5, py + 0.5
      local w = k[7] * u + k[8] * v + 1
      return (k[1] * u + k[2] * v + k[3]) / w - 0.5, (k[4] * u + k[5] * v + k[6]) / w - 0.5
    end)
  end, "seen from elsewhere: the corners startpoints go to endpoints, each four {x, y}: top left, top right, bottom " ..
  "right, bottom left; fill (0) where nothing comes from.")

declare("pad", "padding:any fill:num=0 mode:constant|edge|reflect|symmetric=constant", function(x, o, what)
  local l, t, r, b = adjust.sides(what, o.padding)
  local pads = {l, r, t, b}
  if o.mode == "constant" then return F.pad(x, pads, "constant", o.fill) end
  if o.mode ~= "symmetric" then return F.pad(x, pads, o.mode == "edge" and "replicate" or "reflect") end
  local function mirrored(n, before, behind)
    if before > n or behind > n then fault("%s: symmetric mirrors at most the %d pixels there are", what, n) end
    local list = {}
    for i = -before, n + behind - 1 do
      list[#list + 1] = i < 0 and -1 - i or i >= n and 2 * n - 1 - i or i
    end
    return tensor.tensor(list, {dtype = "int64"})
  end
  return x:index_select(2, mirrored(x.shape[3], t, b)):index_select(3, mirrored(x.shape[4], l, r))
end, "with a border: a number, {x, y} or {left, top, right, bottom} pixels of fill, its edge (replicated), or " ..
  "mirrored without its edge (reflect) or with it (symmetric).")

return require("suture.base.absent").table(batch, "image.batch")
