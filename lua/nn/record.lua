--- What of a module the journal keeps and puts back: its tables and flags, by raw access (nn/module.lua explains them).
local journal = require "suture.base.journal"
local trace = require "suture.nn.trace"
local rawset, rawget = rawset, rawget

local stores = {"_names", "_children", "_pnames", "_params", "_bnames", "_buffers", "_transient", "_fields", "_edited"}
local lists = {"_before", "_after", "_hooks"} -- tables or nil
local flags = {"_training", "_frozen", "_bn_eval", "_cut"}

local function copied(t)
  local out = {}
  for k, v in next, t do out[k] = v end
  return out
end

local function same_table(a, b)
  if a == nil or b == nil then return a == b end
  for k, v in next, a do if not rawequal(b[k], v) then return false end end
  for k in next, b do if a[k] == nil then return false end end
  return true
end

local function own_all(m, s, f)
  for _, values in ipairs {"_params", "_buffers"} do for _, t in next, s[values] do f(t, m) end end
end

-- The kind of change (base/journal.lua).
local state = {
  born = function(m) return rawget(m, "_born") end,
  take = function(m)
    local s = {}
    for _, name in ipairs(stores) do s[name] = copied(rawget(m, name)) end
    for _, name in ipairs(lists) do
      local list = rawget(m, name)
      s[name] = list and copied(list)
    end
    for _, name in ipairs(flags) do s[name] = rawget(m, name) end
    return s
  end,
  same = function(m, s)
    for _, name in ipairs(flags) do if rawget(m, name) ~= s[name] then return false end end
    for _, name in ipairs(stores) do if not same_table(rawget(m, name), s[name]) then return false end end
    for _, name in ipairs(lists) do if not same_table(rawget(m, name), s[name]) then return false end end
    return true
  end,
  put = function(m, s)
    own_all(m, {_params = rawget(m, "_params"), _buffers = rawget(m, "_buffers")}, journal.disown)
    for _, name in ipairs(stores) do rawset(m, name, copied(s[name])) end
    for _, name in ipairs(lists) do rawset(m, name, s[name] and copied(s[name])) end
    for _, name in ipairs(flags) do rawset(m, name, s[name]) end
    own_all(m, s, journal.own)
    trace.structure = trace.structure + 1
  end,
  keeps = function(m, s, f)
    if same_table(rawget(m, "_children"), s._children) and same_table(rawget(m, "_params"), s._params)
      and same_table(rawget(m, "_buffers"), s._buffers) then return end
    local now, seen = {}, {}
    local function each(children, params, buffers, g)
      for _, t in next, params do g(t) end
      for _, t in next, buffers do g(t) end
      for _, c in next, children do
        if not seen[c] then
          seen[c] = true
          each(rawget(c, "_children"), rawget(c, "_params"), rawget(c, "_buffers"), g)
        end
      end
    end
    each(rawget(m, "_children"), rawget(m, "_params"), rawget(m, "_buffers"), function(t) now[t] = true end)
    each(s._children, s._params, s._buffers, function(t) if not now[t] then f(t) end end)
  end,
  reshapes = function(m, s)
    if rawget(m, "_cut") ~= s._cut then return true end
    for _, name in ipairs {"_names", "_children", "_params", "_buffers", "_fields"} do
      if not same_table(rawget(m, name), s[name]) then return true end
    end
    for _, name in ipairs(lists) do if not same_table(rawget(m, name), s[name]) then return true end end
    return false
  end,
}

return {state = state, stores = stores, lists = lists, flags = flags, copied = copied}
