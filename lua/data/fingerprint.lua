--- What a data set holds as one short text: equal for equal samples, targets, order and way into the network.
local core = require "suture.core"
local options = require "suture.data.options"
local digest = core.digest

local LOOKED = 256 -- samples whose content is looked at

-- A table as text, names in order.
local function text(v)
  if type(v) ~= "table" then return tostring(v) end
  local keys, parts = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, k in ipairs(keys) do parts[i] = tostring(k) .. "=" .. text(v[k]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

return function(ds)
  local n = #ds
  local parts = {tostring(n), table.concat(ds.classes, "\1"), ds.view and options.key(ds.view.core) or "",
    ds.view and text(ds.view.say.augment) or ""}
  local labels = ds:labels()
  if labels then parts[#parts + 1] = table.concat(labels, ",") end
  local step = math.max(1, n // LOOKED)
  for i = 1, ds.source.content and n or 0, step do parts[#parts + 1] = ds.source.content(ds.index[i]) or "" end
  if ds.source.targets then parts[#parts + 1] = ds.source.targets(ds.index) end
  return digest.text(table.concat(parts, "\n")):sub(1, 32)
end
