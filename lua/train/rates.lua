--- Options of an optimizer by the names of parameters: lr = {1e-3, ["layer4.*"] = 1e-4, fc = 1e-2}, and what does not
-- decay.
local core = require "suture.core"
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local options = require "suture.base.options"
local suggest = require "suture.base.suggest"
local rates = {}

-- How much a pattern says: its letters that stand for themselves.
local function weight(pattern) return #pattern:gsub("%b[]", ""):gsub("[*?{},]", "") end

-- Whether a pattern names this parameter: itself or a module that it is in.
local function names(match, path)
  if match(path) then return true end
  for at in path:gmatch "()%." do if match(path:sub(1, at - 1)) then return true end end
  return false
end

local function paths_of(m)
  local list = {}
  for path in m:named_parameters() do list[#list + 1] = path end
  return list
end

-- Every pattern names something; an error with the nearest name for one that does not.
local function named(what, m, name, pattern)
  local match = glob(pattern, ("%s: %s"):format(what, name))
  for path in m:named_parameters() do if names(match, path) then return match end end
  local all = paths_of(m)
  for path in m:named_modules() do if path ~= "" then all[#all + 1] = path end end
  fault("%s: %s: no parameter is called %s%s", what, name, options.show(pattern), suggest.hint(pattern, all))
end

--- rates.by_name(what, m, name, given): a table {default, pattern = number, …} as a function(path of a parameter) →
-- number or nil. Where several patterns name one, the one that says most (most letters besides wildcards) counts.
function rates.by_name(what, m, name, given)
  local list = {}
  for pattern, v in pairs(given) do
    if pattern ~= 1 then
      if type(pattern) ~= "string" then
        fault("%s: %s: expects {number for all others, pattern = number, …}, got %s", what, name, options.show(given))
      end
      if type(v) ~= "number" or not (v >= 0 and v < math.huge) then
        fault("%s: %s[%q] expects a number, 0 or above, got %s", what, name, pattern, options.show(v))
      end
      list[#list + 1] = {pattern = pattern, value = v, match = named(what, m, name, pattern), weight = weight(pattern)}
    end
  end
  if given[1] ~= nil and type(given[1]) ~= "number" then
    fault("%s: %s: the number for all others is %s", what, name, options.show(given[1]))
  end
  table.sort(list, function(a, b)
    if a.weight ~= b.weight then return a.weight > b.weight end
    return a.pattern < b.pattern
  end)
  return function(path)
    local best
    for _, one in ipairs(list) do
      if best and one.weight < best.weight then break end
      if names(one.match, path) then
        if best and best.value ~= one.value then
          fault("%s: %s: %s is named by %q and by %q, of which neither says more", what, name, path, best.pattern,
            one.pattern)
        end
        best = best or one
      end
    end
    return best and best.value or given[1]
  end
end

--- rates.stays(what, m, given): the option no_decay as a function(path, parameter) → whether it does not decay. true:
-- biases and all parameters of one dimension (those of norms), as timm and torchvision's references have it; else a
-- pattern or a list of them.
function rates.stays(what, m, given)
  if given == true then
    return function(path, p) return #core.tensor.shape(p) <= 1 or path:find "%f[^.]bias$" ~= nil end
  end
  local list = {}
  for i, pattern in ipairs(type(given) == "table" and given or {given}) do
    list[i] = named(what, m, "no_decay", pattern)
  end
  return function(path)
    for _, match in ipairs(list) do if names(match, path) then return true end end
    return false
  end
end

-- A table that is no list of numbers of an option's own, as betas.
local function is_table(v) return type(v) == "table" and not getmetatable(v) end

--- rates.groups(what, m, own, given): the parameters of m as groups for an optimizer, and the options that all of them
-- have: own with numbers in the place of tables. given: {no_decay =}. nil, own where there is nothing to part.
function rates.groups(what, m, own, given)
  local by, plain = {}, {}
  for name, v in pairs(own) do plain[name] = v end
  for _, name in ipairs {"lr", "weight_decay"} do
    if is_table(own[name]) then
      by[name] = rates.by_name(what, m, name, own[name])
      plain[name] = own[name][1]
    end
  end
  local stays = given.no_decay and rates.stays(what, m, given.no_decay)
  if not next(by) and not stays then return nil, own end
  local list, place = {}, {}
  for path, p in m:named_parameters() do
    local set = {}
    for name, of in pairs(by) do set[name] = of(path) end
    if stays and stays(path, p) then set.weight_decay = 0 end
    local key = ("%s %s"):format(set.lr, set.weight_decay)
    if not place[key] then
      set.params = {}
      list[#list + 1], place[key] = set, set
    end
    table.insert(place[key].params, p)
  end
  return list, plain
end

return rates
