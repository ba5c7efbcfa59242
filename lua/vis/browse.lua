local canvas = require "suture.base.canvas"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local layers = require "suture.vis.browse.layers"
local looked = require "suture.vis.common.looked"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local screen = require "suture.base.screen"
local source_of = require("suture.vis.browse.source").of
local terminal = require "suture.vis.common.terminal"
local text = require "suture.base.text"
local vis = require "suture.vis"

local CELL_W, CELL_H = 8, 16 -- pixels of a drawing that become a cell
local LEAST_COLUMNS, LEAST_ROWS = 32, 10
local KEYS = "↑↓ layer  ←→ unit  PgUp PgDn ×10  n p picture  g gradient  m maximise  t strongest  space pause  q back"
local LOOKED_AT = 512 -- pictures of a data set among which the strongest are

-- ---- what is shown ----

local SMALLEST = 24 -- pixels of a unit's map

-- The units of a layer that the mosaic shows: all as large as they go, or the part with the chosen one in it. → first,
-- count, columns, rows
local function part_of(layer, unit, width, height)
  local columns, rows, best = math.max(1, width // SMALLEST), math.max(1, height // SMALLEST), 0
  for c = 1, math.min(columns, layer.units) do
    local r = math.ceil(layer.units / c)
    local cell = math.min(width / c, height / r)
    if cell >= SMALLEST and cell > best then columns, rows, best = c, r, cell end
  end
  local room = columns * rows
  local first = unit // room * room
  return first, math.min(room, layer.units - first), columns, rows
end

-- A picture in a box, as large as it goes.
local function put(page, image, x, y, w, h)
  local ih, iw = image.shape[2], image.shape[3]
  local s = math.min(w / iw, h / ih)
  page:pixels(image, x, y, iw * s, ih * s, s < 1)
end

-- Several pictures in a box, in rows.
local function put_all(page, images, x, y, w, h)
  local columns = math.ceil(math.sqrt(#images * w / h))
  local rows = math.ceil(#images / columns)
  local cell_w, cell_h = w / columns, h / rows
  for i, image in ipairs(images) do
    put(page, image, x + (i - 1) % columns * cell_w, y + (i - 1) // columns * cell_h, cell_w - 2, cell_h - 2)
  end
end

local function mosaic(page, b, x, y, w, h)
  local layer = b.layer
  local first, n, columns, rows = part_of(layer, b.unit, w, h)
  local image = layers.mosaic(b:map():narrow(0, first, n), columns, rows)
  local cell = math.min(w / columns, h / rows)
  page:pixels(image, x, y, cell * columns, cell * rows)
  for i = 1, columns do page:rect(x + i * cell - 1, y, 1, cell * rows, 0xff101010) end
  for i = 1, rows do page:rect(x, y + i * cell - 1, cell * columns, 1, 0xff101010) end
  local at = b.unit - first
  local cx, cy = x + at % columns * cell, y + at // columns * cell
  page:line({cx + 1, cy + 1, cx + cell - 2, cy + 1, cx + cell - 2, cy + cell - 2, cx + 1, cy + cell - 2, cx + 1,
    cy + 1}, 3, 0xffff4040)
  return ("units %d … %d"):format(first, first + n - 1)
end

-- The panes on the right: {name, picture or a list of them}.
local function panes(b)
  local list = {{"picture", b.run.picture}}
  if b.layer.h * b.layer.w > 1 then
    list[2] = {("unit %d"):format(b.unit), layers.over(b.run, b:map()[b.unit])}
  end
  if b.gradients then
    local g = b:kept("gradient", function() return layers.gradient(b.run, b.layer, b.unit) or false end)
    list[#list + 1] = g and {"gradient", g} or nil
  end
  local made = b.made[b.layer.path .. "#" .. b.unit]
  if made then list[#list + 1] = {"maximised", made} end
  local top = b.tops[b.layer.path .. "#" .. b.unit]
  if top then list[#list + 1] = {"strongest", top} end
  return list
end

-- How many of n panes stand across and down in a box of cells, so that they are as large as they go.
local function boxes(n, wide, high)
  local across, down, best = 1, math.max(1, math.min(n, high // 5)), 0
  for c = 1, math.min(n, wide // 10) do
    local r = math.ceil(n / c)
    local size = math.min((wide // c - 1) * CELL_W, (high // r - 1) * CELL_H)
    if high // r >= 5 and size > best then across, down, best = c, r, size end
  end
  return across, down
end

local function lines_of(b, columns)
  local layer = b.layer
  local at = layer.h * layer.w > 1 and ("%d units of %d × %d"):format(layer.units, layer.h, layer.w)
    or ("%d units"):format(layer.units)
  local one = b:map()[b.unit]
  local said = {("%d/%d %s"):format(b.at, #b.run.layers, layer.path), layer.label, at,
    ("unit %d: %.3g … %.3g"):format(b.unit, one:min():item(), one:max():item())}
  local head, list = table.concat(said, " · "), layers.classes(b.run, 3)
  local foot = {b.words}
  for _, c in ipairs(list or {}) do
    foot[#foot + 1] = ("%s %.0f %%"):format(looked.class_name(b.m, c[1]), 100 * c[2])
  end
  local function fitting(s) return text.pad(text.cut(text.plain(text.safe(s, true)), columns), columns) end
  return fitting(head), fitting(table.concat(foot, " · ")), fitting(b.note or KEYS)
end

local function draw(s, b)
  local columns, rows = s:size()
  s:write "\27[0m\27[H"
  if columns < LEAST_COLUMNS or rows < LEAST_ROWS then
    s:write("\27[2J", text.cut(("too small: %d × %d cells are needed, q goes back"):format(LEAST_COLUMNS, LEAST_ROWS),
      columns))
    return s:flush()
  end
  local head, foot, keys = lines_of(b, columns)
  local high = rows - 3 -- cells of the drawing
  local page = canvas(columns * CELL_W, high * CELL_H)
  page:rect(0, 0, page.width, page.height, 0xff101010)
  local list = panes(b)
  local side = math.floor(columns * (columns < 60 and 0.4 or 0.36))
  local left = columns - side - 1
  mosaic(page, b, 0, 0, left * CELL_W, high * CELL_H)
  local across, down = boxes(#list, side, high)
  local each, wide, labels = high // down, side // across, {}
  for i = 1, math.min(#list, across * down) do
    local row, column = (i - 1) // across * each, left + 1 + (i - 1) % across * wide
    local pane = list[#list > across * down and i == across * down and #list or i] -- what was asked for last is seen
    labels[i] = {row + 2, column + 1, text.cut(pane[1], wide - 1)}
    local paint = type(pane[2]) == "table" and put_all or put
    paint(page, pane[2], column * CELL_W, (row + 1) * CELL_H, (wide - 1) * CELL_W, (each - 1) * CELL_H)
  end
  local drawn = terminal.canvas(page, columns, high)
  if not drawn then fault "browse: draws by the program chafa, which is not there (Debian: apt install chafa)" end
  s:write("\27[7m", head, "\27[0m\27[2;1H")
  local row = 2
  for line in (drawn .. "\n"):gmatch "(.-)\n" do
    if row > rows - 2 then break end
    s:at(row, 1, line)
    row = row + 1
  end
  s:write "\27[0m"
  for _, l in ipairs(labels) do s:at(l[1], l[2], l[3]) end
  s:at(rows - 1, 1, foot)
  s:at(rows, 1, "\27[2m" .. keys .. "\27[0m")
  s:flush()
end

-- ---- what is chosen ----

local Browser = {}
Browser.__index = Browser

-- The maps of the layer, kept while it is looked at.
function Browser:map() return self:kept("map", self.layer.map) end

function Browser:kept(name, make)
  local key = name == "map" and self.layer.path or ("%s %s#%d"):format(name, self.layer.path, self.unit)
  if self.cache[name] == nil or self.cache[name][1] ~= key then self.cache[name] = {key, make()} end
  return self.cache[name][2]
end

function Browser:choose(at, unit)
  self.at = math.max(1, math.min(#self.run.layers, at))
  self.layer = self.run.layers[self.at]
  self.unit = math.max(0, math.min(self.layer.units - 1, unit))
end

-- Looks at another picture.
function Browser:look(x, words)
  self.run = layers.run(self.m, x)
  if #self.run.layers == 0 then fault "browse: no module of this model gives a value with units" end
  self.words, self.cache = words, {}
  self:choose(self.at or 1, self.unit or 0)
end

function Browser:turn(by)
  local s = self.source
  if s.live or s.count < 2 then return end
  self.place = (self.place + by) % s.count
  self:look(s.get(self.place))
end

-- What a method gives for the chosen unit; what it cannot do is told below.
function Browser:ask(list, f)
  local ok, p = pcall(f, self.layer.module_path, self.unit)
  if ok then list[self.layer.path .. "#" .. self.unit] = p
  elseif interrupt.is(p) then error(p, 0)
  else self.note = tostring(p):gsub("^%S-:%d+: ", "") end
end

function Browser:maximise()
  local size = {self.run.x.shape[3], self.run.x.shape[4]}
  self:ask(self.made, function(path, unit)
    return vis.maximize(self.m, path, {unit = unit, steps = 64, size = size, quiet = true, seed = 0}):tensor()
  end)
end

function Browser:strongest()
  local ds = self.dataset
  if not ds then
    self.note = "the strongest are found among the pictures of a data set"
    return
  end
  self:ask(self.tops, function(path, unit)
    local some = #ds > LOOKED_AT and ds:take(LOOKED_AT, {seed = 0}) or ds
    local images = {}
    local p = vis.top(self.m, some, path, {unit = unit, quiet = true})
    for i, panel in ipairs(p.panels) do images[i] = panel.image end
    return images
  end)
end

-- Something that takes a while, and says so.
local function working(what, f)
  return function(b, s)
    b.note = what
    draw(s, b)
    b.note = nil
    f(b)
  end
end

local keys = {
  up = function(b) b:choose(b.at - 1, b.unit) end, down = function(b) b:choose(b.at + 1, b.unit) end,
  left = function(b) b:choose(b.at, b.unit - 1) end, right = function(b) b:choose(b.at, b.unit + 1) end,
  pageup = function(b) b:choose(b.at, b.unit - 10) end, pagedown = function(b) b:choose(b.at, b.unit + 10) end,
  home = function(b) b:choose(b.at, 0) end, ["end"] = function(b) b:choose(b.at, b.layer.units - 1) end,
  n = function(b) b:turn(1) end, p = function(b) b:turn(-1) end, g = function(b) b.gradients = not b.gradients end,
  m = working("maximising …", Browser.maximise), t = working("looking for the strongest …", Browser.strongest),
  [" "] = function(b) b.paused = not b.paused end, redraw = function() end,
}
keys.k, keys.j, keys.h, keys.l = keys.up, keys.down, keys.left, keys.right

-- Until q: keys, and pictures of a stream.
local function loop(s, b)
  local size, dirty = "", true
  while true do
    local now = ("%d %d"):format(s:size())
    if now ~= size then
      size, dirty = now, true
      s:write "\27[0m\27[2J"
    end
    if b.source.live and not b.paused and not s:pending() then
      local x, words = b.source.next()
      if x then
        b:look(x, words)
        dirty = true
      elseif x == false then b.note, b.paused, dirty = "the stream has ended · q goes back", true, true end
    end
    if dirty and not s:pending() then
      draw(s, b)
      dirty = false
    end
    local key = s:key(b.source.live and not b.paused and 0.02 or 0.2)
    if key == "q" or key == "escape" or key == "gone" then return end
    if key then b.note = nil end
    if key == "redraw" then s:write "\27[0m\27[2J" end
    if keys[key] then
      keys[key](b, s)
      dirty = true
    end
  end
end

-- Waits for the first picture of a stream.
local function first_of(stream, s)
  s:write("\27[H\27[2J", "waiting for a picture … q goes back")
  s:flush()
  while true do
    local x, words = stream.next()
    if x then return x, words end
    if x == false then fault "browse: there is no picture in the stream" end
    local key = s:key(0.1)
    if key == "q" or key == "escape" or key == "gone" then return nil end
  end
end

--- vis.browse(m, source): through the layers of m and their units on the whole terminal, after the Deep Visualization
-- Toolbox (Yosinski et al. 2015, arXiv:1506.06579): all maps of a layer, and beside them the picture, the chosen unit's
-- map over it, how much each place of the picture moves it (its gradient), and, when asked for, the picture made to
-- excite it most and the patches of the data set that do (among 512 of its pictures). source: a data set, a folder of
-- pictures, a picture, a tensor (N, C, H, W) as m takes it, or a stream of pictures, live: a camera ("/dev/video0", one
-- that gives Motion-JPEG), a Motion-JPEG file (.mjpeg), a named pipe, or what io.popen gave.
-- Keys: up and down, the layer; left and right, the unit (PgUp, PgDn by 10, Home, End); n and p, the picture; g, the
-- gradient; m, maximise (vis.maximize); t, the strongest patches (vis.top); space, a stream stands; q or Esc, back,
-- with the terminal as it was; Ctrl-C too. Ctrl-Z stops the program as ever. m runs as in eval mode and nothing of it
-- changes. Returns where you were: {layer =, unit =}.
-- Examples: vis.browse(m, "/dev/video0"), and a camera without Motion-JPEG:
--   vis.browse(m, io.popen "ffmpeg -f v4l2 -i /dev/video0 -f mjpeg -")
local function browse(m, source, ...)
  if select("#", ...) > 0 then fault "browse: expects a model and a source, got more" end
  if not Module.is_module(m) then fault("browse: expects a model first, got %s", options.show(m)) end
  if source == nil then fault "browse: expects a source: a data set, a folder, a picture, tensors or a stream" end
  local from = source_of(m, source)
  local over <close> = setmetatable({}, {__close = function() if from.close then from.close() end end})
  local b = setmetatable({m = m, source = from, place = 0, gradients = true, made = {}, tops = {}, cache = {},
    dataset = require("suture.data.dataset").is(source) and source or nil}, Browser)
  if not from.live then b:look(from.get(0)) end
  local s <close> = screen() or fault "browse: needs a terminal that can be drawn on, for input and for output"
  if from.live then
    local x, words = first_of(from, s)
    if not x then return nil end
    b:look(x, words)
  end
  loop(s, b)
  return {layer = b.layer.module_path, unit = b.unit}
end

return browse
