--- A line search with the strong Wolfe conditions, by cubic interpolation: that of torch.optim's LBFGS (after Mark
-- Schmidt's minFunc; Nocedal & Wright, algorithms 3.5 and 3.6).

-- Where the cubic through two points with these values and slopes is least, within bounds.
local function cubic(x1, f1, g1, x2, f2, g2, low, high)
  if not low then low, high = math.min(x1, x2), math.max(x1, x2) end
  local d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
  local square = d1 * d1 - g1 * g2
  if not (square >= 0) then return (low + high) / 2 end
  local d2 = math.sqrt(square)
  local least
  if x1 <= x2 then least = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
  else least = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2)) end
  if least ~= least then return (low + high) / 2 end
  return math.min(math.max(least, low), high)
end

local C1, C2, MOST = 1e-4, 0.9, 25

-- A place between the two ends of a bracket that is not too near to either; insufficient: the last one was.
local function between(low, high, insufficient)
  local t = cubic(low.t, low.f, low.slope, high.t, high.f, high.slope)
  local left, right = math.min(low.t, high.t), math.max(low.t, high.t)
  local margin = 0.1 * (right - left)
  if math.min(right - t, t - left) >= margin then return t, false end
  if insufficient or t >= right or t <= left then
    return math.abs(t - right) < math.abs(t - left) and right - margin or left + margin, false
  end
  return t, true
end

--- search(at, t, f, g, slope, length, tolerance): from a point of value f, gradient g and this slope along a direction
-- of this length (its largest number), the first step to try being t. at(t) → value, gradient, slope there. → value,
-- gradient, t, how often at was asked.
return function(at, t, f, g, slope, length, tolerance)
  local function point(step)
    local value, gradient, along = at(step)
    return {t = step, f = value, g = gradient, slope = along}
  end
  local start = {t = 0, f = f, g = g, slope = slope}
  local function armijo_fails(p) return p.f > f + C1 * p.t * slope end
  local before, now, asked, n = start, point(t), 1, 0
  local a, b -- the ends of the bracket in the order in which they were found
  while n < MOST do
    if armijo_fails(now) or n > 1 and now.f >= before.f then
      a, b = before, now
      break
    end
    if math.abs(now.slope) <= -C2 * slope then return now.f, now.g, now.t, asked end
    if now.slope >= 0 then
      a, b = before, now
      break
    end
    local next_t = cubic(before.t, before.f, before.slope, now.t, now.f, now.slope,
      now.t + 0.01 * (now.t - before.t), now.t * 10)
    before, now = now, point(next_t)
    asked, n = asked + 1, n + 1
  end
  if n == MOST then a, b = start, now end
  local low, high = a, b
  if not (a.f <= b.f) then low, high = b, a end
  local insufficient, done = false, false
  while not done and n < MOST and math.abs(a.t - b.t) * length >= tolerance do
    local try
    -- the cubic is through the ends in the order in which they were found, as there
    t, insufficient = between(a, b, insufficient)
    try = point(t)
    asked, n = asked + 1, n + 1
    local low_is_a = low == a
    if armijo_fails(try) or try.f >= low.f then
      if low_is_a then b = try else a = try end
      if a.f <= b.f then low, high = a, b else low, high = b, a end
    else
      if math.abs(try.slope) <= -C2 * slope then done = true
      elseif try.slope * (high.t - low.t) >= 0 then
        if low_is_a then b = low else a = low end
        high = low
      end
      if low_is_a then a = try else b = try end
      low = try
    end
  end
  return low.f, low.g, low.t, asked
end
