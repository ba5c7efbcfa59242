--- Rates that fall from the head to the stem.
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

return falling
