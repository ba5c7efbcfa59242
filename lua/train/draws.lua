--- Random numbers that depend on their names alone, as (seed, epoch, step): the same whoever asks when, so that a
-- training that goes on from a file draws what one that never stopped would have drawn. SplitMix64 (Steele, Lea & Flood
-- 2014).

local function mixed(z)
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return z ~ (z >> 31)
end

local Draws = {}
Draws.__index = Draws

--- draw(): a number from 0 to below 1.
function Draws:__call()
  self.at = self.at + 0x9e3779b97f4a7c15
  return (mixed(self.at) >> 11) * 2.0 ^ -53
end

-- By Box and Muller.
local function normal(draw) return math.sqrt(-2 * math.log(1 - draw())) * math.cos(2 * math.pi * draw()) end

-- Marsaglia & Tsang 2000; a below 1 by the power of a uniform number.
local function gamma(draw, a)
  if a < 1 then return gamma(draw, a + 1) * (1 - draw()) ^ (1 / a) end
  local d = a - 1 / 3
  local c = 1 / math.sqrt(9 * d)
  while true do
    local x = normal(draw)
    local v = (1 + c * x) ^ 3
    if v > 0 and math.log(1 - draw()) < 0.5 * x * x + d - d * v + d * math.log(v) then return d * v end
  end
end

--- draw.beta(a): a number of the distribution Beta(a, a).
local function beta(draw, a)
  local x, y = gamma(draw, a), gamma(draw, a)
  return x + y > 0 and x / (x + y) or draw() < 0.5 and 0 or 1
end

--- draws(…): a generator named by whole numbers.
return function(...)
  local at = 0x243f6a8885a308d3
  for i = 1, select("#", ...) do at = mixed(at + 0x9e3779b97f4a7c15 * ((select(i, ...)) + i)) end
  local self = setmetatable({at = at}, Draws)
  self.beta = function(a) return beta(self, a) end
  return self
end
