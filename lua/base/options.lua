--- Arguments as PyTorch gives them: some by place, the rest by name in a trailing table, all checked. A signature is
-- "in_channels:count out_channels:count kernel_size:pair stride:pair=1 bias:bool=true": name, kind, and a default for
-- what may be left out ("=nil": nil). A kind "mean|sum|none" is one of these words. What stands behind a lone "*" is
-- given by name only.
local fault = require "suture.base.fault"
local suggest = require "suture.base.suggest"
local is_tensor = require("suture.core").tensor.is

local options = {}

local function whole(v) if type(v) == "number" then return math.tointeger(v) end end

-- Lists hold nothing but their places: a name among them is an option that slipped in.
local function all_of(v, check)
  if type(v) ~= "table" then return nil end
  local out, n = {}, 0
  for k, x in next, v do
    n = n + 1
    local checked = check(x)
    if checked == nil then return nil end
    out[k] = checked
  end
  if n == #v then return out end
end

local function whole_list(v)
  if type(v) ~= "number" then return all_of(v, whole) end
  v = math.tointeger(v)
  return v and {v}
end

local function natural(v) v = whole(v) if v and v >= 0 then return v end end

local dtypes = {float32 = "float32", float = "float32", int64 = "int64", long = "int64", bool = "bool"}

-- Each kind: what it expects in words, and a check that returns the value to keep, or nil.
local kinds = {
  any = {"a value", function(v) return v end},
  bool = {"true or false", function(v) if type(v) == "boolean" then return v end end},
  num = {"a number", function(v) if type(v) == "number" and v == v then return v end end},
  finite = {"a finite number", function(v) if type(v) == "number" and v - v == 0 then return v end end},
  rate = {"a number, 0 or above", function(v)
    if type(v) == "number" and v >= 0 and v < math.huge then return v end
  end},
  positive = {"a number above 0", function(v) if type(v) == "number" and v > 0 then return v end end},
  prob = {"a number from 0 to 1", function(v) if type(v) == "number" and v >= 0 and v <= 1 then return v end end},
  int = {"a whole number", whole},
  count = {"a whole number above 0", function(v) v = whole(v) if v and v > 0 then return v end end},
  natural = {"a whole number, 0 or above", natural},
  dim = {"a dimension (a whole number)", whole},
  dims = {"a dimension or a list of them (whole numbers)", whole_list},
  ints = {"a whole number or a list of them", whole_list},
  lengths = {"a whole number above 0 or a list of whole numbers, 0 or above", function(v)
    if type(v) ~= "table" then v = whole(v) return v and v > 0 and v or nil end
    return all_of(v, natural)
  end},
  shape = {"whole numbers, 0 or above, at most 8 of them", function(v)
    if type(v) == "number" then v = {v} end
    v = all_of(v, natural)
    return v and #v <= 8 and v or nil
  end},
  dtype = {'"float32", "int64" or "bool" (numbers are computed in float32)', function(v) return dtypes[v] end},
  float32 = {'"float32"', function(v) if dtypes[v] == "float32" then return "float32" end end},
  scalar = {"a number, true or false", function(v)
    if type(v) == "number" or type(v) == "boolean" then return v end
  end},
  operand = {"a tensor or a number", function(v) if type(v) == "number" or is_tensor(v) then return v end end},
  tensors = {"a list of tensors", function(v)
    return all_of(v, function(x) if is_tensor(x) then return x end end)
  end},
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

kinds.etas = {"two numbers, above 0 and below 1, and above 1, as {0.5, 1.2}", function(v)
  if type(v) ~= "table" or #v ~= 2 or type(v[1]) ~= "number" or type(v[2]) ~= "number" then return nil end
  if v[1] > 0 and v[1] < 1 and v[2] > 1 then return {v[1], v[2]} end
end}
kinds.range = {"two numbers, the least and the most, as {1e-6, 50}", function(v)
  if type(v) ~= "table" or #v ~= 2 or type(v[1]) ~= "number" or type(v[2]) ~= "number" then return nil end
  if v[1] <= v[2] then return {v[1], v[2]} end
end}

local function value_of(text)
  if text:find "," then -- "0.9,0.999": a list
    local list = {}
    for part in text:gmatch "[^,]+" do list[#list + 1] = tonumber(part) end
    return list
  end
  if text == "true" then return true elseif text == "false" then return false elseif text == "nil" then return nil end
  if text == "''" then return "" end
  return math.tointeger(tonumber(text)) or tonumber(text) or text
end

-- A kind that is one of some words, as "mean|sum|none".
local function choice(text)
  local words, among = {}, {}
  for word in text:gmatch "[^|]+" do words[#words + 1], among[word] = ("%q"):format(word), true end
  local last = table.remove(words)
  return {table.concat(words, ", ") .. " or " .. last, function(v) if among[v] then return v end end}
end

local function show(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if v ~= v then return "nan" end
  if type(v) == "table" and next(v) ~= nil
    and (not getmetatable(v) or getmetatable(v).__name == "shape" or getmetatable(v).__name == "tuple") then
    local out, names = {}, {}
    for i, x in ipairs(v) do out[i] = i < 9 and show(x) or i == 9 and "…" or nil end
    for k in next, v do if type(k) == "string" then names[#names + 1] = k end end
    table.sort(names)
    for _, k in ipairs(names) do out[#out + 1] = k .. " = " .. show(v[k]) end
    return "{" .. table.concat(out, ", ") .. "}"
  end
  if type(v) == "userdata" or type(v) == "table" then
    return "a " .. ((getmetatable(v) or {}).__name or type(v)):gsub("^suture%.", "")
  end
  return tostring(v)
end
options.show = show

--- Whether a value is a table of named options (not a list, though it may begin with nil, not a module).
function options.is_options(v)
  return type(v) == "table" and not getmetatable(v) and v[1] == nil and type((next(v))) ~= "number"
end

--- Reads the names of an options table: an error with the nearest name for any that is not known.
function options.check(what, given, known)
  if type(given) ~= "table" or getmetatable(given) then
    fault("%s: expects options in a table, as {name = value}, got %s", what, show(given))
  end
  for name in pairs(given) do
    if not known[name] then
      local names = {}
      for k in pairs(known) do names[#names + 1] = k end
      table.sort(names)
      fault("%s: no option '%s'%s (options: %s)", what, tostring(name), suggest.hint(tostring(name), names),
        table.concat(names, ", "))
    end
  end
  return given
end

-- A signature taken apart: its arguments in order, their names as a set, and how many may come by place.
local function parse(text)
  local args, known, places = {}, {}, nil
  for word in text:gmatch "%S+" do
    local name, kind, default = word:match "^([%w_]+):([%w_|]+)(.*)$"
    if word == "*" then places = #args else
      local k = kinds[kind] or choice(kind)
      args[#args + 1] = {name = name, kind = kind, expects = k[1], check = k[2], required = default == "",
        default = value_of(default:sub(2))}
      known[name] = true
    end
  end
  return args, known, places or #args
end

--- The arguments of a signature, in order: {name, kind, expects (words), check (f(v) → the value to keep, or nil),
-- required, default}.
-- what: for the errors where the text is a user's and no signature.
function options.arguments_of(text, what)
  for word in text:gmatch "%S+" do
    local kind = word:match "^[%a_][%w_]*:([%w_|]+)=?%S*$"
    if not kind then fault("%s: %q says no kind: name:kind or name:kind=default, as factor:num=1", what, word) end
    if not kinds[kind] and not kind:find "|" then
      local names = {}
      for name in pairs(kinds) do names[#names + 1] = name end
      table.sort(names)
      fault("%s: there is no kind %q%s (kinds: %s, or words to choose from: a|b)", what, kind,
        suggest.hint(kind, names),
        table.concat(names, " "))
    end
  end
  return (parse(text))
end

local function too_many(what, args, places, n)
  local names = {}
  for i = places + 1, #args do names[#names + 1] = args[i].name end
  local most = places == 0 and "no arguments" or ("at most %d argument%s"):format(places, places == 1 and "" or "s")
  local rest = places < #args and (" (by name: {%s = …})"):format(table.concat(names, " = …, ")) or ""
  fault("%s: expects %s%s, got %d%s", what, most, places < #args and " by place" or "", n, rest)
end

local function wrong(what, a, v)
  local mixed = type(v) == "table" and not getmetatable(v) and v[1] ~= nil and not all_of(v, function() return true end)
  fault("%s: %s expects %s, got %s%s", what, a.name, a.expects, show(v),
    mixed and " (names go into a table of their own, the last)" or "")
end

-- Reads arguments by a signature: their values by name, or (by_place) in the order of the signature.
local function reader(what, text, by_place)
  local args, known, places = parse(text)
  return function(...)
    local n = select("#", ...)
    local given, named = {...}, nil
    while n > 0 and given[n] == nil do n = n - 1 end
    if n > 0 and options.is_options(given[n]) then
      named = given[n]
      given[n] = nil
      n = n - 1
      options.check(what, named, known)
    end
    if n > places then too_many(what, args, places, n) end
    local out = by_place and given or {}
    for i = 1, #args do
      local a, v = args[i], given[i]
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
        if checked == nil then wrong(what, a, v) end
        v = checked
      end
      out[by_place and i or a.name] = v
    end
    return out, #args
  end
end

--- The signatures that were read, by the name in front of their errors, for completion: texts, or functions that give
-- one.
options.texts = {}

--- options.known(what, names) → names, the options that options.check is to know: each true, or its default as text;
-- completion offers them under `what`, the name of what takes them.
function options.known(what, names)
  local list = {}
  for name, default in next, names do list[#list + 1] = name .. ":any" .. (default ~= true and "=" .. default or "") end
  table.sort(list)
  options.texts[what] = table.concat(list, " ")
  return names
end

--- A function that reads arguments by this signature and returns them as one table by name.
-- what: the name put in front of errors.
function options.signature(what, text)
  options.texts[what] = options.texts[what] or text
  local read = reader(what, text, false)
  return function(...) return (read(...)) end
end

local function spread(values, n) return table.unpack(values, 1, n) end

-- The value of one argument by place, v or its default; nil, false where the long way has to look at it.
local function quick(a)
  if not a then return function(v) return v, v == nil end end
  local check, required, default = a.check, a.required, a.default
  if default ~= nil then default = check(default) end
  local plain = type(default) ~= "table"
  return function(v)
    if v == nil then return default, not required and plain end
    v = check(v)
    return v, v ~= nil
  end
end

--- The same, and returns the values in the order of the signature. A few arguments by place, none of them a table, take
-- a short way: nothing is made in memory.
function options.arguments(what, text)
  options.texts[what] = options.texts[what] or text
  local read, args, _, places = reader(what, text, true), parse(text)
  local function long(...) return spread(read(...)) end
  local n = #args
  if n > 4 or places < n or n == 0 then return long end
  local first, second, third, fourth = quick(args[1]), quick(args[2]), quick(args[3]), quick(args[4])
  if n == 1 then
    return function(a, ...)
      if select("#", ...) > 0 or type(a) == "table" then return long(a, ...) end
      local one, fits_one = first(a)
      if fits_one then return one end
      return long(a)
    end
  end
  if n == 2 then
    return function(a, b, ...)
      if select("#", ...) > 0 or type(a) == "table" or type(b) == "table" then return long(a, b, ...) end
      local one, fits_one = first(a)
      local two, fits_two = second(b)
      if fits_one and fits_two then return one, two end
      return long(a, b)
    end
  end
  if n == 3 then
    return function(a, b, c, ...)
      if select("#", ...) > 0 or type(a) == "table" or type(b) == "table" or type(c) == "table" then
        return long(a, b, c, ...)
      end
      local one, fits_one = first(a)
      local two, fits_two = second(b)
      local three, fits_three = third(c)
      if fits_one and fits_two and fits_three then return one, two, three end
      return long(a, b, c)
    end
  end
  return function(a, b, c, d, ...)
    if select("#", ...) > 0 or type(a) == "table" or type(b) == "table" or type(c) == "table" or type(d) == "table" then
      return long(a, b, c, d, ...)
    end
    local one, fits_one = first(a)
    local two, fits_two = second(b)
    local three, fits_three = third(c)
    local four, fits_four = fourth(d)
    if not (fits_one and fits_two and fits_three and fits_four) then return long(a, b, c, d) end
    return one, two, three, four
  end
end

--- The same for a function whose first argument is a list that may also come as numbers in a row: f(2, 3), f{2, 3},
-- f({2, 3}, {name = value}), f(2, 3, {name = value}).
function options.listed(what, text)
  local read = options.arguments(what, text)
  local first = parse(text)[1]
  return function(...)
    local n, head = select("#", ...), ...
    if n == 0 or (n == 1 and type(head) == "table" and next(head) == nil) then return read({}, {}) end
    if n == 1 or type(head) == "table" and not options.is_options(head) then return read(...) end
    local list, named = {...}, nil
    if options.is_options(list[n]) then named, list[n], n = list[n], nil, n - 1 end
    for i = 1, n do
      if not whole(list[i]) then
        fault("%s: %s expects %s, got %s at place %d", what, first.name, first.expects, show(list[i]), i)
      end
    end
    return read(list, named)
  end
end

--- "lr, momentum = 0, betas = {0.9, 0.999}": the names and defaults of a signature, for help.
function options.usage(text)
  local parts = {}
  for option, default in text:gmatch "([%w_]+):[%w_|]+=?(%S*)" do
    if default:find "," then default = "{" .. default:gsub(",", ", ") .. "}" end
    parts[#parts + 1] = option .. (default ~= "" and " = " .. default or "")
  end
  return table.concat(parts, ", ")
end

--- The same for a function whose options all come by name, in one table or none.
function options.named(what, text)
  local read = options.signature(what, text)
  return function(given)
    if given == nil then return read() end
    if not options.is_options(given) then
      fault("%s: expects options in a table, as {name = value}, got %s", what, show(given))
    end
    return read(given)
  end
end

return options
