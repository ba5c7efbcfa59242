--- A forward as it is read off a module, which says so when it is called with a dot: m.forward(x).
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local made = setmetatable({}, {__mode = "k"})

return function(f)
  if type(f) ~= "function" then return f end
  local g = made[f]
  if not g then
    function g(m, ...)
      if type(m) ~= "table" or rawget(m, "_children") == nil then
        fault("forward: expects a module in front, got %s: m(x), or m:forward(x) with a colon", options.show(m))
      end
      return f(m, ...)
    end
    made[f], docs[g] = g, f
  end
  return g
end
