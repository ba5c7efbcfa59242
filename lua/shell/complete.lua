--- What Tab offers. Looks only (raw access, lua/base/fields.lua): no code of the user's runs, and errors offer nothing.
local calling = require "suture.shell.call"
local fields = require "suture.base.fields"
local glob = require "suture.base.glob"
local quoted = require("suture.base.text").quoted
local term = require "suture.base.term"
local complete = {}

local keywords = {} -- each name → itself
for _, k in ipairs {"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
  "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"} do keywords[k] = k end

local function is_module(v) return type(v) == "table" and type(rawget(v, "_children")) == "table" end

local function callable(v)
  if type(v) == "function" then return true end
  local mt = debug.getmetatable(v)
  return type(v) == "table" and not is_module(v) and type(mt) == "table" and rawget(mt, "__call") ~= nil
end

-- Is there something to name behind the dot: children of a module, named fields of a table? Lists and leaves have none.
local function has_names(v)
  if type(v) ~= "table" then return false end
  if is_module(v) then return next(rawget(v, "_children")) ~= nil end
  if type(rawget(v, "_names")) == "table" then return true end -- parts that are not loaded yet
  for k in next, v do
    if type(k) == "string" and k:find "^%a[%w_]*$" then return true end
  end
  return false
end

-- What follows a name of this value when it is the only one offered.
local function suffix_of(v) return callable(v) and "(" or has_names(v) and "." or "" end

-- The quote open at the end of the text, and where its string begins; nil outside strings. Comments open nothing.
local function open_string(text)
  local i, quote, start = 1, nil, nil
  while i <= #text do
    local c = text:sub(i, i)
    if quote then
      if c == "\\" then i = i + 1
      elseif c == quote then quote = nil end
    elseif c == '"' or c == "'" then quote, start = c, i + 1
    elseif c == "-" and text:sub(i, i + 1) == "--" then
      if text:find("\n", i, true) then i = text:find("\n", i, true) else return nil, nil, true end
    end
    i = i + 1
  end
  return quote, start
end

local function starts(name, prefix) return name:sub(1, #prefix) == prefix end

-- Sorted names with the prefix; those starting with _ only when asked for.
local function matching(names, prefix, wanted)
  local list = {}
  for name, v in next, names do
    if type(name) == "string" and starts(name, prefix) and name:find "^[%a_][%w_]*$"
      and (name:sub(1, 1) ~= "_" or prefix:sub(1, 1) == "_") and (not wanted or wanted(v)) then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

-- Is this a name with fields and places behind it: m.layer1[0].conv1["weight"]?
local function is_path(expr)
  local rest = expr:match "^[%a_][%w_]*(.*)$"
  while rest and rest ~= "" do
    rest = rest:match "^%.[%a_][%w_]*(.*)$" or rest:match "^%[%-?%d+%](.*)$" or rest:match '^%["[^"%]]*"%](.*)$'
      or rest:match "^%[[%a_][%w_]*%](.*)$"
      or rest:match "^%['[^'%]]*'%](.*)$"
  end
  return rest == ""
end

-- The longest such expression that ends the text; nil where something in front would have to run (`f().x`, `t[i].x`).
local function tail_expression(text)
  for at in text:gmatch "()%f[%w_][%a_]" do
    local expr = text:sub(at)
    if is_path(expr) then
      return not text:sub(at - 1, at - 1):find "[%.%]%):\"']" and expr or nil
    end
  end
end

-- The value of such an expression, nothing run: a name in [] stands for the number or string that it has; an element of
-- a tensor is a tensor, whose methods are those of the whole.
local function value_of(expr)
  local known = true
  expr = expr:gsub("%[([%a_][%w_]*)%]", function(name)
    local v = rawget(_G, name)
    if type(v) == "number" then return ("[%d]"):format(math.tointeger(v) or 0) end
    if type(v) == "string" and not v:find "[\"'%]]" then return ('["%s"]'):format(v) end
    known = false
  end)
  if not known then return nil end
  local value = fields.resolve(expr, fields.global)
  local whole = value == nil and expr:match "^(.-)%[%-?%d+%]$"
  if whole then
    whole = fields.resolve(whole, fields.global)
    if require("suture.core").tensor.is(whole) then value = whole end
  end
  return value
end

local PATTERN = "[%*%?%[%]{}]" -- base/glob.lua

-- The modules below a module, by path.
local function each_path(module, path, out)
  for name, child in next, rawget(module, "_children") do
    local at = path .. name
    out[at] = child
    if is_module(child) then each_path(child, at .. ".", out) end
  end
  return out
end

-- Paths behind a pattern, "layer*.": the names of all that it fits. In a pattern's own word nothing can be added; what
-- is said is what it fits. → list, word, suffix, note
local function pattern_path(module, written)
  local owner, word = written:match "^(.*)%.([^.]*)$"
  local paths, list, names = each_path(module, "", {}), {}, {}
  if (word or written):find(PATTERN) then
    local fits = glob(written, "")
    for path in next, paths do if fits(path) then list[#list + 1] = path end end
    table.sort(list)
    return {}, "", nil, #list == 0 and "fits no module" or "fits " .. table.concat(list, ", ")
  end
  local fits = glob(owner, "")
  for path, at in next, paths do
    if is_module(at) and fits(path) then
      for _, store in ipairs {"_children", "_params", "_buffers"} do
        for name in next, rawget(at, store) or {} do names[tostring(name)] = true end
      end
    end
  end
  for name in next, names do if starts(name, word) then list[#list + 1] = name end end
  table.sort(list)
  return list, word, ""
end

-- Paths inside a module: the children of the part already written.
local function module_path(module, written)
  if written:find(PATTERN) then return pattern_path(module, written) end
  local owner, word = written:match "^(.*)%.([^.]*)$"
  local at = module
  for part in (owner or ""):gmatch "[^.]+" do
    at = is_module(at) and (rawget(rawget(at, "_children"), part) or rawget(rawget(at, "_children"), tonumber(part)))
      or nil
  end
  if not is_module(at) then return {}, "", "" end
  word = word or written
  local list, children = {}, rawget(at, "_children")
  for name in next, children do
    name = tostring(name)
    if starts(name, word) then list[#list + 1] = name end
  end
  for _, store in ipairs {"_params", "_buffers"} do
    for name in next, rawget(at, store) or {} do
      name = tostring(name)
      if (word ~= "" or next(children) == nil) and starts(name, word) then list[#list + 1] = name end
    end
  end
  table.sort(list)
  local only = #list == 1 and (rawget(children, list[1]) or rawget(children, tonumber(list[1]) or 0))
  return list, word, has_names(only) and "." or nil
end

-- What a part of a string in quotes means; nil where it ends in the midst of an escape, or is none.
local function meant(written, quote)
  local f = not written:find "\n" and load("return " .. quote .. written .. quote, "=", "t", {})
  return f and f()
end

-- quote: the one that is open around what was written, where that is a string of Lua's; the names are written so too.
local function file_names(written, quote)
  local folder, word = written:match "^(.*/)([^/]*)$"
  word, folder = word or written, folder or "./"
  local path, beginning, list = folder, word, {}
  if quote then path, beginning = meant(folder, quote), meant(word, quote) end
  if not path or not beginning then return list, word end
  path = path:gsub("^~/", (os.getenv "HOME" or "~") .. "/")
  for _, name in ipairs(package.loaded["suture.face"].files(path)) do
    if starts(name, beginning) and (name:sub(1, 1) ~= "." or beginning:sub(1, 1) == ".") then
      list[#list + 1] = quote and quoted(name, quote) or name
    end
  end
  table.sort(list)
  return list, word
end

-- The names of an architecture's published sets of weights, for `zoo.NAME{pretrained = "` and `zoo.get("NAME", "`.
local function weight_sets(before)
  local model = before:match "%f[%w_]zoo%.([%w_]+)%s*%(?%s*{[^{}]*%f[%w_]pretrained%s*=%s*$"
    or before:match "%f[%w_]zoo%.get%s*%(%s*[\"']([%w_]+)[\"']%s*,%s*$"
  local zoo = model and fields.global "zoo"
  if not zoo or not zoo.has(model) then return nil end
  local list = {}
  for _, set in ipairs(zoo.weights(model)) do list[#list + 1] = set.name end
  return list
end

-- The module whose paths a string is about: a method's own, as in m:freeze("… or m:freeze {"…, "…; a function's first
-- argument where an option is given, as in fit(m, ds, {freeze = "…. call: what stands in front of the string's bracket.
-- → the module or nil, and whether the string can be nothing else
local function whose_paths(call, before)
  local name, first = call:match "([%a_][%w_.:%[%]]*)$", nil
  if not (name and name:find ":") then name, first = calling.string_of(before) end
  local owner, method = (name or ""):match "^(.*):([%a_][%w_]*)$"
  if method == "save" or method == "load" then return nil end
  owner = owner or first
  owner = owner and is_path(owner) and value_of(owner)
  return is_module(owner) and owner or nil, first == nil
end

local function in_string(text, quote, start)
  local written, before = text:sub(start), text:sub(1, start - 2)
  local sets = weight_sets(before)
  if sets then
    local list = {}
    for _, name in ipairs(sets) do if starts(name, written) then list[#list + 1] = name end end
    return start, list, quote
  end
  local call = before:match "^(.-)%s*%(%s*$" or before:match "^(.-)%s*$"
  local owner, sure = nil, nil
  if not written:find "/" then owner, sure = whose_paths(call, before) end
  if owner then
    local list, word, suffix, note = module_path(owner, written)
    if sure or list[1] or note then return #text - #word + 1, list, suffix or quote, note end
  end
  local asks = call:match "%f[%w_]zoo%.(%a+)$"
  if (asks == "list" or asks == "weights" or asks == "get") and fields.global "zoo" then
    return start, matching(fields.of(fields.global "zoo"), written, function(v) return callable(v) or v == false end),
      quote
  end
  local list, word = file_names(written, quote)
  local only = #list == 1 and list[1]
  return #text - #word + 1, list, only and only:sub(-1) == "/" and "" or quote
end

local function field_of(text, sign, word)
  local expr = tail_expression(text)
  local owner
  if sign == ":" and text:find "[\"']$" then owner = ""
  elseif expr then owner = value_of(expr) end
  if owner == nil then return {} end
  local names = {}
  for k, v in next, fields.of(owner) do if not keywords[k] then names[k] = v end end -- u["end"] is no u.end
  local list = matching(names, word, sign == ":" and function(v) return callable(v) or v == false end or nil)
  local suffix = ""
  if #list == 1 then
    local v = names[list[1]]
    if v == false then v = fields.step(owner, list[1]) end
    suffix = suffix_of(v)
    if sign == ":" then suffix = "(" end
  end
  return list, suffix
end

-- Is the line a question: ?name, :help name? What it names is not called.
local function asks_about(text) return text:find "^%s*%?" or text:find "^%s*:help%s" end

local function global_names(text, word)
  local names = {}
  for k, v in next, _G do names[k] = v end
  for k in next, require("suture")._names do if names[k] == nil then names[k] = false end end
  if not asks_about(text) then for k in next, keywords do if names[k] == nil then names[k] = k end end end
  local list = matching(names, word)
  local suffix = ""
  if #list == 1 then
    local v = names[list[1]]
    if v == false then v = fields.global(list[1]) end
    suffix = type(v) == "string" and rawget(_G, list[1]) == nil and " " or suffix_of(v)
  end
  return list, suffix
end

-- A command's name, then what the command says it takes. → nothing where the text is no command, or takes Lua
local function commands(text)
  local command = require "suture.shell.commands"
  local word = text:match "^%s*:(%a*)$"
  if word then
    local list = {}
    for _, name in ipairs(command.names()) do if starts(name, word) then list[#list + 1] = name end end
    return #text - #word + 1, list, " "
  end
  local name, written = text:match "^%s*:(%a+)!?%s+(.*)$"
  if not name then return end
  local c = command.find(name)
  local takes = c and c.takes
  if takes == "lua" then return end
  local list, suffix = {}, " "
  word = written
  if takes == "files" then
    list, word = file_names(written)
    if #list == 1 and list[1]:sub(-1) == "/" then suffix = "" end
  elseif takes then
    local words = takes(written)
    if not words then return end
    for _, v in ipairs(words) do if type(v) == "string" and starts(v, written) then list[#list + 1] = v end end
    table.sort(list)
  end
  return #text - #word + 1, list, suffix
end

-- The options that may be named where the text ends, as "padding =", and a line that shows them with their defaults.
local function option_names(name, given, n, word)
  local known = calling.options(name, n)
  if not known then return nil end
  local list, shown = {}, {}
  for _, option in ipairs(known) do
    if starts(option.name, word) and not given[option.name] then
      list[#list + 1] = option.name .. " ="
      shown[#shown + 1] = option.name .. (option.default and " = " .. option.default or "")
    end
  end
  table.sort(list)
  return list[1] and list, table.concat(shown, ", ")
end

local function offer(text)
  local at, list, suffix = commands(text)
  if at then return at, list, suffix end
  local quote, start, comment = open_string(text)
  if comment then return #text + 1, {}, "" end
  if quote then return in_string(text, quote, start) end
  if text:find "^%s*$" or text:find "\n%s*$" then return #text + 1, {"  "}, "" end -- Tab indents
  local word = text:match "%f[%w_][%a_][%w_]*$" or ""
  if word == "" and text:find "[%w_]$" then return #text + 1, {}, "" end -- a number
  local before = text:sub(1, #text - #word)
  local body, sign = before:match "^(.-)%s*([.:])%s*$"
  if sign and body:find "%f[%w_]%d[%w_]*$" then list = {} -- a number with a point in it
  elseif sign and not body:find "[.:]$" then list, suffix = field_of(body, sign, word)
  elseif sign == ":" and body:find ":$" then list = {}
  else
    local name, given, n = calling.at(before)
    local names, note
    if given then names, note = option_names(name, given, n, word) end
    if names then return #text - #word + 1, names, " ", note end
    if name and word == "" and before:find "[({,]%s*$" then -- nothing is begun: what is called says what it takes
      note = require("suture.shell.help").signature(name, calling.value(name))
      if note then return #text + 1, {}, "", note end
    end
    list, suffix = global_names(before, word)
  end
  return #text - #word + 1, list, suffix or ""
end

--- complete(text before the cursor) → position where the completed word begins (1-based), array of candidates for it,
-- the character to add when there is one candidate ("(" after functions, "." after tables, the quote after a path), and
-- what a second Tab shows instead of the candidates: the signature of what is called, or options with their defaults.
function complete.complete(text)
  local ok, at, list, suffix, note = pcall(offer, text)
  if not ok then return #text + 1, {}, "" end
  if suffix == "(" and asks_about(text) then suffix = "" end
  return at, list, suffix, note and term.safe(note, true)
end

return complete
