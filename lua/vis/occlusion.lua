local attribution = require "suture.vis.common.attribution"
local fault = require "suture.base.fault"
local tensor = require "suture.tensor"

local BATCH = 32

-- The places of a window of `size` over `all` pixels; the last one ends at the edge.
local function places(all, size, stride)
  local out = {}
  for at = 0, all - size, stride do out[#out + 1] = at end
  if out[#out] < all - size then out[#out + 1] = all - size end
  return out
end

--- vis.occlusion(m, picture[, {class =, size = 15, stride = 8, value = 0}]): how much of the class score is lost where
-- a square of the picture is covered: a square of size × size pixels (at most the picture) moves by `stride`; each
-- pixel has the mean over the squares that covered it. value: what covers, as m takes it (0: the mean colour of
-- normalised pictures). Zeiler & Fergus 2013, arXiv:1311.2901. Returns a picture as ?vis.saliency does (no .values);
-- .map keeps its signs: above 0 the square took away what speaks for the class.
local function occlusion(at, o)
  local h, w = at.x.shape[3], at.x.shape[4]
  local size, stride = o.size, o.stride
  if size > h or size > w then
    fault("occlusion: a square of %d does not fit pictures of %d × %d: size = %d", size, h, w, math.max(1, h // 4))
  end
  if stride > size then fault("occlusion: a stride of %d, above the size, %d, would leave pixels out", stride, size) end
  local squares = {}
  for _, y in ipairs(places(h, size, stride)) do
    for _, x in ipairs(places(w, size, stride)) do squares[#squares + 1] = {y, x} end
  end
  -- (n, h, w): 1 where a square covers
  local function covers(first, n)
    local function side(k, all)
      local rows = {}
      for i = 1, n do
        local row, at = {}, squares[first + i][k]
        for p = 0, all - 1 do row[p + 1] = p >= at and p < at + size and 1.0 or 0.0 end
        rows[i] = row
      end
      return tensor.tensor(rows)
    end
    return side(1, h):unsqueeze(2) * side(2, w):unsqueeze(1)
  end
  return attribution.each(at, function(x, class)
    local score = attribution.scores(at.m, x, class)[0]:item()
    local lost, times
    for first = 0, #squares - 1, BATCH do
      local n = math.min(BATCH, #squares - first)
      local cover = covers(first, n)
      local there = cover:unsqueeze(1)
      local s = attribution.scores(at.m, (x * (1 - there) + there * o.value):detach(), class)
      local l, c = (cover * (score - s):reshape(n, 1, 1)):sum(0):detach(), cover:sum(0):detach()
      lost, times = lost and (lost + l):detach() or l, times and (times + c):detach() or c
    end
    return (lost / times):detach()
  end)
end

return attribution.method("occlusion", "occlusion", "size:count=15 stride:count=8 value:num=0", occlusion)
