--- Methods that say so when they are called with a dot, or with more than they take: method(class, kind) makes those of
-- class look at their object and at the number of their arguments first. kind: is(v): whether v is such an object;
-- what:
-- what it is called in words; name: how messages write it; skip: names that are no methods. Names that begin with "_"
-- stay as they are.
local fault = require "suture.base.fault"
local docs = require "suture.base.docs"
local stray = require "suture.base.stray"
local made = setmetatable({}, {__mode = "k"})

return function(class, kind)
  for name, f in pairs(class) do
    if type(f) == "function" and type(name) == "string" and name:sub(1, 1) ~= "_" and not made[f]
      and not (kind.skip and kind.skip[name]) then
      local most = stray.most(f)
      most = most and most - 1
      local function checked(object, ...)
        if not kind.is(object) then
          fault("%s: expects %s in front, got %s: a method is called with a colon, %s:%s(…)", name, kind.what,
            require("suture.base.options").show(object), kind.name, name)
        end
        if most and select("#", ...) > most then stray.refuse(name, most, ...) end
        return f(object, ...)
      end
      made[checked], docs[checked] = true, f
      class[name] = checked
    end
  end
end
