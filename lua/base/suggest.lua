--- "Did you mean": the nearest name, and errors about missing names made better.
local chunks = require "suture.base.chunks"
local embedded = require "suture.embedded"
local fields = require "suture.base.fields"
local pcall = require("suture.base.interrupt").pcall
local suggest = {}

-- Damerau-Levenshtein distance (optimal string alignment), capped at `most`.
local function distance(a, b, most)
  if math.abs(#a - #b) > most then return most + 1 end
  local before, last, row = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    row[0] = i
    local best = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local d = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        d = math.min(d, before[j - 2] + 1)
      end
      row[j] = d
      if d < best then best = d end
    end
    if best > most then return most + 1 end
    before, last, row = last, row, before
  end
  return last[#b]
end

local SHOWN = 8 -- names of a module's parts in a message

-- What goes by another name here.
local here = {thaw = "unfreeze", numpy = "tolist", learning_rate = "lr", batch_size = "batch", scheduler = "schedule",
  criterion = "loss", verbose = "quiet", validation_data = "val", n_epochs = "epochs", num_epochs = "epochs"}

-- How far the number in c is from the number in `name`, where the words are the same but for that: layer9 is nearer to
-- layer4 than to layer1.
local function counted(name, c)
  if (name:gsub("%d+", "")) ~= (c:gsub("%d+", "")) then return math.huge end
  local a, b = tonumber(name:match "%d+"), tonumber(c:match "%d+")
  return a and b and math.abs(a - b) or math.huge
end

--- The candidate nearest to `name`, or nil when none is near (one change in three letters, or the rest
-- of the word missing). Case counts little.
-- candidates: an array of strings, or a table whose string keys are the names.
function suggest.nearest(name, candidates)
  local best, least, off
  local most = #name < 3 and 0 or math.max(1, #name // 3)
  local lower = name:lower()
  local other = here[lower]
  local function try(c)
    if type(c) ~= "string" or c == name or (c:sub(1, 1) == "_" and name:sub(1, 1) ~= "_") then return end
    local d = c == other and 0 or distance(lower, c:lower(), most)
    if d > most and #name >= 3 and c:sub(1, #name):lower() == lower then d = most end -- not written to its end
    if d <= most then
      d = d + (c:sub(1, 1) == name:sub(1, 1) and 0 or 0.5)
      local o = counted(name, c)
      if not least or d < least or d == least and (o < off or o == off and c < best) then best, least, off = c, d, o end
    end
  end
  if candidates[1] ~= nil then
    for _, c in ipairs(candidates) do try(c) end
  else
    for c in next, candidates do try(c) end
  end
  return best
end

--- The name that was meant by one that is not there, where it can only be a slip: nil where the library asks for it
-- (the function at `level`, as debug.getinfo counts), where no name is near, or all that differs are numbers, as where
-- m["layer" .. i] is asked until there are no more.
function suggest.slip(name, candidates, level)
  if name:sub(1, 1) == "_" then return nil end
  local near = suggest.nearest(name, candidates)
  if not near or near:gsub("%d+", "") == name:gsub("%d+", "") then return nil end
  local asks = debug.getinfo(level + 1, "S")
  if not asks or asks.what == "C" or embedded.path(asks.source) then return nil end
  return near
end

-- What a global that is not there was meant to be: what the library has under that name in one of its tables
-- ("nn.Linear" for Linear), else the nearest global; nil when nothing is near.
local function nearest_global(name)
  for _, owner in ipairs {"F", "tensor", "nn", "zoo", "optim", "data", "image"} do
    local value = fields.global(owner)
    if value and fields.of(value)[name] ~= nil and name:sub(1, 1) ~= "_" then return owner .. "." .. name end
  end
  local names = {}
  for k in next, _G do if type(k) == "string" then names[k] = true end end
  local suture = package.loaded.suture
  for k in next, suture and suture._names or {} do names[k] = true end
  return suggest.nearest(name, names)
end

--- ": did you mean X?", or what Python's word is here, or "" when nothing is near. Without candidates `name` is a
-- global that is not there; line: the one it stands in, where that is known.
function suggest.hint(name, candidates, line)
  local said = not candidates and require("suture.base.guesses").global(name, line)
  if said then return ": " .. said end
  local near
  if candidates then near = suggest.nearest(name, candidates) else near = nearest_global(name) end
  return near and (": did you mean %s?"):format(near) or ""
end

-- The variables that code at `level` (of the caller) sees: locals, then upvalues.
local function variables(level)
  local seen = {}
  local f = debug.getinfo(level + 1, "f").func
  for i = 1, 250 do
    local n, v = debug.getupvalue(f, i)
    if not n then break end
    seen[n] = v
  end
  for i = 1, 250 do
    local n, v = debug.getlocal(level + 1, i)
    if not n then break end
    seen[n] = v
  end
  return seen
end

-- What code at `level` (of the caller) sees under a name.
local function seen_from(level)
  local seen = variables(level + 1)
  return function(n)
    if seen[n] ~= nil then return seen[n] end
    return fields.global(n)
  end
end

-- What a module has, for a name that is near nothing.
local function parts_of(owner)
  local names = type(owner) == "table" and type(rawget(owner, "_children")) == "table" and rawget(owner, "_names")
  if type(names) ~= "table" then return nil end
  local declared = getmetatable(owner)._declared
  if #names == 0 and declared then names = declared.spec.names end
  if #names == 0 then return nil end
  local shown = table.concat(names, ", ", 1, math.min(#names, SHOWN))
  return (" (it has %s%s)"):format(shown, #names > SHOWN and ", …" or "")
end

-- The names that something has, where they are few.
local function few(names)
  local list = {}
  for name in next, names do
    if type(name) == "string" and name:find "^%a" then list[#list + 1] = name end
  end
  if #list == 0 or #list > 20 then return nil end
  table.sort(list)
  return (" (it has %s)"):format(table.concat(list, ", "))
end

local WIDTH = 400 -- of the part of a long line that is looked at: around the name

-- The line's expressions in front of the missing name, as `a.b` in `a.b.name`, `a.b["name"]`, `a.b:name`: an iterator.
local function owners(line, kind, name)
  local list = {}
  if #line > WIDTH then
    local at = line:find(name, 1, true) or 1
    line = line:sub(math.max(1, at - WIDTH // 2), at + WIDTH // 2)
  end
  if kind == "method" then
    for expr, after in line:gmatch("([%a_][%w_%.%[%]\"']*)%s*:%s*" .. name .. "(.?)") do
      if not after:find "[%w_]" then list[#list + 1] = expr end
    end
  else
    for expr, after in line:gmatch("([%a_][%w_%.%[%]\"']*)%s*%.%s*" .. name:gsub("%p", "%%%0") .. "(.?)") do
      if not after:find "[%w_]" then list[#list + 1] = expr end
    end
    for expr, inside in line:gmatch "([%a_][%w_%.]*)%s*%[%s*[\"'](.-)[\"']%s*%]" do
      if inside == name then list[#list + 1] = expr end
    end
  end
  return ipairs(list)
end

-- "nothing at a.b[3]", for an index that is no name.
local function missing_place(line, lookup)
  if #line > WIDTH then return nil end
  for expr, n in line:gmatch "([%a_][%w_%.]*)%s*%[%s*(%-?%d+)%s*%]" do
    local owner = fields.resolve(expr, lookup)
    if type(owner) == "table" and fields.step(owner, tonumber(n)) == nil then
      local last = rawlen(owner)
      return ("nothing at %s[%s]"):format(expr, n) .. (last > 0 and (" (it has [1] to [%d])"):format(last) or "")
    end
  end
end

-- `was`: what Lua said, kept where no name is near.
local function missing_field(kind, name, was, level)
  for l = level + 1, level + 12 do
    local info = debug.getinfo(l, "Sl")
    if not info then return nil end
    if info.what ~= "C" then
      local line = chunks.running(info)
      if not line then return nil end
      local lookup = seen_from(l)
      if name == "?" or name == "integer index" then return missing_place(line, lookup) end
      for _, expr in owners(line, kind, name) do
        local owner = fields.resolve(expr, lookup)
        local t = type(owner)
        if t == "table" or t == "userdata" or t == "string" then
          local hint = suggest.hint(name, fields.of(owner))
          if hint == "" then hint = parts_of(owner) or " (" .. was .. ")" end
          return ("no %s '%s' in %s"):format(kind, name, expr) .. hint
        end
      end
      return nil
    end
  end
end

--- The line of the user's code that runs, and the level of its function as the caller counts; nil where it is not
-- known.
function suggest.line()
  for l = 2, 12 do
    local info = debug.getinfo(l, "Sl")
    if not info then return nil end
    if info.what ~= "C" and not embedded.path(info.source) then return chunks.running(info), l - 1 end
  end
end

--- "no field 'layr1' in m: did you mean layer1?": what is said of a name that `owner` does not have, where the user's
-- code asks for it. called: what owner is called where the line does not tell; more: a table of names that owner has
-- too.
function suggest.missing(owner, name, called, more)
  local line, at = suggest.line()
  local kind, expr = "field", nil
  if line then
    local lookup = seen_from(at)
    for _, k in ipairs {"method", "field"} do
      for _, e in owners(line, k, name) do
        local ok, value = pcall(fields.resolve, e, lookup)
        if not expr and ok and rawequal(value, owner) then kind, expr = k, e end
      end
    end
  end
  local said = require("suture.base.guesses").member(name)
  local names = fields.of(owner)
  for k in next, more or {} do names[k] = true end
  local hint = said and ": " .. said or suggest.hint(name, names)
  if hint == "" then
    hint = parts_of(owner) or few(names) or ""
    if type(owner) == "table" and getmetatable(owner)._own then
      hint = ("%s · self.%s = nil in init lets it be empty"):format(hint, name)
    end
  end
  if not expr then return ("%s has no '%s'%s"):format(called, name, hint) end
  return ("no %s '%s' in %s%s"):format(kind, name, expr, hint)
end

-- Python's % and + of texts are arithmetic here.
local function joined(message)
  if not message:find("attempt to perform arithmetic on a ", 1, true)
    and not message:find "attempt to %a+ a 'string' with" then
    return message
  end
  local line = suggest.line()
  if not line or #line > WIDTH then return message end
  if line:find "[\"']%s*%%%s*[%w_({]" then return message .. '\nvalues go into a text with ("loss %.3f"):format(x)' end
  if line:find "[\"']%s*%+" or line:find "%+%s*[\"']" then return message .. "\ntexts are joined with .." end
  return message
end

--- An error message about a missing name, with the nearest name that exists, or about a line that is no Lua, with what
-- was meant; other messages as they are.
-- `level`: that of the function which failed, as for debug.getinfo (default 2, as from a message handler).
function suggest.explain(message, level)
  if type(message) ~= "string" then return message end
  local where, was, kind, name = message:match "^(.-)(attempt to .- a nil value) %((%a+) '([^']+)'%)$"
  if not kind then return require("suture.base.syntax").explain(joined(message)) end
  if kind == "global" then
    local hint = suggest.hint(name)
    if hint ~= "" then return ("%sno global '%s'"):format(where, name) .. hint end
  elseif kind == "field" or kind == "method" then
    -- through two frames: this pcall and Lua's
    local ok, text = pcall(missing_field, kind, name, was, (level or 2) + 2)
    if ok and text then return where .. text end
  end
  return message
end

return setmetatable(suggest, {__call = function(_, name, candidates) return suggest.nearest(name, candidates) end})
