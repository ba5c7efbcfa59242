--- clip_value: every number of every gradient is cut to -v … v.
local utils = require("suture.nn.utils")

return {
  options = "clip_value:positive=nil",
  new = function(t)
    local limit = t.options.clip_value
    if not limit then return nil end
    return {gradients = function() utils.clip_grad_value_(t.model:parameters(), limit) end}
  end,
}
