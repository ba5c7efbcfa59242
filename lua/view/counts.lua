--- Parameters of a module: how many numbers, and how many of them do not train.
local raw = require("suture.core").tensor
local counts = {}

local function sum(list)
  local n, still = 0, 0
  for _, p in ipairs(list) do
    n = n + raw.numel(p)
    if not raw.requires_grad(p) then still = still + raw.numel(p) end
  end
  return n, still
end

--- counts.all(m): of m and everything beneath, each parameter once → numbers, of them not trained.
function counts.all(m) return sum(m:parameters()) end

--- counts.own(m): of m's own parameters only.
function counts.own(m)
  local list = {}
  for i, name in ipairs(m._pnames) do list[i] = m._params[name] end
  return sum(list)
end

return counts
