--- Numbers of a user's options, checked.
local fault = require "suture.base.fault"
local shown = require("suture.base.options").show

local numbers = {}

--- The value when it is a whole number of at least `least`.
function numbers.whole(where, name, v, least)
  local n = math.tointeger(v)
  if type(v) ~= "number" or not n or n < least then
    fault("%s: %s is a whole number of at least %d, got %s", where, name, least, shown(v))
  end
  return n
end

--- The value when it is a number from lo to hi.
function numbers.within(where, name, v, lo, hi)
  if type(v) ~= "number" or not (v >= lo and v <= hi) then
    fault("%s: %s is a number from %g to %g, got %s", where, name, lo, hi, shown(v))
  end
  return v
end

--- {lo, hi}, both within the bounds.
function numbers.range(where, name, v, lo, hi)
  if type(v) ~= "table" or #v ~= 2 then fault("%s: %s is {lo, hi}, got %s", where, name, shown(v)) end
  local from = numbers.within(where, name, v[1], lo, hi)
  return from, numbers.within(where, name, v[2], from, hi)
end

return numbers
