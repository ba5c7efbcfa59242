--- Arguments as PyTorch gives them: some by place, the rest by name in a trailing table, all checked.
-- A signature is "in_channels:count out_channels:count kernel_size:pair stride:pair=1 bias:bool=true": name, kind, and a
-- default for what may be left out ("=nil": nil).
local fault = require "suture.base.fault"
local suggest = require "suture.base.suggest"
local is_tensor = require("suture.core").tensor.is

local options = {}

local function whole(v) if type(v) == "number" then return math.tointeger(v) end end

-- Each kind: what it expects in words, and a check that returns the value to keep, or nil.
local kinds = {
  any = {"a value", function(v) return v end},
  bool = {"true or false", function(v) if type(v) == "boolean" then return v end end},
  num = {"a number", function(v) if type(v) == "number" and v == v then return v end end},
  rate = {"a number, 0 or above", function(v) if type(v) == "number" and v >= 0 and v < math.huge then return v end end},
  positive = {"a number above 0", function(v) if type(v) == "number" and v > 0 then return v end end},
  prob = {"a number from 0 to 1", function(v) if type(v) == "number" and v >= 0 and v <= 1 then return v end end},
  int = {"a whole number", whole},
  count = {"a whole number above 0", function(v) v = whole(v) if v and v > 0 then return v end end},
  natural = {"a whole number, 0 or above", function(v) v = whole(v) if v and v >= 0 then return v end end},
  str = {"a string", function(v) if type(v) == "string" then return v end end},
  fn = {"a function", function(v) if type(v) == "function" or type(v) == "table" then return v end end},
  tensor = {"a tensor", function(v) if is_tensor(v) then return v end end},
  module = {"a module", function(v) if type(v) == "table" and rawget(v, "_children") then return v end end},
  table = {"a table", function(v) if type(v) == "table" then return v end end},
}

local function pair_of(kind)
  return function(v)
    if type(v) == "table" and #v == 2 then
      local a, b = kinds[kind][2](v[1]), kinds[kind][2](v[2])
      if a and b then return {a, b} end
    elseif type(v) == "number" then
      v = kinds[kind][2](v)
      if v then return {v, v} end
    end
  end
end
kinds.pair = {"a whole number above 0 or two of them {h, w}", pair_of "count"}
kinds.pair0 = {"a whole number, 0 or above, or two of them {h, w}", pair_of "natural"}
kinds.padding = {'a whole number, two of them {h, w}, "same" or "valid"', function(v)
  if v == "same" then return v end
  if v == "valid" then return {0, 0} end
  return pair_of "natural"(v)
end}
kinds.size = {"a whole number above 0 or two of them {h, w} (h or w false: as it comes)", function(v)
  local count = kinds.count[2]
  if type(v) ~= "table" then
    v = count(v)
    return v and {v, v}
  end
  local h, w = v[1] and count(v[1]), v[2] and count(v[2])
  if (v[1] and not h) or (v[2] and not w) then return nil end
  return {h or false, w or false}
end}

kinds.sizes = {"a whole number above 0 or a list of them", function(v)
  if type(v) == "number" then v = {v} end
  if type(v) ~= "table" or #v == 0 then return nil end
  local out = {}
  for i, d in ipairs(v) do
    out[i] = kinds.count[2](d)
    if not out[i] then return nil end
  end
  return out
end}

kinds.betas = {"two numbers from 0 to below 1, as {0.9, 0.999}", function(v)
  if type(v) ~= "table" or #v ~= 2 then return nil end
  for i = 1, 2 do
    if type(v[i]) ~= "number" or not (v[i] >= 0 and v[i] < 1) then return nil end
  end
  return {v[1], v[2]}
end}

local function value_of(text)
  if text:find "," then -- "0.9,0.999": a list
    local list = {}
    for part in text:gmatch "[^,]+" do list[#list + 1] = tonumber(part) end
    return list
  end
  if text == "true" then return true elseif text == "false" then return false elseif text == "nil" then return nil end
  return math.tointeger(tonumber(text)) or tonumber(text) or text
end

local function show(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if v ~= v then return "nan" end
  if type(v) == "table" and #v > 0 and not getmetatable(v) then
    local out = {}
    for i, x in ipairs(v) do out[i] = show(x) end
    return "{" .. table.concat(out, ", ") .. "}"
  end
  if type(v) == "userdata" or type(v) == "table" then return "a " .. ((getmetatable(v) or {}).__name or type(v)):gsub("^suture%.", "") end
  return tostring(v)
end
options.show = show

--- Whether a value is a table of named options (not a list, not a module).
function options.is_options(v)
  return type(v) == "table" and getmetatable(v) == nil and v[1] == nil
end

--- Reads the names of an options table: an error with the nearest name for any that is not known.
function options.check(what, given, known)
  if type(given) ~= "table" or getmetatable(given) then fault("%s: expects options in a table, as {name = value}, got %s", what, show(given)) end
  for name in pairs(given) do
    if not known[name] then
      local names = {}
      for k in pairs(known) do names[#names + 1] = k end
      table.sort(names)
      fault("%s: no option '%s'%s (options: %s)", what, tostring(name), suggest.hint(tostring(name), names), table.concat(names, ", "))
    end
  end
  return given
end

--- A function that reads arguments by this signature and returns them as one table by name.
-- what: the name put in front of errors.
function options.signature(what, text)
  local args, known = {}, {}
  for name, kind, default in text:gmatch "([%w_]+):(%w+)(=?[^%s]*)" do
    local a = {name = name, expects = kinds[kind][1], check = kinds[kind][2], required = default == "", default = value_of(default:sub(2))}
    if default:sub(2) == "''" then a.default = "" end
    args[#args + 1], known[name] = a, true
  end
  return function(...)
    local n = select("#", ...)
    local given, named = {...}, nil
    if n > 0 and options.is_options(given[n]) then
      named = given[n]
      n = n - 1
      options.check(what, named, known)
    end
    if n > #args then fault("%s: expects at most %d arguments, got %d", what, #args, n) end
    local out = {}
    for i, a in ipairs(args) do
      local v = given[i]
      if i > n then v = nil end
      if named and named[a.name] ~= nil then
        if v ~= nil then fault("%s: %s is given twice", what, a.name) end
        v = named[a.name]
      end
      if v == nil then
        if a.required then fault("%s: %s is missing (expects %s)", what, a.name, a.expects) end
        v = a.default
        if v ~= nil then v = a.check(v) end
      else
        local checked = a.check(v)
        if checked == nil then fault("%s: %s expects %s, got %s", what, a.name, a.expects, show(v)) end
        v = checked
      end
      out[a.name] = v
    end
    return out
  end
end

--- The same for a function whose options all come by name, in one table or none.
function options.named(what, text)
  local read = options.signature(what, text)
  return function(given)
    if given == nil then return read() end
    if not options.is_options(given) then fault("%s: expects options in a table, as {name = value}, got %s", what, show(given)) end
    return read(given)
  end
end

return options
