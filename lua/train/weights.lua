--- The option class_weights: what each class counts in the loss.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local suggest = require "suture.base.suggest"
local tensor = require "suture.tensor"

local function positive(what, class, v)
  if type(v) == "number" and v >= 0 and v < math.huge then return v end
  fault("%s: class_weights: the weight of class %s is a number, 0 or above, got %s", what, class, options.show(v))
end

-- The weights of all classes as a tensor; a mean over nothing but zeros would be no number.
local function made(what, list)
  for _, v in ipairs(list) do if v > 0 then return tensor.tensor(list) end end
  fault("%s: class_weights: all weights are 0", what)
end

-- n / (classes · how many there are), as scikit-learn's "balanced".
local function balanced(what, ds)
  local counts, all, out = ds:counts(), #ds, {}
  for i, n in ipairs(counts) do
    if n == 0 then fault('%s: class_weights = "balanced": there is no sample of class %s', what, ds.classes[i]) end
    out[i] = all / (#counts * n)
  end
  return out
end

--- The option as a tensor with a number for each class of ds, or nil. given: a list in the order of ds.classes, a
-- tensor, a table by the names of classes (those not named: 1), or "balanced": as many as if all classes were of one
-- size.
return function(what, given, ds)
  if given == nil then return nil end
  local n = #ds.classes
  if not ds:labels() or n == 0 then fault("%s: class_weights: the targets are no classes", what) end
  if core.tensor.is(given) then given = given:tolist() end
  if given == "balanced" then given = balanced(what, ds) end
  if type(given) ~= "table" then
    fault('%s: class_weights is "balanced", a list of %d numbers, or {["%s"] = 2, …}, got %s', what, n, ds.classes[1],
      options.show(given))
  end
  local out = {}
  if given[1] ~= nil then
    if #given ~= n then fault("%s: class_weights has %d numbers for %d classes", what, #given, n) end
    for i = 1, n do out[i] = positive(what, ds.classes[i], given[i]) end
    return made(what, out)
  end
  local place = {}
  for i, name in ipairs(ds.classes) do place[name], out[i] = i, 1 end
  for name, v in pairs(given) do
    if not place[name] then
      fault("%s: class_weights: there is no class %s%s", what, options.show(name),
        suggest.hint(tostring(name), ds.classes))
    end
    out[place[name]] = positive(what, name, v)
  end
  return made(what, out)
end
