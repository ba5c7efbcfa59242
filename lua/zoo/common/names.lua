--- Names and shapes of the same numbers in other files.
local names = {}

--- names.first(name, patterns): what the first of `patterns` ({{Lua pattern, replacement (as string.gsub's)}, …}) that
-- matches makes of the name; nil where none does.
function names.first(name, patterns)
  for _, p in ipairs(patterns) do
    local new, n = name:gsub(p[1], p[2])
    if n > 0 then return new end
  end
end

local function long(shape)
  local out = {}
  for _, d in ipairs(shape) do
    if d ~= 1 then out[#out + 1] = d end
  end
  return table.concat(out, "x")
end

--- names.squeezed(given, wanted): the tensor in the wanted shape, where that has the same dims but for some of length 1
-- (a linear map kept as a 1 × 1 convolution); nil elsewhere.
function names.squeezed(given, wanted)
  return long(given.shape) == long(wanted) and given:reshape(table.unpack(wanted)) or nil
end

return names
