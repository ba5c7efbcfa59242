-- JSON text: what is read is written, and read again as it was.
local json = require("suture.core").json

return function(text)
  local ok, v = pcall(json.decode, text)
  if not ok then return end
  local written = json.encode(v)
  assert(json.encode(json.decode(written)) == written, "JSON changes on its way")
end
