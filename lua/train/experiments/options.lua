--- options: what a script takes from its command line, declared once.
local absent = require "suture.base.absent"
local base = require "suture.base.options"
local fault = require "suture.base.fault"
local pcall = require("suture.base.interrupt").pcall

base.texts.options = "about:any args:any"

-- The words of the command line as a value of this kind; nil: it is none.
local function value_of(a, text)
  if a.kind == "str" or a.kind:find "|" then return a.check(text) end
  local list = {}
  for part in text:gmatch "[^,]+" do
    local v = tonumber(part)
    if not v then return nil end
    list[#list + 1] = math.tointeger(v) or v
  end
  if #list == 0 then return nil end
  return a.check(#list > 1 and list or list[1])
end

local from_text = {str = true, bool = true, num = true, finite = true, rate = true, positive = true, prob = true,
  int = true, count = true, natural = true, ints = true, nums = true, pair = true, size = true}

-- The declared options in order: {name, kind, check, expects, default, required, help}.
local function declared(given)
  local list, seen = {}, {}
  for i, entry in ipairs(given) do
    if type(entry) == "string" then entry = {entry} end
    if type(entry) ~= "table" or type(entry[1]) ~= "string" or type(entry[2] or "") ~= "string" then
      fault('options: entry %d is {"name:kind=default", "what it is"}, got %s', i, base.show(entry))
    end
    for k in pairs(entry) do
      if k ~= 1 and k ~= 2 and k ~= "default" then
        fault("options: entry %d has '%s' (a declaration, a description, default =)", i, tostring(k))
      end
    end
    local a = base.arguments_of(entry[1], "options")
    if #a ~= 1 then fault('options: entry %d declares one option, as "epochs:count=5", got %q', i, entry[1]) end
    a = a[1]
    if not a.kind:find "|" and not from_text[a.kind] then
      fault("options: %s: no command line can say %s", a.name, a.expects)
    end
    if seen[a.name] or a.name == "help" then fault("options: %s is there already", a.name) end
    if entry.default ~= nil then a.default, a.required = entry.default, false end
    if a.default ~= nil then
      local v = a.check(a.default)
      if v == nil then fault("options: %s expects %s, its default is %s", a.name, a.expects, base.show(a.default)) end
      a.default = v
    end
    if a.kind == "bool" and (a.required or a.default == nil) then a.default, a.required = false, false end
    a.help, seen[a.name], list[i] = entry[2] or "", true, a
  end
  return list
end

local function library()
  local there, argparse = pcall(require, "argparse")
  if there then return argparse end
  error(argparse:find("not found", 1, true) and
    "options: lua-argparse is not installed · apt install lua-argparse (make deps does)" or argparse, 0)
end

local function flag(name) return "--" .. name:gsub("_", "-") end

-- The parser of these options.
local function parser_of(script, about, list)
  local parser = library()(script, about)
  for _, a in ipairs(list) do
    local name = flag(a.name)
    local function convert(text)
      local v = value_of(a, text)
      if v == nil then return nil, ("%s expects %s, got %s"):format(a.required and a.name or name, a.expects, text) end
      return v
    end
    local shown = a.help
    if a.default ~= nil and a.kind ~= "bool" then
      local text = base.show(a.default)
      shown = ("%s (default %s)"):format(shown, type(a.default) == "table" and text:sub(2, -2):gsub(" ", "") or
        type(a.default) == "string" and a.default or text)
    end
    if a.kind == "bool" and a.default then
      parser:flag(flag("no_" .. a.name), shown):target(a.name):action "store_false"
    elseif a.kind == "bool" then parser:flag(name, shown):target(a.name)
    elseif a.required then parser:argument(a.name, shown):target(a.name):convert(convert)
    else
      local words = a.kind:find "|" and "{" .. a.kind:gsub("|", ",") .. "}"
      parser:option(name, shown):target(a.name):argname(words or "<" .. a.name .. ">"):convert(convert)
    end
  end
  return parser
end

--- options{…}: what a script takes from its command line, by lua-argparse: each entry declares one,
--
--   local o = options {about = "How many layers to freeze.",
--     {"data:str=nil", "a folder with a folder of pictures for each class"},
--     {"epochs:count=5", "passes over the pictures"},
--     {"augment:bool=false", "flip pictures at random"}}
--
-- and gives o.data (nil where nobody said it), o.epochs = 5, o.augment. `suture script.lua --epochs 10 --augment`; one
-- without a default comes by place, and must come. Kinds: str, bool (a flag; bool=true: --no-NAME), count (above 0),
-- natural (0 or above), int, num, positive, rate (0 or above), prob (0 to 1), words to choose from (sgd|adam), and by
-- commas ints, nums (a list from one value up), pair, size. A name with "_" is typed with "-". default = in an entry:
-- one that the declaration has no room for.
--   about   what the script does, for --help
--   args    the words, in place of the command line's (a list); what is wrong is then an error
-- --help says all of it and ends the program; what does not fit ends it with exit code 2 and says how it would.
-- Reading a name that was not declared is an error.
local function options(given)
  if type(given) ~= "table" or getmetatable(given) then
    fault('options: expects a table of declarations, as options{{"epochs:count=5", "passes"}}, got %s',
      base.show(given))
  end
  for k in pairs(given) do
    if math.type(k) ~= "integer" then base.check("options", {[k] = given[k]}, {about = true, args = true}) end
  end
  if type(given.about or "") ~= "string" then fault("options: about expects a string") end
  if type(given.args or {}) ~= "table" then fault("options: args expects a list of words") end
  local command = rawget(_G, "arg")
  local words = given.args
  if not words then
    words = {}
    for i = 1, type(command) == "table" and #command or 0 do words[i] = tostring(command[i]) end
  end
  local list = declared(given)
  local script = type(command) == "table" and tostring(command[0] or ""):match "[^/]*$" or ""
  local parser = parser_of(script ~= "" and script or "script", given.about, list)
  local fits, said = parser:pparse(words)
  if not fits then
    if given.args then fault("options: %s", said) end
    io.stderr:write(parser:get_usage(), "\n", script, ": ", said, "\n")
    os.exit(2)
  end
  local out, optional = {}, {}
  for i, a in ipairs(list) do
    local v = said[a.name]
    if v == nil then v = a.default end
    out[a.name], optional[i] = v, a.name
  end
  return setmetatable(out, {__name = "options", __index = absent.index("options", table.concat(optional, " "))})
end

return options
