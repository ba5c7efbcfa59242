-- JSON text: what is read is written, and read again as it was.
local json = require("suture.core").json

return function(text)
  local v, why = json.decode(text)
  if v == nil then return assert(type(why) == "string", "refused, and no word why") end
  local written = json.encode(v)
  assert(json.encode(json.decode(written)) == written, "JSON changes on its way")
end
