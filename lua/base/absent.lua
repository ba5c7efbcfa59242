--- Names that are not there. Who reads one is told so, with the nearest that is: what is nil in silence (a slip,
-- Python's None) goes on as if nothing had been said. The library itself, and C, may ask.
local fault = require "suture.base.fault"
local suggest = require "suture.base.suggest"
local getinfo, sub, type = debug.getinfo, string.sub, type

local absent = {}

--- Whether the function at `level` (as the caller counts) is a user's: Lua, and not of the library.
function absent.by_user(level)
  local info = getinfo(level + 1, "S")
  return info ~= nil and info.what ~= "C" and sub(info.source, 1, 8) ~= "=suture:"
end

--- For the end of an __index: an error where a user's code reads `owner`[name], and nothing has that name. Names that
-- begin with "_" are the writer's own, and nil. called: what owner is called where the line does not tell; level: of
-- the function that reads, as the caller counts (2 in an __index); more: a table of further names that owner has.
function absent.field(owner, name, called, level, more)
  if type(name) == "string" and sub(name, 1, 1) ~= "_" and absent.by_user(level + 1) then
    fault("%s", suggest.missing(owner, name, called, more))
  end
end

--- A table of the library, in which reading a name that it does not have is an error: absent.table(nn, "nn") → nn.
function absent.table(t, called)
  local mt = getmetatable(t) or {}
  function mt.__index(owner, name) absent.field(owner, name, called, 2) end
  return setmetatable(t, mt)
end

--- The __index of a kind of result: an error for what is neither there nor among `optional`, names in a row.
function absent.index(called, optional)
  local may = {}
  for name in optional:gmatch "%S+" do may[name] = true end
  return function(owner, name) if not may[name] then absent.field(owner, name, called, 2, may) end end
end

return absent
