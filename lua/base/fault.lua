--- fault(format, …): raises an error at the place in the user's code, not in the library.
local raise = require("suture.core").engine.raise

return function(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  return raise(text)
end
