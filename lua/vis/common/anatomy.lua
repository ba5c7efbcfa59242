--- One number taken apart: what a rule of lua/vis/explain says of an operation (a field), at one index.
-- A field's family is "window" (a patch of each channel, with a kernel or not), "dot" (two rows multiplied) or "chain"
-- (a few numbers, one after the other). What comes out is the same for all:
--   bands    {label, cells, sum, names}: cells are signs (strings) and matrices {title, rows (lists of numbers, false:
--            padding), mark ({row, column})}; names: of the rows
--   others   {count, one, sum}: what stands in no band
--   extras   {label, value}: what is added at the end
--   terms    every summand; value: their sum
local place = require "suture.vis.common.place"
local window = require "suture.vis.common.window"

local anatomy = {}

local function sum(list)
  local s = 0.0
  for _, v in ipairs(list) do s = s + v end
  return s
end

-- The places of the n numbers of a list that are greatest without their signs, in the list's order.
local function strongest(list, n)
  local order = {}
  for i = 1, #list do order[i] = i end
  local function size(i) return list[i] ~= list[i] and math.huge or math.abs(list[i]) end
  table.sort(order, function(a, b)
    local x, y = size(a), size(b)
    return x > y or x == y and a < b
  end)
  local out = {table.unpack(order, 1, math.min(n, #order))}
  table.sort(out)
  return out
end

-- The numbers of a row as rows of w, those in front (extra) in a row of their own.
local function grid_rows(list, g)
  local rows, at = {}, 0
  if g.extra > 0 then
    rows[1] = {table.unpack(list, 1, g.extra)}
    at = g.extra
  end
  for _ = 1, g.h do
    rows[#rows + 1] = {table.unpack(list, at + 1, at + g.w)}
    at = at + g.w
  end
  return rows
end

local function products(a, b)
  local out = {}
  for r, row in ipairs(a) do
    out[r] = {}
    for c, v in ipairs(row) do out[r][c] = (v or 0.0) * b[r][c] end
  end
  return out
end

local function flat(rows, into)
  for _, row in ipairs(rows) do for _, v in ipairs(row) do into[#into + 1] = v end end
  return into
end

-- ---- windows ----

local function convolved(f, i, j, most)
  local rows, cols = f.rows[i + 1], f.cols[j + 1]
  local out, sums, all = {terms = {}, extras = {}}, {}, {}
  local kernel = f.kernel:tolist()
  for c = 0, f.x.shape[1] - 1 do
    local patch = window.matrix(f.x[c], rows, cols)
    local product = products(patch, kernel[c + 1])
    sums[c + 1], all[c + 1] = sum(flat(product, {})), {patch, product}
    flat(product, out.terms)
  end
  out.bands = {}
  for _, c in ipairs(strongest(sums, most)) do
    out.bands[#out.bands + 1] = {label = f.name(c - 1), channel = c - 1, sum = sums[c], cells = {
      {title = "patch", rows = all[c][1]}, "×", {title = "kernel", rows = kernel[c]}, "=",
      {title = "products", rows = all[c][2]},
    }}
  end
  if #out.bands < #sums then
    out.others = {count = #sums - #out.bands, one = f.one, sum = 0.0}
    local shown = {}
    for _, c in ipairs(strongest(sums, most)) do shown[c] = true end
    for c, s in ipairs(sums) do if not shown[c] then out.others.sum = out.others.sum + s end end
  end
  if f.bias then
    out.extras[1] = {label = "bias", value = f.bias}
    out.terms[#out.terms + 1] = f.bias
  end
  return out
end

local function pooled(f, i, j)
  local rows, cols = f.rows[i + 1], f.cols[j + 1]
  local patch, terms = window.matrix(f.x[0], rows, cols), {}
  local seen = {title = "window", rows = patch}
  local cells = {seen}
  if f.how == "max" then
    local best
    for r, row in ipairs(patch) do
      for c, v in ipairs(row) do
        if v and (not best or v > patch[best[1]][best[2]] or v ~= v) then best = {r, c} end
      end
    end
    seen.mark = best
    for r, row in ipairs(patch) do
      for c in ipairs(row) do
        terms[#terms + 1] = best and r == best[1] and c == best[2] and patch[r][c] or 0.0
      end
    end
    cells[2], cells[3] = "greatest", {title = "in row " .. best[1] - 1 .. ", column " .. best[2] - 1,
      rows = {{patch[best[1]][best[2]]}}}
  else
    local n = f.divisor(rows, cols)
    for _, v in ipairs(flat(patch, {})) do terms[#terms + 1] = (v or 0.0) / n end
    cells[2], cells[3] = "÷", {title = "how many", rows = {{n}}}
  end
  return {bands = {{label = f.name(0), cells = cells, sum = sum(terms)}}, terms = terms, extras = {}}
end

function anatomy.window(f, index, most)
  local i, j = index[f.places[1]], index[f.places[2]]
  if f.how == "conv" then return convolved(f, i, j, most) end
  return pooled(f, i, j)
end

-- ---- rows multiplied ----

function anatomy.dot(f, index, most)
  local at, out = f.at(index), {bands = {}, extras = {}, terms = {}}
  local v, w, layout = at.v, at.w, f.layout or {}
  for i = 1, #v do out.terms[i] = v[i] * w[i] end
  if layout.blocks then
    local h, wide = layout.blocks[2], layout.blocks[3]
    local g, sums = {extra = 0, h = h, w = wide}, {}
    local function block(list, c) return {table.unpack(list, (c - 1) * h * wide + 1, c * h * wide)} end
    for c = 1, layout.blocks[1] do sums[c] = sum(block(out.terms, c)) end
    local shown = {}
    for _, c in ipairs(strongest(sums, most)) do
      shown[c] = true
      out.bands[#out.bands + 1] = {label = ("channel %d"):format(c - 1), sum = sums[c], cells = {
        {title = "map", rows = grid_rows(block(v, c), g)}, "×", {title = "weights", rows = grid_rows(block(w, c), g)},
        "=", {title = "products", rows = grid_rows(block(out.terms, c), g)},
      }}
    end
    if #out.bands < #sums then
      out.others = {count = #sums - #out.bands, one = "channel", sum = 0.0}
      for c, s in ipairs(sums) do if not shown[c] then out.others.sum = out.others.sum + s end end
    end
  elseif layout.grid then
    local g = layout.grid
    local cells = {{title = f.titles[2], rows = grid_rows(w, g)}, "×", {title = f.titles[1], rows = grid_rows(v, g)},
      "=", {title = "products", rows = grid_rows(out.terms, g)}}
    if at.before then
      table.insert(cells, 1, {title = at.before_title, rows = grid_rows(at.before, g)})
      table.insert(cells, 2, "softmax")
    end
    out.bands[1] = {label = ("%d %ss"):format(#v, f.one), cells = cells, sum = sum(out.terms)}
  else
    local names, columns, told = {}, {{}, {}, {}, {}}, 0.0
    local shown = {}
    for _, i in ipairs(strongest(out.terms, math.max(8, most))) do
      names[#names + 1] = ("%s %d"):format(f.one, i - 1)
      local row = {at.before and at.before[i] or false, v[i], w[i], out.terms[i]}
      for k = 1, 4 do columns[k][#names] = {row[k]} end
      told, shown[i] = told + out.terms[i], true
    end
    local cells = {{title = f.titles[1], rows = columns[2]}, "×", {title = f.titles[2], rows = columns[3]}, "=",
      {title = "products", rows = columns[4]}}
    if at.before then table.insert(cells, 1, {title = at.before_title, rows = columns[1]}) end
    if at.before then table.insert(cells, 2, "·") end
    local label = #names == 1 and names[1] or ("these %d %ss"):format(#names, f.one)
    out.bands[1] = {label = label, names = names, sum = told, cells = cells}
    if #names < #v then
      out.others = {count = #v - #names, one = f.one, sum = 0.0}
      for i, t in ipairs(out.terms) do if not shown[i] then out.others.sum = out.others.sum + t end end
    end
  end
  if at.bias then
    out.extras[1] = {label = "bias", value = at.bias}
    out.terms[#out.terms + 1] = at.bias
  end
  return out
end

-- ---- chains ----

local apply = {
  ["−"] = function(a, b) return a - b end, ["×"] = function(a, b) return a * b end,
  ["÷"] = function(a, b) return a / b end, ["^"] = function(a, b) return a ^ b end,
  ["+"] = function(a, b) return a + b end, ["max"] = math.max, ["min"] = math.min,
}
for sign, f in pairs {
  ["="] = function(a, b) return a == b end, ["≠"] = function(a, b) return a ~= b end,
  ["<"] = function(a, b) return a < b end, ["≤"] = function(a, b) return a <= b end,
  [">"] = function(a, b) return a > b end, ["≥"] = function(a, b) return a >= b end,
} do
  apply[sign] = function(a, b) return f(a, b) and 1.0 or 0.0 end
end

--- anatomy.step(step, index): the number of a chain's step; nil where it is a function.
function anatomy.step(step, index)
  local v = step.v
  if step.f then return nil end
  if type(v) == "function" then return v(index) end
  return type(v) == "number" and v or place.read(v, index)
end

--- anatomy.apply(step, so_far, v): what a step makes of the number so far.
function anatomy.apply(step, so_far, v)
  if step.f then return step.f(so_far) end
  if not step.sign or so_far == nil then return step.sign == "−" and -v or v end
  return apply[step.sign](so_far, v)
end

-- What stands around the number, as a band that adds nothing: a row with its own place, or a column of names.
local function around(f, index)
  local a = f.around and f.around(index)
  if not a then return nil end
  if a.column then
    local rows = {}
    for i, v in ipairs(a.column) do rows[i] = {v} end
    return {label = a.title, names = a.names, cells = {{title = a.heading, rows = rows}}, aside = true}
  end
  local names, rows, second = {}, {}, {}
  local list = strongest(a.second or a.row, 6)
  local has = false
  for _, i in ipairs(list) do has = has or i == a.own + 1 end
  if not has then
    list[#list + 1] = a.own + 1
    table.sort(list)
  end
  local mark
  for k, i in ipairs(list) do
    names[k], rows[k] = tostring(i - 1), {a.row[i]}
    second[k] = a.second and {a.second[i]}
    if i == a.own + 1 then mark = {k, 1} end
  end
  local cells = {{title = "x", rows = rows, mark = mark}}
  if a.second then cells[2], cells[3] = "→", {title = "e^", rows = second, mark = mark} end
  return {label = ("%s (%d of %d)"):format(a.title, #list, #a.row), names = names, cells = cells, aside = true}
end

function anatomy.chain(f, index)
  local out = {bands = {}, extras = {}, terms = {}}
  out.bands[1] = around(f, index)
  for _, summand in ipairs(f.summands) do
    local cells, value = {}, nil
    for k, step in ipairs(summand.steps) do
      local v = anatomy.step(step, index)
      value = anatomy.apply(step, value, v)
      if step.sign and not (k == 1) then cells[#cells + 1] = step.sign end
      cells[#cells + 1] = {title = step.title, rows = {{v or value}}}
    end
    local steps = summand.steps
    if #steps > 1 and not steps[#steps].f then
      cells[#cells + 1] = "="
      cells[#cells + 1] = {title = "", rows = {{value}}}
    end
    if #steps == 1 then out.extras[#out.extras + 1] = {label = summand.label, value = value}
    else out.bands[#out.bands + 1] = {label = summand.label, cells = cells, sum = value} end
    out.terms[#out.terms + 1] = value
  end
  return out
end

--- anatomy.of(field, index, most): the anatomy at an index; most: how many channels are spelled out.
function anatomy.of(f, index, most) return anatomy[f.family](f, index, most) end

--- anatomy.summands(a): what is added up at the end, in order: {label, value} each.
function anatomy.summands(a)
  local out = {}
  for _, band in ipairs(a.bands) do
    if not band.aside then out[#out + 1] = {label = band.label, value = band.sum} end
  end
  if a.others then
    local o = a.others
    out[#out + 1] = {label = ("%d other %s%s"):format(o.count, o.one, o.count == 1 and "" or "s"), value = o.sum}
  end
  for _, e in ipairs(a.extras) do out[#out + 1] = e end
  return out
end

--- anatomy.decimals(list): how many decimals the numbers that are added are shown with: about seven digits of the
-- greatest.
function anatomy.decimals(list)
  local most = 0
  for _, s in ipairs(list) do if s.value == s.value and math.abs(s.value) < math.huge then
    most = math.max(most, math.abs(s.value))
  end end
  return most == 0 and 6 or math.max(0, math.min(12, 6 - math.floor(math.log(most, 10))))
end

return anatomy
