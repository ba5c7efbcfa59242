-- In the program `suture` every name of the library is a global, loaded when first used, and no other name is read
-- unset.
local note = require "suture.base.note"
local suture = require "suture"

local names = suture._names

-- What a global name that was never set stands for: a part of the library, or nil.
local function part(name)
  local value
  if name == "suture" then value = suture elseif names[name] then value = suture[name] end
  if value ~= nil then rawset(_G, name, value) end
  return value
end

require("suture.base.strict").on(part)

-- A name of Lua's own that a line of the prompt gives another value is told, once.
local own = {}
for name, value in next, _G do
  if type(value) == "function" or package.loaded[name] == value then own[name] = value end
end
local after = require("suture.base.lines").after
after[#after + 1] = function()
  local lines = {}
  for name, value in next, own do
    local now = rawget(_G, name)
    if now ~= value then
      own[name] = nil
      lines[#lines + 1] = ("%s is Lua's own %s, and %s from here on (the library goes on with Lua's)"):format(name,
        type(value) == "function" and "function" or "library", now == nil and "gone" or "yours")
    end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

-- A function that makes a global has as a rule forgotten a `local`: told, once a name, of functions typed earlier and
-- of those that the line calls by name. What the line itself does, in no_grad(function() y = m(x) end) too, is meant.
require("suture.base.strict").noticed = function(name, value, info)
  local shell, n = package.loaded["suture.shell"], tonumber(info.source:match "^=%[(%d+)%]$")
  if not n or not shell or type(value) == "function" or name == "_" then return end
  local caller = debug.getinfo(4, "S") -- 2 is the metamethod, 3 the function
  if not shell.inputs[n] and not (info.name and caller and caller.source:find "^=%[%d") then return end
  local which = shell.inputs[n] and ("a function of input %d"):format(n) or ("function %s"):format(info.name)
  note(("%s sets the global '%s', which was not there before: `local %s` keeps it in the function")
    :format(which, name, name))
end

-- Ctrl-C stops code that runs in a coroutine too: the face is told which thread runs.
local face = package.loaded["suture.face"]
local create, resume, status, close = coroutine.create, coroutine.resume, coroutine.status, coroutine.close

local function left(co, before, ...)
  face.leave(co, before)
  return ...
end

local function checked(co, ok, ...)
  if ok then return ... end
  if status(co) == "dead" then close(co) end
  error((...), 0)
end

function coroutine.resume(co, ...)
  if type(co) ~= "thread" then return resume(co, ...) end
  return left(co, face.enter(co), resume(co, ...))
end

function coroutine.wrap(f)
  local co = create(f)
  return function(...) return checked(co, coroutine.resume(co, ...)) end
end
