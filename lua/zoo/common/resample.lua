--- Pictures of numbers at another size, as matrix products; for tables that a checkpoint holds for one size of picture.
local tensor = require "suture.tensor"

local resample = {}

-- The cubic convolution kernel at distance x, a = -0.75 as PyTorch has it. Keys 1981, doi:10.1109/TASSP.1981.1163711.
local function cubic(x)
  local a = -0.75
  x = math.abs(x)
  if x <= 1 then return ((a + 2) * x - (a + 3)) * x * x + 1 end
  if x < 2 then return ((x - 5) * x + 8) * x * a - 4 * a end
  return 0
end

--- resample.weights(from, to): the matrix (to, from) that resizes a row of `from` numbers to `to` bicubically, the
-- outermost numbers upon each other (align_corners); beyond them the outermost is repeated.
function resample.weights(from, to)
  local rows = {}
  for i = 1, to do
    local at = to > 1 and (i - 1) * (from - 1) / (to - 1) or 0
    local row, left = {}, math.floor(at)
    for j = 1, from do row[j] = 0.0 end
    for tap = left - 1, left + 2 do
      local j = math.max(0, math.min(from - 1, tap)) + 1
      row[j] = row[j] + cubic(at - tap)
    end
    rows[i] = row
  end
  return tensor(rows, {dtype = "float32"})
end

--- resample.bicubic(x, h, w): x (H, W, C) resized to (h, w, C), as torch.nn.functional.interpolate does with mode =
-- "bicubic" and align_corners = True.
function resample.bicubic(x, h, w)
  local H, W, C = table.unpack(x.shape)
  local tall = resample.weights(H, h):matmul(x:reshape(H, W * C)):reshape(h, W, C)
  return resample.weights(W, w):matmul(tall)
end

return resample
