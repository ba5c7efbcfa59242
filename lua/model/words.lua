--- Modules in words: "Conv2d(3, 64, 7×7, s2, p3)" where space is short, "Linear(512 → 1000)" where a change is told.
local pcall = require("suture.base.interrupt").pcall
local text = require "suture.base.text"
local words = {}

local function pair(p)
  if type(p) ~= "table" then return tostring(p), p end
  if #p == 1 or p[1] == p[2] then return tostring(p[1]), p[1] end
  return ("%s%s%s"):format(p[1], text.sign "times", p[2])
end

local function size(p)
  if type(p) == "table" then return ("%s%s%s"):format(p[1], text.sign "times", p[2] or p[1]) end
  return ("%s%s%s"):format(p, text.sign "times", p)
end

local function window(m, parts)
  parts[#parts + 1] = size(m.kernel_size)
  local s, sv = pair(m.stride)
  if sv ~= 1 then parts[#parts + 1] = "s" .. s end
  local p, pv = pair(m.padding)
  if pv ~= 0 then parts[#parts + 1] = m.padding == "same" and "same" or "p" .. p end
  local d, dv = pair(m.dilation or 1)
  if dv ~= 1 then parts[#parts + 1] = "d" .. d end
  return parts
end

-- "3 BasicBlock" where all children are of one class, else how many there are.
local function contents(m)
  local names = rawget(m, "_names")
  if #names == 0 then return "" end
  local class = getmetatable(m._children[names[1]]).__name
  for _, n in ipairs(names) do
    if getmetatable(m._children[n]).__name ~= class then return ("%d modules"):format(#names) end
  end
  return ("%d %s"):format(#names, class)
end

local function ascii(s) return text.unicode() and s or (s:gsub("→", "->"):gsub("×", "x"):gsub("…", "...")) end

--- words.extra(m): the constructor's values as the class shows them (`extra`), "" when it has none.
function words.extra(m)
  local class = getmetatable(m)
  local extra = class.extra or class.extra_repr
  if not extra then return "" end
  local ok, s = pcall(extra, m)
  return ok and type(s) == "string" and ascii(s) or ""
end

--- words.torch(m): the constructor's values as PyTorch prints them; those of other classes as words.extra.
function words.torch(m)
  local torch = getmetatable(m)._torch
  local ok, s = pcall(torch or words.extra, m)
  return ok and s or words.extra(m)
end

--- words.hooks(m): "1 hook", of those that see or change what goes through m; nil without.
function words.hooks(m)
  local list = rawget(m, "_hooks")
  return list and text.plural(#list, "hook") or nil
end

--- words.brief(m): class and the constructor's values, as short as they can be read.
function words.brief(m)
  local class = getmetatable(m)
  local name = class.__name
  if class._short then
    local ok, parts = pcall(class._short, m, function(parts) return window(m, parts) end, text.sign "times")
    if ok then return ("%s(%s)"):format(name, table.concat(parts, ", ")) end
  end
  if name == "Sequential" or name == "ModuleList" then
    local inside = contents(m)
    return inside ~= "" and ("%s(%s)"):format(name, inside) or name
  end
  local extra = words.extra(m)
  return extra ~= "" and ("%s(%s)"):format(name, extra) or name
end

--- words.module(m): class and values in full: "Linear(512 → 1000)".
function words.module(m)
  local name = getmetatable(m).__name
  local extra = words.extra(m)
  if extra ~= "" then return ("%s(%s)"):format(name, extra) end
  if #rawget(m, "_names") > 0 and (name == "Sequential" or name == "ModuleList") then return words.brief(m) end
  return name .. "()"
end

return words
