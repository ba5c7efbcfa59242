--- What of a network is to become large: a unit, a direction, one place of them, or all of a layer.
local fault = require "suture.base.fault"
local grid = require "suture.vis.common.grid"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local raw = require("suture.core").tensor
local tensor = require "suture.tensor"
local trace = require("suture.model.trace").trace

local wanted = {}

-- The model run in eval mode on x, as far as `path` where that is all: what the module at path gave in its last call.
-- "": the model itself. Then there is no trace, whose values all stay: what lies beneath is computed along the way.
local function run(m, x, path, alone)
  local back <close> = setmetatable({}, {__close = function() if alone then rawset(m, "_cut", nil) end end})
  if alone then rawset(m, "_cut", path) end
  if alone then return (looked.still(m, x)) end
  local t = looked.still(trace, m, x)
  if path == "" then return t.output, t end
  local found
  for _, c in ipairs(t.calls) do if c.path == path then found = c end end
  if not found or #found.outputs ~= 1 then found = {outputs = {t:value(path)}} end -- which says what is wrong
  if not raw.is(found.outputs[1]) then fault("%s gives several values", path) end
  return found.outputs[1], t
end

-- How often the module at path ran.
local function calls_of(t, path)
  local n = 0
  for _, c in ipairs(t.calls) do if c.path == path then n = n + 1 end end
  return n
end

--- wanted.value(what, m, x, path): what the module at path gives for x in eval mode, and the trace.
function wanted.value(what, m, x, path)
  local ok, value, t = pcall(run, m, x, path, false)
  if not ok then fault("%s: %s", what, (tostring(value):gsub("^.*value: ", ""))) end
  return value, t
end

--- wanted.form(what, t, value, path): how a value says what each unit gives: {kind, extra, h, w, count}. kind: "units"
-- (N, C), "flat" (N, C, 1, 1), or grid's.
function wanted.form(what, t, value, path)
  local s = value.shape
  if #s == 2 then return {kind = "units", count = s[2]} end
  if #s == 4 and s[3] * s[4] == 1 then return {kind = "flat", count = s[2]} end
  local g = grid.of(t, value)
  if not g then
    fault("%s: %s gives %s: neither units (N, C) nor a map of the picture", what, path == "" and "the model" or path,
      tostring(s))
  end
  g.count = g.kind == "first" and s[2] or s[#s]
  return g
end

--- wanted.units(value, form, at): the units' values (N, C): their mean over the map, or those of one place {y, x}.
function wanted.units(value, form, at)
  local kind = form.kind
  if kind == "units" then return value end
  if kind == "flat" then return value:reshape(value.shape[1], -1) end
  if kind == "first" then return at and value:select(3, at[2]):select(2, at[1]) or value:mean({2, 3}) end
  if kind == "last" then return at and value:select(2, at[2]):select(1, at[1]) or value:mean({1, 2}) end
  if at then return value:select(1, form.extra + at[1] * form.w + at[2]) end
  return value:narrow(1, form.extra, value.shape[2] - form.extra):mean(1)
end

--- wanted.places(value, form): the units' values (N, C, places), row by row.
function wanted.places(value, form)
  local n, kind = value.shape[1], form.kind
  if kind == "units" or kind == "flat" then return value:reshape(n, form.count, 1) end
  return grid.map(form, value):reshape(n, form.count, -1)
end

-- One row (N, C) for each picture: 1 at its unit. number(unit, count): the unit of a name.
local function chosen(what, list, count, number)
  local rows, units_of = {}, {}
  for i, unit in ipairs(list) do
    if number then unit = number(unit, count) end
    units_of[i] = unit
    if math.type(unit) ~= "integer" or unit < 0 or unit >= count then
      fault("%s: unit expects a whole number from 0 to %d, got %s", what, count - 1, options.show(unit))
    end
    rows[i] = {}
    for k = 1, count do rows[i][k] = k == unit + 1 and 1.0 or 0.0 end
  end
  return tensor.tensor(rows), units_of
end

local function direction_of(what, d, count)
  if type(d) == "table" and not getmetatable(d) then d = tensor.tensor(d) end
  if not raw.is(d) or #d.shape ~= 1 or d.shape[1] ~= count then
    fault("%s: direction expects %d numbers, one for each unit, got %s", what, count,
      raw.is(d) and "shape " .. tostring(d.shape) or options.show(d))
  end
  local length = d:float():norm():item()
  if not (length > 0 and length < math.huge) then
    fault("%s: direction expects finite numbers that are not all 0", what)
  end
  return (d:float() / length):reshape(1, count):detach()
end

local function place_of(what, at, form)
  if not form.h then fault("%s: position: what is looked at has no map, only units", what) end
  local y, x = at[1], at[2]
  if math.type(y) ~= "integer" or math.type(x) ~= "integer" or #at ~= 2 or y < 0 or x < 0 or y >= form.h
    or x >= form.w then
    fault("%s: position expects {y, x} on a map of %d × %d, from 0, got %s", what, form.h, form.w, options.show(at))
  end
  return {y, x}
end

--- wanted.of(what, m, x, path, o): m is run once on x (1, C, H, W) to see what the module at path gives. o: unit (a
-- number or a list), direction (C numbers), position ({y, x}); neither unit nor direction: the mean of all squares;
-- number (f(name, count) → unit). Returns {n (pictures, one for each unit), value = f(pictures (n, C, H, W)) → (n),
-- units (a list), path, form}.
function wanted.of(what, m, x, path, o)
  local value, t = wanted.value(what, m, x, path)
  local alone = path ~= "" and not rawget(m, "_cut") and calls_of(t, path) == 1
  local form = (o.unit ~= nil or o.direction ~= nil) and wanted.form(what, t, value, path) or nil
  local self = {n = 1, path = path, form = form}
  if not form then
    if o.position then fault("%s: position: of which unit? unit = 0, or direction = {…}", what) end
    function self.value(pictures)
      local v = run(m, pictures, path, alone)
      return v:reshape(v.shape[1], -1):square():mean(1)
    end
    return self
  end
  if o.unit ~= nil and o.direction ~= nil then fault("%s: unit or direction, not both", what) end
  local at = o.position and place_of(what, o.position, form)
  local rows
  if o.direction ~= nil then rows = direction_of(what, o.direction, form.count)
  else
    local list = type(o.unit) == "table" and o.unit or {o.unit}
    if #list == 0 then fault("%s: unit: an empty list", what) end
    self.n = #list
    rows, self.units = chosen(what, list, form.count, o.number)
  end
  function self.value(pictures) return (wanted.units(run(m, pictures, path, alone), form, at) * rows):sum(1) end
  return self
end

return wanted
