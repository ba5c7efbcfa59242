--- What a user's forward keeps where no assignment is seen: in globals, upvalues and tables. Such a value can be looked
-- at after the call, and after backward, as PyTorch has it; the others live only within the run.
local name = require("suture.core").kept.name
local names = require("suture.base.strict").names
local getinfo = debug.getinfo

local kept = {}

local users = setmetatable({}, {__mode = "k"}) -- function → whether a user wrote it

--- kept.may(f): whether the forward f may keep something: a user wrote it.
function kept.may(f)
  local yes = users[f]
  if yes == nil then
    local info = type(f) == "function" and getinfo(f, "S")
    yes = info and info.what ~= "C" and info.source:sub(1, 8) ~= "=suture:" or false
    users[f] = yes
  end
  return yes
end

local loaded -- tables that hold no user's values, but for the globals

--- kept.name(calls): what these forwards keep is seen by somebody from now on. calls: {module = forward}.
function kept.name(calls)
  if not loaded then
    loaded = setmetatable({}, {__mode = "k"})
    for _, v in next, package.loaded do if type(v) == "table" and v ~= _G then loaded[v] = true end end
  end
  local seen = {}
  local globals = names()
  for m, f in next, calls do name(f, m, users, loaded, seen, globals) end
end

return kept
