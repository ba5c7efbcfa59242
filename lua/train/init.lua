--- Training and measuring: the functions a user calls, each in its own file, loaded when it is first asked for (who only
-- predicts waits for no trainer). lua/init.lua says which they are and where.
local suture = require "suture"

return setmetatable({}, {__index = function(_, name)
  if (suture._names[name] or ""):find "^suture%.train%." then return suture[name] end
end})
