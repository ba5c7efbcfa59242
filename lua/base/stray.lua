--- Arguments too many. Lua drops what a function has no name for; what a user calls refuses it. How many a function
-- takes is read off its own list of names: one that ends in "…" looks for itself (base/options.lua).
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local stray = {}

--- What stray.most has found out: function → how many; false: any number.
stray.takes = setmetatable({}, {__mode = "k"})
local takes = stray.takes

--- stray.most(f): how many arguments f has names for; false where it takes any number, or is C's.
function stray.most(f)
  local n = takes[f]
  if n == nil then
    local info = type(f) == "function" and debug.getinfo(f, "u")
    n = info and not info.isvararg and info.nparams or false
    takes[f] = n
  end
  return n
end

-- How many arguments there are but for nil at the end.
local function given(...)
  local n = select("#", ...)
  while n > 0 and (select(n, ...)) == nil do n = n - 1 end
  return n
end

--- stray.refuse(what, most, …): an error where more came than `most`; nil at the end is nothing.
function stray.refuse(what, most, ...)
  local n = given(...)
  if n <= most then return end
  fault("%s: expects %s, got %d", what,
    most == 0 and "no arguments" or ("at most %d argument%s"):format(most, most == 1 and "" or "s"), n)
end

--- stray.checked(f, what[, object]): f behind that check, with its help; f itself where it takes any number. object:
-- what comes first is no argument, but what the method is called on.
function stray.checked(f, what, object)
  local most = stray.most(f)
  if not most then return f end
  local function checked(...)
    if select("#", ...) > most then
      if object then stray.refuse(what, most - 1, select(2, ...)) else stray.refuse(what, most, ...) end
    end
    return f(...)
  end
  docs[checked] = f
  return checked
end

--- stray.guard(list[, prefix[, methods]]): puts the check before every public function of a table; the table. prefix:
-- what stands before the names in errors, as "optim."; methods: they are called with a colon.
function stray.guard(list, prefix, methods)
  for name, f in next, list do
    if type(f) == "function" and type(name) == "string" and name:sub(1, 1) ~= "_" and name ~= "init" then
      list[name] = stray.checked(f, (prefix or "") .. name, methods)
    end
  end
  return list
end

return stray
