--- Lists that the library hands out count from 1, as all of Lua's. A place where none can be (0, -1, one far behind the
-- end) is an error that says so, instead of a nil that goes on; ipairs and list[#list + 1] work as ever. getmetatable
-- gives false: they pass for plain tables.
local fault = require "suture.base.fault"
local counted = {}

local function refused(what, instead, open)
  return function(list, k)
    if type(k) ~= "number" then return nil end
    local n = rawlen(list)
    if k == n + 1 or n == 0 and k == 0 or open and k > n then return nil end -- where a loop ends; the last of none
    fault("%s: there is no [%s]: Lua's lists count from 1, and this one %s%s", what,
      math.type(k) == "integer" and k or ("%g"):format(k), n == 0 and "is empty" or ("has %d"):format(n),
      instead and " · " .. instead or "")
  end
end

local made, marks = {}, setmetatable({}, {__mode = "k"})

--- counted.places(what, instead, open): an __index for classes of lists: refuses numbers that are no place; open: not
-- those behind the end.
counted.places = refused

--- counted.list(list, what, instead): list, which says so from now on. what: its name in errors; instead: what to
-- write.
function counted.list(list, what, instead)
  local key = what .. "\0" .. (instead or "")
  local mt = made[key]
  if not mt then
    mt = {__metatable = false, __index = refused(what, instead)}
    made[key], marks[mt] = mt, true
  end
  return debug.setmetatable(list, mt)
end

--- counted.like(list, other): list, which is one where `other` is.
function counted.like(list, other)
  local mt = debug.getmetatable(other)
  return marks[mt] and debug.setmetatable(list, mt) or list
end

--- counted.is(v): is v such a list?
function counted.is(v) return marks[debug.getmetatable(v)] == true end

--- counted.want_names(v): an error where v is no list of texts; nil is one.
function counted.want_names(v)
  if v == nil then return end
  local fine = type(v) == "table" and #v > 0
  for _, name in ipairs(fine and v or {}) do fine = fine and type(name) == "string" end
  if not fine then
    fault('classes: expects a list of names, as {"ant", "bee"}, got %s', require("suture.base.options").show(v))
  end
end

--- counted.want_sizes(v): an error where v is no list of sizes; nil is one.
function counted.want_sizes(v)
  if v == nil then return end
  local fine = type(v) == "table" and #v > 0
  for i = 1, fine and #v or 0 do fine = fine and math.type(v[i]) == "integer" and v[i] > 0 end
  if not fine then
    fault("input_shape: expects sizes, as {1, 3, 224, 224}, got %s", require("suture.base.options").show(v))
  end
end

--- counted.names(list, instead): a list of class names, copied unless it is one already.
function counted.names(list, instead)
  if counted.is(list) then return list end
  return counted.list(table.move(list, 1, #list, 1, {}), "classes", instead)
end

return counted
