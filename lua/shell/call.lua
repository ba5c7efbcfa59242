--- What is being called where the cursor stands, and what it takes: for completion. Looks only: nothing of the user's
-- runs.
local fields = require "suture.base.fields"
local options = require "suture.base.options"

local call = {}

-- The text with what its strings and comments say blanked out, byte for byte.
local function bare(text)
  local function blank(s) return (" "):rep(#s) end
  text = text:gsub("\\.", "  "):gsub("%[(=*)%[.-%]%1%]", blank):gsub('"[^"\n]*"', blank):gsub("'[^'\n]*'", blank)
  return (text:gsub("%-%-[^\n]*", blank))
end

-- Where the innermost bracket that is open at the end of the text stands, and which it is; nil.
local function open_bracket(text)
  local depth = 0
  for i = #text, 1, -1 do
    local c = text:sub(i, i)
    if c == ")" or c == "}" or c == "]" then depth = depth + 1
    elseif c == "(" or c == "{" or c == "[" then
      if depth == 0 then return i, c end
      depth = depth - 1
    end
  end
end

--- call.at(text) → the name of what is called where the text ends ("nn.Conv2d", "m:freeze"), and where that is in its
-- table of options, at the name of one, the names given there already, and how many arguments stand before it; nil
-- outside of calls.
function call.at(text)
  local code = bare(text)
  local at, bracket = open_bracket(code)
  if not at then return nil end
  local given, before_it
  if bracket == "{" then
    local inside = code:sub(at + 1)
    local flat = inside:gsub("%b{}", ""):gsub("%b()", "")
    if not flat:find "^%s*$" and not flat:find ",%s*$" and not flat:find ";%s*$" then return nil end
    given = {}
    for name in flat:gmatch "([%a_][%w_]*)%s*=[^=]" do given[name] = true end
    local before = code:sub(1, at - 1)
    if not before:find "[%w_]%s*$" then -- f(x, {…
      if not before:find "[(,]%s*$" then return nil end
      at, bracket = open_bracket(before)
      if bracket ~= "(" then return nil end
      before_it = select(2, before:sub(at + 1):gsub("%b()", ""):gsub("%b{}", ""):gsub(",", ""))
    end
  elseif bracket ~= "(" then return nil end
  local name = code:sub(1, at - 1):match "([%a_][%w_.:%[%]]*)%s*$"
  if not name or name:find "[.:%[]$" then return nil end
  return name, given, before_it or 0
end

--- call.string_of(text) → what takes the string that begins where the text ends, in a list or as an option: its name,
-- and its first argument where the string is an option's; nil where it stands among the arguments.
function call.string_of(text)
  local code = bare(text)
  local at, bracket = open_bracket(code)
  if bracket ~= "{" then return nil end
  local option = code:sub(at + 1):find "[%a_][%w_]*%s*=%s*$" ~= nil
  if not option and code:find "[%a_][%w_]*%s*=%s*{[^{}]*$" then -- a list that is an option
    option = true
    at, bracket = open_bracket(code:sub(1, at - 1))
    if bracket ~= "{" then return nil end
  end
  local before = code:sub(1, at - 1)
  local name = before:match "([%a_][%w_.:%[%]]*)%s*%(?%s*$"
  if name then return name end
  if not option then return nil end
  at, bracket = open_bracket(before)
  if bracket ~= "(" then return nil end
  return code:sub(1, at - 1):match "([%a_][%w_.:%[%]]*)%s*$", code:sub(at + 1):match "^%s*([^,%s]+)%s*,"
end

-- The signature of what is called so (base/options.lua), or nil. name: as it is written.
local function signature(name, value)
  local declared = type(value) == "table" and rawget(value, "_declared")
  if declared then return options.texts[declared.spec.name] end
  local model = name:match "^zoo%.([%w_]+)$"
  if model then
    local ok, text = pcall(function() return require("suture.zoo.common.make").options(model) end)
    return ok and text or nil
  end
  local text = options.texts[name] or options.texts[name:match "[%w_]+$"]
  if type(text) == "function" then text = text() end
  return text
end

--- call.value(name): what is called so, found without running anything; nil.
function call.value(name) return fields.resolve((name:gsub(":", ".")), fields.global) end

--- call.options(name, n) → {{name =, default = as text, or nil} …} of what is called so; nil where they are not known.
-- n: how many arguments stand before the table; of a layer's they are its first options.
function call.options(name, n)
  local value = call.value(name)
  local text = value ~= nil and signature(name, value)
  if not text then return nil end
  local list = {}
  for option, default in text:gmatch "([%w_]+):[%w_|]+(=?%S*)" do
    default = default:match "^=(.+)$"
    if default and default:find "," then default = "{" .. default:gsub(",", ", ") .. "}" end
    list[#list + 1] = {name = option, default = default}
  end
  if type(value) == "table" and rawget(value, "_declared") then return {table.unpack(list, n + 1)} end
  return list
end

return call
