--- Which units are shown.
local fault = require "suture.base.fault"
local options = require "suture.base.options"

-- Units in words: "units 0 … 15", "units 5, 1, 9", "unit 3".
local function said(list)
  if #list == 1 then return "unit " .. list[1] end
  local row = true
  for i = 2, #list do row = row and list[i] == list[i - 1] + 1 end
  if row then return ("units %d … %d"):format(list[1], list[#list]) end
  return ("units %s%s"):format(table.concat(list, ", ", 1, math.min(8, #list)), #list > 8 and ", …" or "")
end

--- units(what, path, given, count, most[, order]): the units that were asked for (a number, a list of them, or nil: the
-- first `most` in order), and how that is said.
return function(what, path, given, count, most, order)
  local list = {}
  if given == nil then
    for i = 1, math.min(count, most) do list[i] = order and order[i] or i - 1 end
    return list, (" · %s%s"):format(said(list), count > #list and (" of %d (most =, units =)"):format(count) or "")
  end
  if type(given) == "number" then given = {given} end
  if type(given) ~= "table" or getmetatable(given) or #given == 0 then
    fault("%s: units expects a number or a list of them, got %s", what, options.show(given))
  end
  for i, k in ipairs(given) do
    if math.type(k) ~= "integer" or k < 0 or k >= count then
      fault("%s: units expects whole numbers, 0 … %d (%s has %d), got %s", what, count - 1, path, count,
        options.show(k))
    end
    list[i] = k
  end
  return list, (" · %s of %d"):format(said(list), count)
end
