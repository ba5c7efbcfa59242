--- Which modules tensors belong to, as parameters or buffers.
local owners = {}

-- Which module a parameter or buffer belongs to; the others of a tensor that belongs to several.
-- (All weakly: a model that nobody holds any more is none.)
local owner, others = setmetatable({}, {__mode = "kv"}), setmetatable({}, {__mode = "k"})

--- owners.of(t): the module a tensor belongs to: where the first one is gone, another.
function owners.of(t)
  local m = owner[t]
  if m == nil and others[t] then
    m = next(others[t])
    owner[t] = m
  end
  return m
end

--- owners.own(t, m), owners.disown(t, m): t is, or is no more, a parameter or buffer of m.
function owners.own(t, m)
  local first = owner[t]
  if first == nil or first == m then
    owner[t] = m
    return
  end
  others[t] = others[t] or setmetatable({}, {__mode = "k"})
  others[t][m] = true
end
function owners.disown(t, m)
  local more = others[t]
  if more then more[m] = nil end
  if owner[t] == m then owner[t] = more and next(more) or nil end
end

--- owners.all(t): the modules that t is a parameter or buffer of.
function owners.all(t)
  local list = {owners.of(t)}
  for m in pairs(others[t] or {}) do if m ~= list[1] then list[#list + 1] = m end end
  return list
end

return owners
