--- The graph as a still drawing: rows in order, skip lanes beside them, on a canvas; as SVG with letters that can be
-- found and copied, or by Cairo.
local canvas = require "suture.base.canvas"
local markup = require "suture.base.markup"
local lanes = require "suture.view.lanes"
local text = require "suture.base.text"

local drawing = {}

local ROW, LANE, LEFT, TOP, CHAR = 22, 18, 24, 58, 7.3
local colours = {0xff3b6ea5, 0xffb5651d, 0xff4f8a4f, 0xff8a4f8a, 0xffa53b3b, 0xff3b8a8a}
local INK, DIM, FAINT, STEP = 0xff202020, 0xff555555, 0xff777777, 8

-- Points of a curve that leaves (x1, y1) and reaches (x2, y2) upright, behind those of `to`.
local function bend(to, x1, y1, x2, y2)
  local middle = (y1 + y2) / 2
  for i = x1 == x2 and STEP or 0, STEP do
    local t = i / STEP
    local a, b, c, d = (1 - t) ^ 3, 3 * (1 - t) ^ 2 * t, 3 * (1 - t) * t ^ 2, t ^ 3
    to[#to + 1] = a * x1 + b * x1 + c * x2 + d * x2
    to[#to + 1] = a * y1 + b * middle + c * middle + d * y2
  end
end

-- Edges below nodes: straight down, or along the lane that is free of nodes and in at the end.
local function edges(page, g, row_of, lane_of)
  local function xy(id) return LEFT + (lane_of[id] - 1) * LANE, TOP + row_of[id] * ROW end
  for _, n in ipairs(g.drawn) do
    local x2, y2 = xy(n.id)
    for _, i in ipairs(n.inputs) do
      local x1, y1 = xy(i)
      local far = row_of[n.id] - row_of[i] > 1
      local lane = math.max(lane_of[i], lane_of[n.id])
      if far then
        local taken = {} -- lanes with nodes between the two
        for id = i + 1, n.id - 1 do
          if lane_of[id] then taken[lane_of[id]] = true end
        end
        while taken[lane] do lane = lane + 1 end
      end
      local x, points = LEFT + (lane - 1) * LANE, {x1, y1}
      if not far or (x == x1 and x == x2) then bend(points, x1, y1, x2, y2)
      else
        bend(points, x1, y1, x, y1 + ROW)
        bend(points, x, y2 - ROW, x2, y2)
      end
      page:line(points, 1.6, far and colours[(lane - 1) % #colours + 1] or FAINT)
    end
  end
end

local function fill_of(n)
  return n.functional and 0xffffffff or n.frozen and 0xff8db9e0 or n.input and 0xff4f8a4f or 0xff333333
end

--- drawing.of(g): the graph g on a canvas (base/canvas.lua).
function drawing.of(g)
  local by, outputs = {}, {}
  for i, n in ipairs(g.drawn) do
    by[i] = {id = n.id, inputs = n.inputs}
    if n.output then outputs[n.id] = true end
  end
  local drawn, width = lanes(by, outputs, 40)
  local row_of, lane_of, count = {}, {}, 0
  for _, l in ipairs(drawn) do
    if l.row then
      row_of[l.row.id], lane_of[l.row.id] = count, l.here
      count = count + 1
    end
  end
  local function shown(s) return text.safe(s, true) end
  local function shape_of(n) return n.shape and text.shape(n.shape) or "" end
  local function label_of(n)
    return n.label .. (n.bn_eval and " eval" or "") .. (n.run > 1 and (" (run %d)"):format(n.run) or "")
  end
  local path_w, label_w, shape_w = 0, 0, 0
  for _, n in ipairs(g.drawn) do
    path_w = math.max(path_w, text.columns(shown(n.path)))
    label_w = math.max(label_w, text.columns(shown(label_of(n))))
    shape_w = math.max(shape_w, text.columns(shape_of(n)))
  end
  local x_path = LEFT + width * LANE + 8
  local x_label = x_path + path_w * CHAR + 24
  local x_shape = x_label + label_w * CHAR + 20
  local x_params = x_shape + shape_w * CHAR + 90
  local total = math.ceil(x_params + 90)
  local page = canvas(total, TOP + count * ROW + 46)
  local right = {at = 1, colour = DIM, size = 12}
  page:text(shown(g.class), LEFT, 24, {size = 15})
  page:text("output", x_shape, 24, {colour = DIM, size = 12})
  page:text("params", x_params, 24, right)
  page:text("MACs", total - 16, 24, right)
  edges(page, g, row_of, lane_of)
  for _, n in ipairs(g.drawn) do
    local x, y = LEFT + (lane_of[n.id] - 1) * LANE, TOP + row_of[n.id] * ROW
    page:circle(x, y, 5.8, n.frozen and 0xff3b6ea5 or INK)
    page:circle(x, y, 4.3, fill_of(n))
    page:text(shown(n.path), x_path, y + 4, {size = 12})
    page:text(shown(label_of(n)), x_label, y + 4, {size = 12, colour = 0xff333333})
    page:text(shape_of(n), x_shape, y + 4, {size = 12, colour = DIM})
    if n.params > 0 then
      local p = text.count(n.params)
      page:text(n.frozen_params == n.params and "(" .. p .. ")" or p, x_params, y + 4, {at = 1, size = 12})
    end
    if n.macs > 0 then page:text(text.short(n.macs), total - 16, y + 4, {at = 1, size = 12}) end
  end
  page:text(g:totals(), LEFT, TOP + count * ROW + 10, {size = 12, colour = 0xff333333})
  page:text("white: functional, runs but is no module; blue: frozen", LEFT, TOP + count * ROW + 30, {colour = FAINT})
  return page
end

-- ---- SVG ----

local function hex(c) return ("#%06x"):format(c & 0xffffff) end

local elements = {
  rect = function(colour, x, y, w, h)
    return ('<rect x="%g" y="%g" width="%g" height="%g" fill="%s"/>'):format(x, y, w, h, hex(colour))
  end,
  circle = function(colour, x, y, r)
    return ('<circle cx="%.6g" cy="%.6g" r="%g" fill="%s"/>'):format(x, y, r, hex(colour))
  end,
  line = function(width, colour, ...)
    local d, points = {}, {...}
    for i = 1, #points, 2 do d[#d + 1] = ("%.5g %.7g"):format(points[i], points[i + 1]) end
    local path = table.concat(d, "L")
    return ('<path d="M%s" fill="none" stroke="%s" stroke-width="%g"/>'):format(path, hex(colour), width)
  end,
  text = function(colour, s, x, y, size, at)
    if s == "" then return "" end
    return ('<text x="%.6g" y="%.6g" font-size="%g" fill="%s"%s>%s</text>'):format(x, y, size, hex(colour),
      at == 1 and ' text-anchor="end"' or "", markup.escape(s))
  end,
}

--- drawing.svg(page): a canvas of such strokes as SVG text.
function drawing.svg(page)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
      .. 'font-family="DejaVu Sans Mono, Menlo, monospace">'):format(page.width, page.height, page.width, page.height),
    ('<rect width="%d" height="%d" fill="white"/>'):format(page.width, page.height),
  }
  for _, stroke in ipairs(page.strokes) do
    local s = elements[stroke[1]](table.unpack(stroke, 2))
    if s ~= "" then out[#out + 1] = s end
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return drawing
