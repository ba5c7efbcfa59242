--- A picture moved, turned and made larger or smaller a little, otherwise at each step, so that what is found does not
-- hang on single pixels: Olah, Mordvintsev & Schubert 2017, "transformation robustness". What leaves the frame comes
-- back mirrored. What is drawn are numbers in the graph, not its form: every step has the same plan.
local tensor = require "suture.tensor"
local select = tensor._op "index_select" -- places are known to be there

-- Numbers mirrored at both ends of 0 … n - 1.
local function mirrored(x, n) return ((n - 1) - ((n - 1) - x:abs()):abs()):clamp(0, n - 1) end

-- Only moved by whole pixels: rows and columns chosen.
local function shifted(h, w, o)
  local rows, columns = tensor.arange(0.0, h), tensor.arange(0.0, w)
  return function(x, draw)
    local dy, dx = math.floor(o.jitter * draw[1] + 0.5), math.floor(o.jitter * draw[2] + 0.5)
    x = select(x, mirrored(rows + tensor.tensor {dy + 0.0}, h), {dim = 2})
    return select(x, mirrored(columns + tensor.tensor {dx + 0.0}, w), {dim = 3})
  end
end

-- Each pixel between the four around the place it comes from.
local function turned(h, w, o)
  local y = (tensor.arange(0.0, h) - (h - 1) / 2):reshape(h, 1):expand(h, w):reshape(-1):detach()
  local x = (tensor.arange(0.0, w) - (w - 1) / 2):reshape(1, w):expand(h, w):reshape(-1):detach()
  return function(picture, draw)
    local turn, size = math.rad(o.rotate) * draw[3], 1 + o.scale * draw[4]
    local function number(v) return tensor.tensor {v + 0.0} end
    local c, s = number(math.cos(turn) / size), number(math.sin(turn) / size)
    local from_y = mirrored(y * c + x * s + number((h - 1) / 2 + o.jitter * draw[1]), h)
    local from_x = mirrored(x * c - y * s + number((w - 1) / 2 + o.jitter * draw[2]), w)
    local top, left = from_y:floor():clamp(0, h - 2), from_x:floor():clamp(0, w - 2)
    local fy, fx, at = from_y - top, from_x - left, top * w + left
    local n, channels = picture.shape[1], picture.shape[2]
    local flat = picture:reshape(n, channels, h * w)
    local function corner(more, weight) return select(flat, at + more, {dim = 2}) * weight end
    return (corner(0, (1 - fy) * (1 - fx)) + corner(1, (1 - fy) * fx) + corner(w, fy * (1 - fx))
      + corner(w + 1, fy * fx)):reshape(n, channels, h, w)
  end
end

--- moved(h, w, o): f(pictures (n, c, h, w), draw) → pictures moved by up to o.jitter pixels, turned by up to o.rotate
-- degrees, enlarged by up to a share o.scale; draw: four numbers from -1 to 1. nil where nothing moves.
return function(h, w, o)
  if o.rotate > 0 or o.scale > 0 then return turned(h, w, o) end
  if o.jitter > 0 then return shifted(h, w, o) end
end
