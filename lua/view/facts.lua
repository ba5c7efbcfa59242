--- What a page tells of a graph, as plain tables that JSON has a form for: its rows, the modules around them, their
-- tensors with histograms, the modules that never run, and where backward stops. Names are short: a page has thousands.
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local text = require "suture.base.text"
local words = require "suture.model.words"

local facts = {}

local BINS = 48 -- of a histogram

local function safe(s) return text.safe(s, true) end
local function class_name(m) return safe(getmetatable(m).__name) end

--- facts.figure(v): a number of six digits, or the word for it where JSON has none.
local function figure(v)
  if v ~= v or v - v ~= 0 then return v ~= v and "nan" or v > 0 and "inf" or "-inf" end
  return tonumber(("%.6g"):format(v))
end

facts.figure = figure

-- A field's value in words; nil for what has none.
local function value_words(v)
  local kind = type(v)
  if kind == "boolean" or kind == "string" then return safe(tostring(v)) end
  if kind == "number" then return math.type(v) == "integer" and tostring(v) or ("%.6g"):format(v) end
  if kind ~= "table" or getmetatable(v) and getmetatable(v).__name ~= "tuple" and getmetatable(v).__name ~= "shape" then
    return nil
  end
  return safe(options.show(v))
end

local function sorted_words(fields)
  local names, out = {}, {}
  for name in pairs(fields) do if type(name) == "string" and name:sub(1, 1) ~= "_" then names[#names + 1] = name end end
  table.sort(names)
  for _, name in ipairs(names) do
    local shown = value_words(fields[name])
    if shown and shown ~= "" then out[#out + 1] = {safe(name), shown} end
  end
  return out
end

-- What a row was made with: a module's fields, an operation's attributes.
local function attributes(row)
  if row.module then return sorted_words(rawget(row.module, "_fields") or {}) end
  local n = row.functional and row.nodes[1]
  return n and n.attrs and sorted_words(n.attrs) or {}
end

-- ---- tensors ----

local function tensor_facts(name, t, parameter)
  local f = {n = safe(name), s = {table.unpack(raw.shape(t))}, k = parameter, c = raw.numel(t), bad = 0}
  f.g = parameter and raw.requires_grad(t) or false
  if f.c == 0 then return f end
  local low, high, sum, bad = raw.stats(t)
  f.bad = bad
  if bad == f.c then return f end
  if low == high then
    f.one = figure(low)
    return f
  end
  local mean, counts, squares = sum / (f.c - bad), raw.histogram(t, low, high, BINS)
  f.lo, f.hi, f.mean = figure(low), figure(high), figure(mean)
  f.std = figure(math.sqrt(math.max(0, squares / (f.c - bad) - mean * mean)))
  f.h = counts
  return f
end

-- ---- modules around rows ----

-- The module calls that a row is in, the outermost first, without the model's own and the row's.
local function calls_around(row, within)
  local chain, call = {}, row.call
  if row.module then call = call and call.parent end
  while call and call.depth > 0 and call ~= within do
    table.insert(chain, 1, call)
    call = call.parent
  end
  return chain
end

local function groups_of(list, within)
  local groups, open, of_row = {}, {}, {}
  for _, row in ipairs(list) do
    of_row[row.id] = 0
    if not row.input then
      local chain = calls_around(row, within)
      local same = 0
      while chain[same + 1] and open[same + 1] and open[same + 1].call == chain[same + 1] do same = same + 1 end
      for level = #open, same + 1, -1 do open[level] = nil end
      for level = same + 1, #chain do
        local call = chain[level]
        groups[#groups + 1] = {
          p = safe(call.path), c = class_name(call.module), l = safe(words.brief(call.module)), r = call.nth,
          up = level > 1 and open[level - 1].at or 0,
        }
        open[level] = {call = call, at = #groups}
      end
      of_row[row.id] = #chain > 0 and open[#chain].at or 0
    end
  end
  return groups, of_row
end

-- ---- where gradients flow ----

-- The orders of the nodes that backward reaches: those that a tensor which trains goes into. What is detached ends it.
local function flowing(t)
  local flows = {}
  for _, n in ipairs(t.nodes) do
    if not n.op then flows[n.order] = n.requires_grad or n.tensor ~= nil and raw.requires_grad(n.tensor)
    elseif n.op ~= "cast" or n.attrs.to ~= 0 then
      for _, i in ipairs(n.inputs) do if i and flows[i] then flows[n.order] = true end end
    end
  end
  return flows
end

local function reached(row, flows)
  for _, n in ipairs(row.nodes) do if n.op and flows[n.order] then return true end end
  return false
end

-- ---- what never runs ----

local function never_run(t, within)
  local audit, out = require "suture.view.audit"(t.model, {input = t.shapes}), {}
  local prefix = within and within.path .. "."
  local function add(paths, in_training)
    for _, path in ipairs(paths) do
      if not prefix or path:sub(1, #prefix) == prefix then
        local m = t.model:at(path)
        out[#out + 1] = {p = safe(path), c = class_name(m), l = safe(words.brief(m)), t = in_training,
          n = (require("suture.view.counts").all(m))}
      end
    end
  end
  add(audit.never_run)
  add(audit.in_training, true)
  return out
end

--- facts.of(g, t, list, within): the graph g (view/graph.lua), drawn of the trace t (model/outline.lua) by these rows
-- (view/rows.lua), within a call or nil. A row: {p (path), l (label), c (class), o (operation), f (functional), in,
-- out, i (ids of its inputs), s (shape), n (parameters), z (of them not trained), m (MACs), fr (frozen), bn (BatchNorm
-- in eval), r, of (which run of how many), k (what it runs as), g (the module around it: a place in groups, 0: none), t
-- (places in tensors), a (attributes {name, value}), gr (backward reaches it), stop (and nothing in front of it)}. What
-- never runs: {p, c, l, n, t (it runs in training only)}.
function facts.of(g, t, list, within)
  local groups, of_row = groups_of(list, within)
  local flows, tensors, place, by_name = flowing(t), {}, {}, {}
  for x, known in pairs(t.names) do by_name[known.name] = {x, known.parameter} end
  local rows, trains, reach = {}, false, {}
  for _, row in ipairs(list) do
    local n = g.nodes[row.id]
    local r = {
      p = safe(n.path), l = safe(n.label), c = n.class and safe(n.class), o = n.op, f = n.functional or nil,
      ["in"] = n.input or nil, out = n.output or nil, i = n.inputs, s = n.shape, n = n.params, z = n.frozen_params,
      m = n.macs, fr = n.frozen or nil, bn = n.bn_eval or nil, r = n.run, of = n.runs, g = of_row[row.id], t = {},
      k = n.kernel ~= "" and n.kernel or nil, a = attributes(row),
    }
    for _, name in ipairs(row.tensors or {}) do
      local known = by_name[name]
      if known and not place[name] then
        tensors[#tensors + 1] = tensor_facts(name, known[1], known[2])
        place[name] = #tensors
      end
      if known then r.t[#r.t + 1] = place[name] end
    end
    reach[row.id] = not row.input and reached(row, flows)
    if reach[row.id] then
      local before = false
      for _, i in ipairs(n.inputs) do before = before or reach[i] end
      r.gr, r.stop, trains = true, not before or nil, true
    end
    rows[#rows + 1] = r
  end
  return {
    model = safe(g.class), at = within and safe(within.path) or nil, inputs = g.inputs, ops = g.ops, params = g.params,
    frozen = g.frozen_params, macs = g.macs, error = g.error and safe((g.error:gsub("^%S-:%d+: ", ""))) or nil,
    rows = rows, groups = groups, tensors = tensors, never = never_run(t, within), trains = trains,
  }
end

return facts
