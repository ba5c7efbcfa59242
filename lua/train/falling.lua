--- How long and how fast a network with published weights is trained: rates that fall from the head to the stem.
local falling = {}

--- falling.geometric(groups, lr, by): the rates of m:groups(): lr at the head, in each group before it by so many times
-- less → a table by the names of parameters, as the option lr takes it; a list with the rate of each group.
function falling.geometric(groups, lr, by)
  local out, list = {}, {}
  for i, g in ipairs(groups) do
    list[i] = lr / by ^ (#groups - i)
    for _, path in ipairs(g.paths) do out[path] = list[i] end
  end
  return out, list
end

--- falling.length(samples, steps[, batch]) → epochs, batch: as many as make so many steps at least, 20 to 100; smaller
-- batches where there are few samples.
function falling.length(samples, steps, batch)
  batch = batch or samples < 640 and 16 or 32
  return math.max(20, math.min(100, math.ceil(steps / math.ceil(samples / batch)))), batch
end

return falling
