--- What a sweep tries: the values of each option, as a grid or drawn at random.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local image = core.image
local space = {}

-- Whether v is a range, {min =, max =, log =, whole =}.
local function range(name, v)
  if type(v) ~= "table" or v.min == nil and v.max == nil then return nil end
  options.check("sweep: " .. name, v, {min = true, max = true, log = true, whole = true})
  local function number(x) return type(x) == "number" and x - x == 0 end
  if not number(v.min) or not number(v.max) or v.min > v.max or v.log and v.min <= 0 then
    fault("sweep: %s: a range is {min = 1e-4, max = 0.1, log = true}, got %s", name, options.show(v))
  end
  return v
end

-- A value that a file can hold and a table can show: of an option, or a list of patterns of freeze.
local function plain(v)
  local t = type(v)
  if t == "string" or t == "boolean" or t == "number" then return true end
  if t ~= "table" or getmetatable(v) then return false end
  for _, x in pairs(v) do if not plain(x) then return false end end
  return true
end

--- space.read(given): the axes, sorted by name: {{name =, values = {…} or range =} …}.
function space.read(given)
  if type(given) ~= "table" or getmetatable(given) or next(given) == nil then
    fault("sweep: expects what to try, as {lr = {0.1, 0.01}, freeze = {\"layer1*\", false}}, got %s",
      options.show(given))
  end
  local axes = {}
  for name, v in pairs(given) do
    if type(name) ~= "string" then fault("sweep: expects names of options with lists of values, got a list") end
    local r = range(name, v)
    if not r and (type(v) ~= "table" or #v == 0 or getmetatable(v)) then
      fault("sweep: %s: a list of values is expected, as {0.1, 0.01}, or a range {min =, max =, log =}, got %s", name,
        options.show(v))
    end
    for i, x in ipairs(r and {} or v) do
      if not plain(x) then
        fault("sweep: %s: value %d is %s: numbers, strings, booleans and lists of them can be tried", name, i,
          options.show(x))
      end
    end
    axes[#axes + 1] = {name = name, values = not r and v or nil, range = r}
  end
  table.sort(axes, function(a, b) return a.name < b.name end)
  return axes
end

local function grid(axes)
  local points = {{}}
  for _, axis in ipairs(axes) do
    if axis.range then
      fault('sweep: %s is a range: method = "random" draws from it; a grid takes a list of values', axis.name)
    end
    local more = {}
    for _, point in ipairs(points) do
      for _, v in ipairs(axis.values) do
        local one = {}
        for k, x in pairs(point) do one[k] = x end
        one[axis.name] = v
        more[#more + 1] = one
      end
    end
    points = more
  end
  return points
end

-- A number from 0 to below 1 for each (seed, trial, axis).
local function unit(seed, trial, axis)
  local weights = {}
  for i = 1, 4096 do weights[i] = 1 end
  local a = image.drawn(weights, 2, seed, trial * 64 + axis)
  return (a[1] + a[2] / 4096) / 4096
end

local function drawn(axes, n, seed)
  local points = {}
  for trial = 1, n do
    points[trial] = {}
    for k, axis in ipairs(axes) do
      local u, r = unit(seed, trial, k), axis.range
      local v
      if not r then v = axis.values[math.floor(u * #axis.values) + 1]
      elseif r.log then v = math.exp(math.log(r.min) + u * (math.log(r.max) - math.log(r.min)))
      else v = r.min + u * (r.max - r.min) end
      if r and r.whole then v = math.floor(v + 0.5) end
      points[trial][axis.name] = v
    end
  end
  return points
end

--- space.points(axes, o): a list of {name = value}. o: method, trials, seed.
function space.points(axes, o)
  if o.method == "grid" then return grid(axes) end
  local free = false
  for _, axis in ipairs(axes) do free = free or axis.range ~= nil end
  if not free and o.method == "halving" and o.trials == nil then return grid(axes) end
  return drawn(axes, o.trials or 20, o.seed)
end

--- A point in words: "freeze layer1*, lr 0.01".
function space.words(axes, point)
  local parts = {}
  for i, axis in ipairs(axes) do
    local v = point[axis.name]
    parts[i] = ("%s %s"):format(axis.name, type(v) == "number" and ("%.4g"):format(v) or
      type(v) == "string" and v or options.show(v))
  end
  return table.concat(parts, ", ")
end

return space
