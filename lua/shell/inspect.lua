--- Values as the prompt shows them: strings in quotes, tables opened as far as the limits below go (what is left out is
-- said), everything else as tostring gives it. Nothing in it that a terminal would obey.
local options = require "suture.base.options"
local term = require "suture.base.term"
local text = require "suture.base.text"

local DEPTH = 5 -- tables in tables that are opened
local MOST = 100 -- entries of one table
local ALL = 400 -- entries of a value in all
local LONG, SHORT = 2000, 60 -- bytes of a string; of one in a table
local KEYS = 10000 -- names that are sorted

local function own_text(v)
  local mt = debug.getmetatable(v)
  return type(mt) == "table" and rawget(mt, "__tostring") ~= nil
end

-- The first bytes of s, no character cut.
local function head(s, most)
  if #s <= most then return s end
  while most > 1 and (s:byte(most + 1) or 0) & 0xC0 == 0x80 do most = most - 1 end
  return s:sub(1, most)
end

local function quoted(s, most)
  local kept = head(s, most)
  return '"' .. text.quoted(kept, '"') .. (#kept < #s and "…" or "") .. '"'
end

-- What has a text of its own, on one line.
local function brief(v)
  local shown = type(v) == "table" and rawget(v, "_children") and require("suture.model.words").brief(v) or tostring(v)
  local first = shown:match "^[^\n]*"
  local kept = head(first, SHORT)
  return term.safe(kept) .. (#kept < #shown and "…" or "")
end

local function name_of(t)
  local mt = debug.getmetatable(t)
  local name = type(mt) == "table" and rawget(mt, "__name")
  return type(name) == "string" and term.safe(name, true) .. " " or "", mt ~= nil and mt.__metatable ~= false
end

local rank = {number = 1, string = 2, boolean = 3}
local function before(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return (rank[ta] or 9) < (rank[tb] or 9) end
  if ta == "number" or ta == "string" then return a < b end
  return tostring(a) < tostring(b)
end

-- The keys of t behind its first n places, sorted; how many more there are, and how many of an object's inner parts
-- (names that begin with _, as completion hides them).
local function keys_of(t, n, object)
  local keys, more, inner = {}, 0, 0
  for k in next, t do
    if math.type(k) == "integer" and k >= 1 and k <= n then goto continue end
    if object and type(k) == "string" and k:sub(1, 1) == "_" then inner = inner + 1
    elseif #keys < KEYS then keys[#keys + 1] = k
    else more = more + 1 end
    ::continue::
  end
  table.sort(keys, before)
  return keys, more, inner
end

local element

local function key_text(k, at)
  if type(k) == "string" then return k:find "^[%a_][%w_]*$" and k or "[" .. quoted(k, SHORT) .. "]" end
  return "[" .. (type(k) == "table" and not own_text(k) and "table" or element(k, 10, at)) .. "]"
end

-- at: {depth =, left = entries that may still be shown, open = tables that are being opened}
local function table_text(t, width, at)
  local name, object = name_of(t)
  if next(t) == nil then return name .. "{}" end
  if at.open[t] then return name .. "{… itself}" end
  if at.depth >= DEPTH or at.left <= 0 then return name .. "{…}" end
  at.open[t], at.depth = true, at.depth + 1
  local entries, n = {}, 0
  local function room() return #entries < MOST and at.left > 0 end
  while room() and rawget(t, n + 1) ~= nil do
    n, at.left = n + 1, at.left - 1
    entries[n] = element(t[n], width - 2, at)
  end
  local array, whole = n, n -- places of the array, shown or not
  while rawget(t, whole + 1) ~= nil do whole = whole + 1 end
  local keys, more, inner = keys_of(t, whole, object)
  more = more + whole - n
  for i, k in ipairs(keys) do
    if not room() then
      more = more + #keys - i + 1
      break
    end
    at.left = at.left - 1
    local key = key_text(k, at) .. " = "
    entries[#entries + 1] = key .. element(rawget(t, k), width - 2 - math.min(#key, width // 3), at)
  end
  if more > 0 then entries[#entries + 1] = ("… %s more"):format(text.count(more)) end
  if inner > 0 and #entries > 0 then entries[#entries + 1] = ("… %d that begin with _"):format(inner) end
  at.open[t], at.depth = nil, at.depth - 1
  local opening = name .. "{"
  local line = opening .. table.concat(entries, ", ") .. "}"
  if not line:find "\n" and term.columns(line) <= width then return line end
  -- An array fills lines; named fields stand one under the other.
  local lines, current = {opening}, "  "
  for i, e in ipairs(entries) do
    local shown = e:gsub("\n", "\n  ") .. (i < #entries and ", " or "")
    if i > 1 and i <= array and not shown:find "\n" and term.columns(current .. shown) <= width then
      current = current .. shown
    else
      if current ~= "  " then lines[#lines + 1] = (current:gsub(" $", "")) end
      current = "  " .. shown
    end
  end
  lines[#lines + 1] = (current:gsub(" $", ""))
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end

-- A value inside a table.
function element(v, width, at)
  local t = type(v)
  if t == "string" then return quoted(v, SHORT) end
  if t == "table" and not own_text(v) then return table_text(v, math.max(width, 20), at) end
  if t == "function" then return "function" end
  return brief(v)
end

--- inspect(value, {width=}) → text, for the prompt. Tables that have no __tostring are opened, those inside too, down
-- to 5; 100 entries each and 400 in all; strings are quoted and shown to 2000 bytes.
local function inspect(value, opts)
  if opts ~= nil then options.check("inspect", opts, {width = true}) end
  if type(value) == "string" then
    if #value <= LONG then return quoted(value, LONG) end
    return ("%s  (%s: print shows it whole)"):format(quoted(value, LONG), text.bytes(#value))
  end
  if type(value) == "table" and not own_text(value) then
    local width = opts and opts.width or math.min(term.width(), 120)
    return table_text(value, width, {depth = 0, left = ALL, open = {}})
  end
  return term.safe(tostring(value))
end

return require "suture.base.stray".checked(inspect, "inspect")
