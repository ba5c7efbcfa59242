--- groups(old, new): dims of two shapes of as many numbers in the smallest groups that hold the same ones: a list of
-- {first, last (dims of the old, from 1), first, last (of the new)}.
return function(old, new)
  local out, i, k = {}, 1, 1
  while i <= #old or k <= #new do
    local i0, k0, a, b = i, k, old[i] or 1, new[k] or 1
    while a ~= b do
      if a < b and i < #old then i = i + 1; a = a * old[i]
      elseif k < #new then k = k + 1; b = b * new[k]
      else return {{1, #old, 1, #new}} end
    end
    out[#out + 1] = {i0, math.min(i, #old), k0, math.min(k, #new)}
    i, k = i + 1, k + 1
  end
  return out
end
