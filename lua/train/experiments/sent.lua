--- What a piece of work gave, from a copy of the process to the one that asked for it: exact, as text; what holds
-- tensors or modules in a file.
local checkpoint = require "suture.model.checkpoint"
local Result = require "suture.train.result"
local tables = require "suture.model.tables"
local values = require "suture.model.values"
local sent = {}

-- What fit returns, and its list of epochs, as plain tables.
local function plain(v)
  if type(v) ~= "table" then return v end
  local mt = getmetatable(v)
  if mt ~= Result and values.kind(v) ~= "list" and values.kind(v) ~= "dict" then return v end
  local out = {}
  for k, x in next, v do out[k] = plain(x) end
  return out
end

-- Whether it is numbers, words, truths and tables of them; their number is limited, so that no table holds itself.
local function simple(v, left)
  left[1] = left[1] - 1
  if left[1] < 0 then return false end
  if type(v) ~= "table" then return type(v) ~= "userdata" and type(v) ~= "function" and type(v) ~= "thread" end
  if getmetatable(v) then return false end
  for k, x in next, v do if not simple(k, left) or not simple(x, left) then return false end end
  return true
end

local function text_of(v)
  if type(v) ~= "table" then return (("%q"):format(v):gsub("\\\n", "\\n")) end
  local out = {}
  for k, x in next, v do out[#out + 1] = ("[%s]=%s"):format(text_of(k), text_of(x)) end
  return "{" .. table.concat(out, ",") .. "}"
end

--- sent.pack(what, v, path) → a line of text; path: a file for what is none.
function sent.pack(what, v, path)
  local fitted = type(v) == "table" and getmetatable(v) == Result
  v = plain(v)
  if simple(v, {100000}) then return (fitted and "fit " or "text ") .. text_of(v) end
  local held = {v}
  values.check(what .. ": what the function returned", v)
  tables.save(held, path)
  return (fitted and "fit-file" or "file")
end

--- What was packed.
function sent.unpack(line, path)
  local kind, text = line:match "^(%S+) ?(.*)$"
  local v
  if kind:find "file" then
    v = checkpoint.open(path, {state = "all"})[1]
    os.remove(path)
  else
    v = assert(load("return " .. text, "=sent", "t", {}))()
  end
  if kind:find "^fit" then
    v.history = Result.rows(v.history)
    setmetatable(v, Result)
  end
  return v
end

return sent
