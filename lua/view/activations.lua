--- What modules give on some input, by path.
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local nn_trace = require "suture.nn.trace"
local ordered = require "suture.base.ordered"
local raw = require("suture.core").tensor

return function(m, x, pattern)
  if not raw.is(x) then
    fault("activations: expects a tensor as input, got %s", require("suture.base.options").show(x))
  end
  local match = glob(pattern == nil and "*" or pattern, "activations")
  local found = false
  m:_walk_places(function(_, path) found = found or (path ~= "" and match(path)) end)
  if not found then m:_no_match("activations", pattern) end
  local tensor = require "suture.tensor"
  local records = tensor.no_grad(function() return (nn_trace.record(m, x)) end)
  local out = ordered.dict()
  for _, r in ipairs(records) do
    if r.path ~= "" and match(r.path) then
      for _, y in ipairs(r.outputs) do
        raw.name(y)
        local have = out[r.path]
        if have == nil then out[r.path] = y
        elseif raw.is(have) then out[r.path] = {have, y}
        else have[#have + 1] = y end
      end
    end
  end
  if #out == 0 then
    local other = type(pattern) == "string" and m:_recorded_as(pattern)
    if other then fault("activations: '%s' is the same module as '%s': ask for that name", pattern, other) end
    fault("activations: nothing that matches '%s' runs (m:audit() lists what does not)", tostring(pattern))
  end
  return out
end
