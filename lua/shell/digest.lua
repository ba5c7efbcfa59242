-- What a session has made: its globals, each as one line of text that a session which ran the same has too. Numbers of
-- tensors are left out, as they may come from a random start, and fractions, which may be times.
local core = require "suture.core"

local function of(v)
  if type(v) == "table" and type(rawget(v, "_children")) == "table" then return tostring(v) end
  if core.tensor.is(v) then return "tensor " .. tostring(v.shape) .. " " .. v.dtype end
  if type(v) == "string" or type(v) == "boolean" then return type(v) .. " " .. tostring(v) end
  if math.type(v) == "integer" then return ("integer %d"):format(v) end
  return type(v)
end

-- A function that is the library's, or C's.
local function given(v)
  local info = type(v) == "function" and debug.getinfo(v, "S")
  return info and (info.what == "C" or info.source:sub(1, 8) == "=suture:")
end

--- digest(): {[name] = text} of the globals that the user has made.
return function()
  local names, out = require("suture")._names, {}
  for name, v in next, _G do
    local own = names[name] or name == "_" or name == "arg" or name == "suture" or package.loaded[name] == v or given(v)
    if type(name) == "string" and not own and name ~= "_VERSION" then
      out[name] = of(v):gsub("%c", function(c) return ("\\%d"):format(c:byte()) end)
    end
  end
  return out
end
