--- Classes: class("Name", base) is a table to put methods in, and calling it makes an object and runs its init.
-- Metamethods are copied down from the base; `Name.super` is the base.
local stray = require "suture.base.stray"
local metamethods = {"__index", "__newindex", "__call", "__tostring", "__len", "__pairs", "__gc", "__close", "__eq"}

local function construct(cls, ...)
  local object = setmetatable({}, cls)
  local init = cls.init
  if init then stray.checked(init, cls.__name, true)(object, ...) end
  return object
end

local class = {}

local made, count = setmetatable({}, {__mode = "k"}), 0 -- the classes in use: which was made when

--- class.last(name, fits): the last class made under a name for which fits(class) is true, while it is in use; or nil.
function class.last(name, fits)
  local last, when = nil, 0
  for cls, n in next, made do
    if n > when and cls.__name == name and fits(cls) then last, when = cls, n end
  end
  return last
end

--- class(name[, base[, make]]): a new class; make(cls, …) builds objects (default: an empty table, then init).
local function new(name, base, make)
  local cls = {__name = name, super = base}
  if base then
    for _, m in ipairs(metamethods) do cls[m] = rawget(base, m) end
  else
    cls.__index = cls
  end
  if base and rawget(base, "__index") == base then cls.__index = cls end
  count = count + 1
  made[cls] = count
  return setmetatable(cls, {
    __index = base,
    __call = make or base and getmetatable(base) and getmetatable(base).__call or construct,
    __name = "class", -- so that a class is not taken for a table of options
    __tostring = function() return "class " .. name end,
  })
end

return setmetatable(class, {__call = function(_, ...) return new(...) end})
