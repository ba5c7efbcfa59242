--- Charts: axes with round numbers and what is drawn between them, on a canvas.
local canvas = require "suture.base.canvas"
local colours = require "suture.vis.common.colours"

local chart = {}

local GRID, BLACK, WHITE = 0xffdddddd, 0xff202020, 0xffffffff
local LEFT, RIGHT, TOP, BOTTOM = 56, 14, 26, 42

-- Round numbers from low to high, about n of them: steps of 1, 2 or 5 times a power of ten.
local function ticks(low, high, n)
  local rough = (high - low) / n
  local power = 10 ^ math.floor(math.log(rough, 10))
  local step = power
  for _, f in ipairs {2, 5, 10} do if step < rough then step = power * f end end
  local out = {}
  for i = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do out[#out + 1] = i * step end
  return out
end

local function finite(v) return v == v and v - v == 0 end

-- The least and the greatest of the finite numbers that lists of points {x, y} have at place k.
local function range(lists, k)
  local low, high = math.huge, -math.huge
  for _, list in ipairs(lists) do
    for _, p in ipairs(list) do
      if finite(p[k]) then low, high = math.min(low, p[k]), math.max(high, p[k]) end
    end
  end
  if low > high then return 0, 1 end
  if low == high then
    local pad = low == 0 and 1 or math.abs(low) / 10
    return low - pad, high + pad
  end
  return low, high
end

-- Axes over these ranges. Returns the canvas and x → points, y → points. o: title, x, y (labels), width, height,
-- decades (x are powers of ten).
local function axes(o, x0, x1, y0, y1, xticks)
  local w, h = o.width or 480, o.height or 300
  local page = canvas(w, h)
  local function px(x) return LEFT + (x - x0) / (x1 - x0) * (w - LEFT - RIGHT) end
  local function py(y) return h - BOTTOM - (y - y0) / (y1 - y0) * (h - TOP - BOTTOM) end
  for _, t in ipairs(ticks(y0, y1, 5)) do
    page:line({LEFT, py(t), w - RIGHT, py(t)}, 0.7, GRID)
    page:text(("%.4g"):format(t), LEFT - 6, py(t) + 4, {at = 1})
  end
  for _, t in ipairs(xticks or ticks(x0, x1, 6)) do
    if not xticks then page:line({px(t), TOP, px(t), h - BOTTOM}, 0.7, GRID) end
    local at = o.decades and t == math.floor(t) and ("1e%d"):format(t) or o.decades and "" or ("%.4g"):format(t)
    page:text(at, px(t), h - BOTTOM + 14, {at = 0.5})
  end
  page:line({LEFT, TOP, LEFT, h - BOTTOM, w - RIGHT, h - BOTTOM}, 1, BLACK)
  if o.title then page:text(o.title, w / 2, 16, {size = 13, at = 0.5}) end
  if o.x then page:text(o.x, (LEFT + w - RIGHT) / 2, h - 8, {at = 0.5}) end
  if o.y then page:text(o.y, 14, (TOP + h - BOTTOM) / 2, {at = 0.5, turn = 1}) end
  return page, px, py
end

-- The names of what is drawn, at the top right.
local function key(page, names)
  local x, most = page.width - RIGHT - 8, 0
  for _, name in ipairs(names) do most = math.max(most, utf8.len(name) or #name) end
  x = x - most * 6.5 - 18
  if #names > 0 then page:rect(x - 4, TOP + 2, most * 6.5 + 24, #names * 15 + 4, 0xd0ffffff) end
  for i, name in ipairs(names) do
    local y = TOP + i * 15 - 5
    page:rect(x, y, 12, 4, colours.cycle[(i - 1) % #colours.cycle + 1])
    page:text(name, x + 17, y + 6)
  end
end

-- The names of series, and from where to where their points go.
local function extent(series)
  local lists, names = {}, {}
  for i, s in ipairs(series) do lists[i], names[#names + 1] = s.points, s.name end
  local x0, x1 = range(lists, 1)
  return names, x0, x1, range(lists, 2)
end

--- chart.curves(series, o): lines through points. series: a list of {name =, points = {{x, y}, …}}. o: title, x, y (the
-- axes' labels), width (480), height (300), decades (x are logarithms to ten). Numbers that are not finite leave a gap.
function chart.curves(series, o)
  local names, x0, x1, y0, y1 = extent(series)
  local page, px, py = axes(o, x0, x1, y0 - (y1 - y0) * 0.04, y1 + (y1 - y0) * 0.04)
  for i, s in ipairs(series) do
    local colour, run = colours.cycle[(i - 1) % #colours.cycle + 1], {}
    local function ends()
      if #run == 2 then page:circle(run[1], run[2], 2, colour) elseif #run > 2 then page:line(run, 1.8, colour) end
      run = {}
    end
    for _, p in ipairs(s.points) do
      if finite(p[1]) and finite(p[2]) then run[#run + 1], run[#run + 2] = px(p[1]), py(p[2]) else ends() end
    end
    ends()
  end
  key(page, names)
  return page
end

--- chart.scatter(groups, o): points, a colour for each group. groups and o: as series of chart.curves.
function chart.scatter(groups, o)
  local names, x0, x1, y0, y1 = extent(groups)
  local mx, my = (x1 - x0) * 0.04, (y1 - y0) * 0.04
  local page, px, py = axes(o, x0 - mx, x1 + mx, y0 - my, y1 + my)
  for i, s in ipairs(groups) do
    local colour = colours.cycle[(i - 1) % #colours.cycle + 1] & 0xffffff | 0xb0000000
    for _, p in ipairs(s.points) do
      if finite(p[1]) and finite(p[2]) then page:circle(px(p[1]), py(p[2]), 2.5, colour) end
    end
  end
  key(page, names)
  return page
end

--- chart.bars(heights, o): a bar for each number, from 0. o: title, x, y, width, height, labels (a list, under the
-- bars), from and to (what the x axis says in place of the bars' numbers: a histogram's range).
function chart.bars(heights, o)
  local points = {{0, 0}}
  for i, v in ipairs(heights) do points[i + 1] = {i, v} end
  local y0, y1 = range({points}, 2)
  local page, _, py = axes(o, o.from or 0, o.to or #heights, y0, y1 + (y1 - y0) * 0.04, o.labels and {} or nil)
  local each = (page.width - LEFT - RIGHT) / #heights
  for i, v in ipairs(heights) do
    if finite(v) then
      local x, top, bottom = LEFT + (i - 1) * each, py(math.max(v, 0)), py(math.min(v, 0))
      page:rect(x + each * 0.06, top, each * 0.88, bottom - top, colours.cycle[1])
    end
    if o.labels then page:text(o.labels[i] or "", LEFT + (i - 0.5) * each, page.height - BOTTOM + 14, {at = 0.5}) end
  end
  return page
end

--- chart.reliability(bins, o): how often a model is right where it is this sure (DeGroot and Fienberg 1983): a bar for
-- each part of 0 … 1, what is missing to its mean confidence or is over in red, the diagonal dashed. bins: a list of
-- {n, right, sure (the sum of confidences)}; o: title, width, height.
function chart.reliability(bins, o)
  local page, px, py = axes({title = o.title, x = "confidence", y = "share that is right", width = o.width,
    height = o.height}, 0, 1, 0, 1)
  local each = (page.width - LEFT - RIGHT) / #bins
  for i, b in ipairs(bins) do
    if b.n > 0 then
      local right, sure, x = b.right / b.n, b.sure / b.n, LEFT + (i - 1) * each
      page:rect(x + 1, py(right), each - 2, py(0) - py(right), colours.cycle[1])
      local low, high = math.min(right, sure), math.max(right, sure)
      page:rect(x + 1, py(high), each - 2, py(low) - py(high), 0x80d55e00)
    end
  end
  for i = 0, 19 do
    local a, b = i / 20, (i + 0.5) / 20
    page:line({px(a), py(a), px(b), py(b)}, 1.2, BLACK)
  end
  return page
end

--- chart.matrix(rows, o): numbers in coloured cells, as a confusion matrix is drawn. rows: a list of lists; o: title,
-- x, y (labels), row_names, column_names.
function chart.matrix(rows, o)
  local n, m = #rows, #rows[1]
  local named = 0
  for _, name in ipairs(o.row_names or {}) do named = math.max(named, utf8.len(name) or #name) end
  local left, top, cell = math.max(40, named * 6.5 + 28), 40, math.max(22, math.min(48, 480 // math.max(n, m)))
  local page = canvas(left + m * cell + 14, top + n * cell + 30)
  local most = 0
  for _, row in ipairs(rows) do for _, v in ipairs(row) do most = math.max(most, v) end end
  for i, row in ipairs(rows) do
    local y = top + (i - 1) * cell
    page:text(o.row_names and o.row_names[i] or tostring(i - 1), left - 6, y + cell / 2 + 4, {at = 1})
    for k, v in ipairs(row) do
      local share = most > 0 and v / most or 0
      local x = left + (k - 1) * cell
      page:rect(x, y, cell - 1, cell - 1, colours.at("viridis", share))
      page:text(("%.4g"):format(v), x + cell / 2, y + cell / 2 + 4, {at = 0.5, colour = share > 0.6 and BLACK or WHITE})
    end
  end
  for k = 1, m do
    page:text(o.column_names and o.column_names[k] or tostring(k - 1), left + (k - 0.5) * cell, top - 6, {at = 0.5})
  end
  if o.title then page:text(o.title, page.width / 2, 14, {size = 13, at = 0.5}) end
  if o.x then page:text(o.x, left + m * cell / 2, page.height - 10, {at = 0.5}) end
  if o.y then page:text(o.y, 12, top + n * cell / 2, {at = 0.5, turn = 1}) end
  return page
end

return chart
