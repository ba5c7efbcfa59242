--- m:clone(): a module copied with everything in it.
local counted = require "suture.base.counted"
local journal = require "suture.base.journal"
local Module = require "suture.nn.module"
local raw = require("suture.core").tensor
local is, is_module = raw.is, Module.is_module

local stores = {"_names", "_children", "_pnames", "_params", "_bnames", "_buffers", "_transient", "_fields", "_edited",
  "_args", "_once", "_before", "_after", "_hooks", "_zoo"}

local copy -- f(value, seen) → its copy; seen: those made so far, so that what is shared stays shared

local function copy_tensor(t, seen, parameter)
  local c = raw.clone(t)
  if parameter then
    c = Module.Parameter(c, raw.requires_grad(t))
    raw.frozen(c, raw.frozen(t))
  end
  seen[t] = c
  return c
end

local function copy_table(t, seen)
  local out = {}
  seen[t] = out
  for k, v in next, t do out[k] = copy(v, seen) end
  return counted.like(out, t)
end

local function copy_module(m, seen)
  local out = setmetatable({}, getmetatable(m))
  seen[m] = out
  for k, v in next, m do rawset(out, k, v) end -- flags, and what is no table
  local params = {}
  for name, p in next, rawget(m, "_params") do params[name] = seen[p] or copy_tensor(p, seen, true) end
  for _, store in ipairs(stores) do
    local t = rawget(m, store)
    if t then rawset(out, store, store == "_params" and params or copy_table(t, seen)) end
  end
  rawset(out, "_born", journal.now())
  for _, values in ipairs {"_params", "_buffers"} do
    for _, t in next, rawget(out, values) do journal.own(t, out) end
  end
  return out
end

function copy(v, seen)
  if seen[v] ~= nil then return seen[v] end
  if is(v) then return copy_tensor(v, seen, false) end
  if type(v) ~= "table" then return v end
  if is_module(v) then return copy_module(v, seen) end
  if getmetatable(v) then return v end
  return copy_table(v, seen)
end

--- m:clone(): a module like m in every way, with numbers, marks, fields and hooks of its own: what is done to one
-- leaves the other alone. What is shared within m (tied parameters, a module under two names) is shared within the
-- copy. Functions and other values of fields are the same ones. As copy.deepcopy(m) in PyTorch.
function Module.clone(m)
  return journal.aside(copy, m, {})
end

Module._methods()

return Module
