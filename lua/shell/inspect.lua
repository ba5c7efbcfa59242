--- Values as the prompt shows them: tables one level deep, everything else as tostring gives it.
local options = require "suture.base.options"
local term = require "suture.base.term"

local function own_text(v)
  local mt = debug.getmetatable(v)
  return type(mt) == "table" and rawget(mt, "__tostring") ~= nil
end

local escapes = {["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ["\\"] = "\\\\", ['"'] = '\\"', ["\0"] = "\\0"}

local function quoted(s, most)
  local cut = ""
  if #s > most then
    local stop = utf8.len(s) and utf8.offset(s, 1, most) and most or most
    while stop > 1 and (s:byte(stop + 1) or 0) & 0xC0 == 0x80 do stop = stop - 1 end
    s, cut = s:sub(1, stop), "…"
  end
  s = s:gsub('[%c"\\]', function(c) return escapes[c] or ("\\%d"):format(c:byte()) end)
  return '"' .. s .. cut .. '"'
end

-- A value inside a table, on one line.
local function inner(v)
  local t = type(v)
  if t == "string" then return quoted(v, 60) end
  if t == "table" and not own_text(v) then
    if next(v) == nil then return "{}" end
    local mt = debug.getmetatable(v)
    local name = type(mt) == "table" and rawget(mt, "__name")
    return (type(name) == "string" and name .. " " or "") .. "{…}"
  end
  if t == "function" then return "function" end
  local text = t == "table" and rawget(v, "_children") and require("suture.model.words").brief(v) or tostring(v)
  local first = text:match "^[^\n]*"
  if #first < #text or #first > 60 then
    local stop = math.min(#first, 60)
    while stop > 1 and (first:byte(stop + 1) or 0) & 0xC0 == 0x80 do stop = stop - 1 end
    return first:sub(1, stop) .. "…"
  end
  return text
end

local function key_text(k)
  if type(k) == "string" then
    if k:find "^[%a_][%w_]*$" then return k end
    return "[" .. quoted(k, 60) .. "]"
  end
  return "[" .. inner(k) .. "]"
end

local rank = {number = 1, string = 2, boolean = 3}
local function before(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return (rank[ta] or 9) < (rank[tb] or 9) end
  if ta == "number" or ta == "string" then return a < b end
  return tostring(a) < tostring(b)
end

local MOST = 100 -- entries shown

local function table_text(t, width)
  local entries, n = {}, 0
  while n < MOST and rawget(t, n + 1) ~= nil do
    n = n + 1
    entries[n] = inner(t[n])
  end
  local keys, more = {}, 0
  for k in next, t do
    if not (math.type(k) == "integer" and k >= 1 and k <= n) then
      if type(k) == "string" and k:sub(1, 1) == "_" then goto continue end -- inner parts, as completion hides them
      if #keys < 10000 then keys[#keys + 1] = k else more = more + 1 end
    end
    ::continue::
  end
  table.sort(keys, before)
  local array = n
  for i, k in ipairs(keys) do
    if n >= MOST then
      more = more + #keys - i + 1
      break
    end
    n = n + 1
    entries[n] = key_text(k) .. " = " .. inner(t[k])
  end
  if more > 0 then entries[#entries + 1] = ("… %d more"):format(more) end
  local mt = debug.getmetatable(t)
  local name = type(mt) == "table" and rawget(mt, "__name")
  local head = type(name) == "string" and name .. " " or ""
  local line = head .. "{" .. table.concat(entries, ", ") .. "}"
  if term.columns(line) <= width then return line end
  -- An array fills lines; named fields stand one under the other.
  local lines, current = {head .. "{"}, "  "
  for i, e in ipairs(entries) do
    local text = e .. (i < #entries and ", " or "")
    if i <= array and i > 1 and term.columns(current .. text) <= width then current = current .. text
    else
      if current ~= "  " then lines[#lines + 1] = (current:gsub(" $", "")) end
      current = "  " .. text
    end
  end
  lines[#lines + 1] = (current:gsub(" $", ""))
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n")
end

--- inspect(value, {width=}) → text. Tables without a __tostring are opened one level; names starting with _ stay
-- hidden.
local function inspect(value, opts)
  if opts ~= nil then options.check("inspect", opts, {width = true}) end
  local mt = debug.getmetatable(value)
  local own = type(mt) == "table" and rawget(mt, "__prompt") -- a picture: shown, where the terminal can
  if own then return own(value) end
  if type(value) == "table" and not own_text(value) then
    return table_text(value, opts and opts.width or math.min(term.width(), 120))
  end
  return tostring(value)
end

return require "suture.base.stray".checked(inspect, "inspect")
