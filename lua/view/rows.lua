--- Rows of a graph: one per operation that runs, or per module call at some depth; each knows what it uses.
local pcall = require("suture.base.interrupt").pcall
local raw = require("suture.core").tensor
local text = require "suture.base.text"
local words = require "suture.model.words"

local rows = {}

local default_of = {
  softmax = {dim = -1}, log_softmax = {dim = -1},
}

-- "flatten" and the like: what the graph's few shape ops were asked for.
local function op_name(n, t)
  local x = t.by[n.inputs[1] or 0]
  if n.op == "cast" then return ({[0] = "detach", "long", "bool", "float", "clone"})[n.attrs.to] end
  if n.op ~= "reshape" or not x then return n.op end
  local from, to = x.shape, n.shape
  if #to < #from then
    local i = 1
    while i <= #to and from[i] == to[i] do i = i + 1 end
    if i == #to or (i > #to and #to > 0) then return "flatten" end
  end
  return "reshape"
end
rows.op_name = op_name

local hidden = {reshape = true, flatten = true, expand = true, detach = true, long = true,
  bool = true, float = true, clone = true}

-- Attributes that say something, in words: "1×1", "dim=1".
local function attributes(n, name)
  if hidden[name] then return "" end
  local defaults = default_of[n.op] or {}
  local keys = {}
  for k in pairs(n.attrs) do keys[#keys + 1] = k end
  table.sort(keys)
  local out = {}
  for _, k in ipairs(keys) do
    local v = n.attrs[k]
    if type(v) == "table" then
      local parts = {}
      for i, x in ipairs(v) do parts[i] = ("%g"):format(x) end
      if #parts > 0 then out[#out + 1] = ("%s %s"):format(k, table.concat(parts, ",")) end
    elseif v ~= defaults[k] and v ~= 0 then
      out[#out + 1] = ("%s %g"):format(k, v)
    end
  end
  return table.concat(out, ", ")
end

local function ordinal(n)
  local ending = (n % 100 >= 11 and n % 100 <= 13) and "th" or ({"st", "nd", "rd"})[n % 10] or "th"
  return n .. ending
end
rows.ordinal = ordinal

local function is_leaf_module(m) return getmetatable(m)._builtin and #rawget(m, "_names") == 0 end

-- The call whose row a node belongs to (nil: a row of its own), for full rows or rows at a depth.
local function unit_of(call, depth)
  if not call then return nil end
  if not depth then return is_leaf_module(call.module) and call or nil end
  local at = call
  local chain = {}
  while at do
    table.insert(chain, 1, at)
    at = at.parent
  end
  if depth == 0 then return chain[1] end
  local unit = chain[depth + 1] -- chain[1] is the root
  if not unit and is_leaf_module(call.module) and call.depth > 0 then unit = call end
  return unit
end

local function kind_of_bn(m)
  if not m._is_batchnorm then return nil end
  if rawget(m, "_frozen") or rawget(m, "_bn_eval") or not m.training then return "eval" end
end

-- What hooks compute is in their module's row, which says so.
local function hooked(m)
  local hooks = words.hooks(m)
  return hooks and text.sign "sep" .. hooks or ""
end

local function all_frozen(m)
  if rawget(m, "_frozen") then return true end
  return false
end

--- rows.of(t[, {depth=, under=}]): t is what view.trace gave. under: only what runs inside the module of that path.
-- A row: {id, inputs (ids), nodes, call, module, path, label, functional, shape, params, frozen_params, macs, frozen,
-- bn_eval, nth, note}. The first rows are the inputs (input = true).
function rows.of(t, opts)
  opts = opts or {}
  local depth, within = opts.depth, opts.within
  local list, row_of, times = {}, {}, {}
  local lo, hi = 0, math.huge
  if within then lo, hi = within.first, within.last end

  local function add(row)
    row.id = #list + 1
    list[row.id] = row
    return row
  end
  local function input_row(order, label, path)
    local n = t.by[order]
    local row = add {
      input = true, inputs = {}, nodes = {n}, path = path or "input", label = label or "", shape = n and n.shape,
      params = 0, frozen_params = 0, macs = 0,
    }
    row_of[order] = row
    return row
  end
  if not within then
    for i, order in ipairs(t.inputs) do input_row(order, "", #t.inputs > 1 and "input " .. i - 1 or "input") end
  end

  local counted = {} -- parameters whose numbers are in some row
  local by_call = {}
  for _, n in ipairs(t.nodes) do
    if n.op and n.order >= lo and n.order <= hi then
      local call = t.owner[n.order]
      local unit = unit_of(call, depth)
      if within and unit and unit.depth <= within.depth and unit ~= within then unit = nil end
      if within and unit == within and depth then unit = nil end
      local row = unit and by_call[unit]
      if not row then
        if unit then
          local m = unit.module
          row = {
            call = unit, module = m, path = unit.path, label = words.brief(m) .. hooked(m), inputs = {}, nodes = {},
            frozen = all_frozen(m), bn_eval = kind_of_bn(m) == "eval", nth = unit.nth, leaf = is_leaf_module(m),
          }
        else
          local name = op_name(n, t)
          local extra = attributes(n, name)
          row = {
            functional = true, op = name, path = call and call.path or "",
            label = extra ~= "" and ("%s(%s)"):format(name, extra) or name, inputs = {}, nodes = {},
            frozen = call and all_frozen(call.module) or false, call = call, nth = call and call.nth or 1,
          }
        end
        row.params, row.frozen_params, row.macs, row.tensors = 0, 0, 0, {}
        -- Values from outside the part that is drawn get rows of their own first.
        if within then
          for _, i in ipairs(n.inputs) do
            local x = i and t.by[i]
            if x and (x.op or x.order == t.inputs[1]) and not row_of[i] and x.order < lo then
              local from = t.owner[i]
              input_row(i, from and from.path ~= "" and "from " .. from.path or "", "input")
            end
          end
        end
        row = add(row)
        if unit then by_call[unit] = row end
      end
      row.nodes[#row.nodes + 1] = n
      row_of[n.order] = row
      row.macs = row.macs + n.macs
      row.shape = n.shape
      local seen = {}
      for _, id in ipairs(row.inputs) do seen[id] = true end
      for _, i in ipairs(n.inputs) do
        local x = i and t.by[i]
        if x then
          local from = row_of[i]
          if from then
            if from ~= row and not seen[from.id] then
              row.inputs[#row.inputs + 1] = from.id
              seen[from.id] = true
            end
          elseif x.tensor then
            local known = t.names[x.tensor]
            if known then
              row.tensors[#row.tensors + 1] = known.name
              if known.parameter and not counted[x.tensor] then
                counted[x.tensor] = true
                row.params = row.params + x.numel
                if not x.requires_grad and not raw.requires_grad(x.tensor) then
                  row.frozen_params = row.frozen_params + x.numel
                end
              end
            elseif #x.shape == 0 and row.functional then
              local ok, v = pcall(raw.item, x.tensor)
              if ok then
                row.label = ("%s %s"):format(row.label, type(v) == "number" and ("%g"):format(v) or tostring(v))
              end
            end
          end
        end
      end
    end
  end

  -- Which call of a module: shown where there are several.
  for _, row in ipairs(list) do
    if row.module then
      times[row.module] = (times[row.module] or 0) + 1
      row.nth = times[row.module]
    end
  end
  local outputs = {}
  for _, order in ipairs(within and within.outputs or t.outputs) do
    if row_of[order] then
      outputs[row_of[order].id] = true
      if row_of[order].call == nil or true then row_of[order].shape = t.by[order].shape end
    end
  end
  return list, outputs, times
end

return rows
