local core = require "suture.core"
local Dataset = require "suture.data.dataset"
local fault = require "suture.base.fault"
local found = require "suture.vis.common.found"
local glob = require "suture.base.glob"
local looked = require "suture.vis.common.looked"
local moves = require "suture.vis.common.moves"
local options = require "suture.base.options"
local place = require "suture.vis.common.place"
local text = require "suture.base.text"
local trace = require("suture.model.trace").trace

local read = options.named("stats", "layers:str=* batch:count=nil most:count=nil")

local MEMORY = 1 << 30 -- bytes of what all layers give

-- Where an activation no longer moves: the ends of what it can give.
local ends = {
  relu = function(v) return 1 - v:sign() end, -- no number is below 0
  sigmoid = function(v) return v:lt(0.01) + v:gt(0.99) end,
  tanh = function(v) return v:abs():gt(0.98) end,
  clamp = function(v, a)
    local at = v:le(a.min)
    return a.max < math.huge and at + v:ge(a.max) or at
  end,
}
local by_class = {
  Hardsigmoid = function(v) return v:le(0) + v:ge(1) end,
  Hardswish = function(v) return v:eq(0) end,
}

-- Whether all that a module without parts did was to move numbers.
local function only_moves(node, path)
  while moves[node.op] and node.path == path and node.inputs[1] do node = node.inputs[1] end
  return not node.op or node.path ~= path
end

-- The operations that are told of, in order: what modules without parts gave, and what computes outside of them.
local function layers_of(t, match)
  local by_value, inside, out = {}, {}, {}
  for _, c in ipairs(found.leaves(t)) do
    local value = c.outputs[1]
    if value and c.depth > 0 then -- what a Dropout in eval hands on is its giver's
      by_value[value], inside[c.path] = by_value[value] or c, true
    end
  end
  for _, node in ipairs(t.nodes) do
    local c = by_value[node.value]
    if c and node.path ~= c.path then c = nil end
    local name = c and c.path or found.label(node)
    local told = c and not only_moves(node, c.path) or not c and not inside[node.path] and not moves[node.op]
    if node.op and node.dtype == "float32" and told and match(name) then
      local class = c and getmetatable(c.module).__name
      out[#out + 1] = {node = node, path = name, kind = class or found.name(node),
        ends = class and by_class[class] or ends[node.op]}
    end
  end
  local times, seen = {}, {}
  for _, l in ipairs(out) do times[l.path] = (times[l.path] or 0) + 1 end
  for _, l in ipairs(out) do
    seen[l.path] = (seen[l.path] or 0) + 1
    if times[l.path] > 1 then l.run = seen[l.path] end
  end
  return out
end

-- What is computed of a layer's value, all at once with the others.
local function measured(t, l)
  local v, p = l.node.value, place.of(t, l.node)
  local rank, dims = #v.shape, {}
  for d = 0, rank - 1 do if d ~= p.unit then dims[#dims + 1] = d end end
  return {
    low = #dims > 0 and v:amin(dims) or v, high = #dims > 0 and v:amax(dims) or v, mean = v:mean(),
    square = v:var(nil, {unbiased = false}), saturated = l.ends and l.ends(v, l.node.attrs):to("float32"):mean() or nil,
  }
end

-- Adds the numbers of one batch to a row; n: how many numbers it had.
local function add(row, m, n)
  local function list(x) return #x.shape == 0 and {x:item()} or x:reshape(-1):tolist() end
  local low, high = list(m.low), list(m.high)
  row.lows, row.highs = row.lows or low, row.highs or high
  for i = 1, #low do
    local l, h = low[i], high[i] -- one that is no number stays
    if l ~= l or l < row.lows[i] then row.lows[i] = l end
    if h ~= h or h > row.highs[i] then row.highs[i] = h end
  end
  local mean, square = m.mean:item(), m.square:item()
  local before = row.numbers
  local all, away = before + n, mean - row.mean
  row.square = row.square + square * n + away * away * before * n / all
  row.mean, row.numbers = row.mean + away * n / all, all
  if m.saturated then row.saturated = ((row.saturated or 0) * before + m.saturated:item() * n) / all end
end

local function finished(row)
  row.sd, row.square = math.sqrt(row.square / row.numbers), nil
  row.min, row.max = math.huge, -math.huge
  local dead = {}
  for i, low in ipairs(row.lows) do
    local high = row.highs[i]
    if low ~= low or high ~= high then row.min, row.max = 0 / 0, 0 / 0 end
    row.min, row.max = math.min(row.min, low), math.max(row.max, high)
    if low == row.highs[i] then dead[#dead + 1] = i - 1 end
  end
  row.units = #row.lows
  if row.numbers > row.units then row.dead, row.dead_units = #dead, dead end -- else each gave but one number
  row.lows, row.highs = nil, nil
end

local Stats = {__name = "stats"}
Stats.__index = Stats

local function short(v)
  if v ~= v then return "nan" end
  if v == 0 then return "0" end
  local size = math.abs(v)
  local form = size >= 100 and "%.0f" or size >= 10 and "%.1f" or "%.3f"
  return ((size >= 1e5 or size < 1e-3) and "%.1e" or form):format(v)
end

function Stats.__tostring(r)
  local rows, dead, units = {}, 0, 0
  for i, row in ipairs(r.rows) do
    rows[i] = {
      row.path .. (row.run and (" #%d"):format(row.run) or ""), row.kind, text.shape(row.shape), tostring(row.units),
      row.dead and (row.dead > 0 and tostring(row.dead) or "0") or "-",
      row.saturated and (row.saturated ~= row.saturated and "nan" or ("%.1f %%"):format(100 * row.saturated)) or "",
      short(row.min), short(row.mean), short(row.max),
      short(row.sd),
    }
    if row.dead then dead, units = dead + row.dead, units + row.units end
  end
  local right = "right"
  local columns = {
    {title = "layer", cut = "left"}, {title = "operation"}, {title = "output"}, {title = "units", align = right},
    {title = "dead", align = right}, {title = "saturated", align = right}, {title = "min", align = right},
    {title = "mean", align = right}, {title = "max", align = right}, {title = "sd", align = right},
  }
  local lines, w = text.table(rows, columns)
  local function total()
    local sum = 0
    for _, x in ipairs(w) do sum = sum + (x > 0 and x + 2 or 0) end
    return sum - 2
  end
  local room = text.width()
  for _, c in ipairs {3, 2, 4, 10, 8} do -- what a narrow terminal does without
    if total() <= room then break end
    for _, row in ipairs(rows) do row[c] = "" end
    lines, w = text.table(rows, columns)
  end
  if total() > room then
    columns[1].max = math.max(12, w[1] - (total() - room))
    lines = text.table(rows, columns)
  end
  lines[#lines + 1] = ("%s of %s, %d of %s dead (the same number everywhere)"):format(
    text.plural(#r.rows, "layer"), text.plural(r.samples, "sample"), dead, text.plural(units, "unit"))
  return text.safe(text.plain(table.concat(lines, "\n")))
end

function Stats.__len(r) return #r.rows end

-- How many samples go through m at once: every layer's numbers are there at the same time.
local function batch_size(m, sample)
  local t, bytes = looked.still(trace, m, sample), 0
  for _, node in ipairs(t.nodes) do if node.op then bytes = bytes + 4 * node.value:numel() end end
  return math.max(1, math.min(32, MEMORY // math.max(1, bytes)))
end

-- Batches of pictures: of a data set, or the pictures that were given.
local function batches_of(m, x, o)
  if Dataset.is(x) then
    if #x == 0 then fault "stats: the dataset is empty" end
    if o.most and o.most < #x then x = x:take(o.most) end
    return x:batches(o.batch or batch_size(m, (x:batch {0})), {augment = false})
  end
  if x == nil or type(x) == "number" or type(x) == "boolean" then
    fault("stats: expects a data set or pictures to run the model with, got %s", options.show(x))
  end
  local given, at = looked.input("stats", m, x), 0
  local n = math.min(o.most or math.huge, given.shape[1])
  local most = o.batch or batch_size(m, given:narrow(0, 0, 1))
  return function()
    if at >= n then return nil end
    local size = math.min(most, n - at)
    at = at + size
    return given:narrow(0, math.tointeger(at - size), math.tointeger(size))
  end
end

--- vis.stats(m, ds[, {layers = "*", batch =, most =}]): what goes on in each layer, as a table: dead units (that
-- give the same number everywhere, as a ReLU that is never above 0), how much of an activation is saturated (a ReLU: at
-- 0; sigmoid, tanh, clamped ones: within 1 % of their ends), the least and the greatest number, mean and standard
-- deviation. ds: a data set, or pictures, as ?vis.gradcam takes them. layers: a pattern of paths; most: how many
-- samples at most; batch: how many at once (default: at most 32, fewer where a gigabyte does not hold what all layers
-- give). m runs as in eval mode, frozen or not, and nothing of it changes. Returns a result that prints
-- itself: .rows, each {path, run (of several), kind, shape, units, dead, dead_units (from 0), saturated (0 to 1), min,
-- max, mean, sd}, .samples. dead is nil where each unit gave but one number.
-- Examples: vis.stats(m, data.shapes{n = 4, transform = m})     vis.stats(m, x, {layers = "*relu*"}).rows[1].dead_units
local function stats(m, ds, opts, ...)
  if select("#", ...) > 0 then fault "stats: expects a model, a data set and options, got more" end
  local o = read(opts)
  if not require("suture.nn.module").is_module(m) then
    fault("stats: expects a model first, got %s", options.show(m))
  end
  local match, rows, samples = glob(o.layers, "stats"), nil, 0
  for x in batches_of(m, ds, o) do
    local t = looked.still(trace, m, x)
    local layers, measures, wanted = layers_of(t, match), {}, {}
    if #layers == 0 then fault("stats: no layer is called '%s' (m:graph() shows what runs)", o.layers) end
    if rows and #rows ~= #layers then fault "stats: this model runs another graph for every batch" end
    for i, l in ipairs(layers) do
      measures[i] = measured(t, l)
      for _, v in pairs(measures[i]) do wanted[#wanted + 1] = v end
    end
    core.graph.eval(wanted)
    rows = rows or {}
    for i, l in ipairs(layers) do
      local shape = {table.unpack(l.node.shape, 2)}
      rows[i] = rows[i] or {path = l.path, run = l.run, kind = l.kind, shape = shape, numbers = 0, mean = 0.0,
        square = 0.0}
      add(rows[i], measures[i], l.node.value:numel())
    end
    samples = samples + x.shape[1]
  end
  for _, row in ipairs(rows) do finished(row) end
  return setmetatable({rows = rows, samples = samples}, Stats)
end

return stats
