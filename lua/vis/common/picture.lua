--- The picture object: what every function that shows something returns.
--   p:save("x.png"|".svg"|".pdf")   writes it: panels, captions and legend
--   p:tensor()                      what is shown, as numbers
--   p.map                           a method's own numbers before any scaling, where it has some
--   p.caption, p.legend, p.panels   the words under it, what its colours mean, its parts
-- What is words and numbers has a text, which a terminal shows in place of the drawing; what can be looked into has a
-- page, which p:save("x.html") writes.
local canvas = require "suture.base.canvas"
local colours = require "suture.vis.common.colours"
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local term = require "suture.base.term"
local whole = require "suture.base.whole"
local is = core.tensor.is

local Picture = {__name = "picture"}
Picture.__index = Picture

local EDGE, LINE = 10, 15 -- points: the margin, a line of text

-- How large a panel is drawn: a small one is enlarged by whole numbers, so that its pixels stay squares.
local function size_of(panel)
  if panel.canvas then return panel.canvas.width, panel.canvas.height end
  local s = panel.image.shape
  local zoom = math.max(1, 192 // math.max(s[2], s[3]))
  return s[3] * zoom, s[2] * zoom
end

local function short(v) return ("%.3g"):format(v) end

local function draw_legend(page, legend, x, y, height)
  local n = 64
  for i = 0, n - 1 do
    page:rect(x, y + height * i / n, 12, height / n + 0.5, colours.at(legend.colours, 1 - i / (n - 1)))
  end
  page:text(type(legend.high) == "string" and legend.high or short(legend.high), x + 16, y + 10)
  page:text(type(legend.low) == "string" and legend.low or short(legend.low), x + 16, y + height)
  if legend.label then page:text(legend.label, x + 16, y + height / 2 + 4) end
end

-- Columns of a grid of n panels.
local function columns_of(p)
  local n = #p.panels
  return p.columns or (n <= 4 and n or math.ceil(math.sqrt(n)))
end

--- The whole figure on one page. bare: no words, as a terminal of few cells wants it.
function Picture:_page(bare)
  local wide, high, named = 0, 0, false
  for _, panel in ipairs(self.panels) do
    local w, h = size_of(panel)
    wide, high = math.max(wide, w), math.max(high, h)
    named = named or panel.caption ~= nil and not bare
  end
  local gap = bare and 2 or EDGE
  local columns = columns_of(self)
  local rows = math.ceil(#self.panels / columns)
  local cell_w, cell_h = wide + gap, high + gap + (named and LINE or 0)
  local lines = {}
  if self.caption and not bare then for line in self.caption:gmatch "[^\n]+" do lines[#lines + 1] = line end end
  local legend = self.legend and not bare and 90 or 0
  local width, height = columns * cell_w + gap + legend, rows * cell_h + gap + #lines * LINE
  for _, line in ipairs(lines) do width = math.max(width, #line * 6 + 2 * EDGE) end
  local page = canvas(width, height)
  for i, panel in ipairs(self.panels) do
    local x, y = gap + (i - 1) % columns * cell_w, gap + (i - 1) // columns * cell_h
    local w, h = size_of(panel)
    if panel.canvas then page:place(panel.canvas, x, y) else page:pixels(panel.image, x, y, w, h) end
    if panel.caption and not bare then page:text(panel.caption, x + w / 2, y + h + LINE - 3, {at = 0.5}) end
  end
  if legend > 0 then draw_legend(page, self.legend, columns * cell_w + gap, gap, math.min(high, 160)) end
  for i, line in ipairs(lines) do page:text(line, EDGE, height - (#lines - i) * LINE - 6) end
  return page
end

-- Pixels alone, which are written as they are.
local function plain(p)
  local only = #p.panels == 1 and p.panels[1]
  return only and only.image and not p.caption and not p.legend and not only.caption and only.image
end

--- picture:save(path): writes the picture, by the name's ending as PNG, SVG or PDF: the same drawing, with its captions
-- and its legend. A picture without words or legend, as show(x) of one picture, becomes a PNG of its own pixels. What
-- vis.explain gives also becomes a page, .html. The file is whole or not there at all. Returns the picture.
function Picture:save(path, ...)
  if type(path) ~= "string" or select("#", ...) > 0 then
    fault('save: expects a path and nothing else, as picture:save("x.png"), got %s', options.show(path))
  end
  local format = path:lower():match "%.(%w+)$"
  if format == "html" and self.page then
    local ok, why = whole(path, self.page())
    if not ok then fault("%s", why) end
    return self
  end
  if format ~= "png" and format ~= "svg" and format ~= "pdf" then
    fault("save: %s: a picture is saved as .png, .svg or .pdf%s", path, self.page and ", this one also as .html" or "")
  end
  if format == "png" and plain(self) then
    core.image.write(plain(self), path)
    return self
  end
  local ok, why = whole(path, self:_page():render(format, format == "png" and 2 or 1))
  if not ok then fault("%s", why) end
  return self
end

--- picture:tensor(): what is shown, as numbers: a map (H, W) of 0 to 1 at the size of the picture as the network saw it
-- (several: (N, H, W)), a picture's (3, H, W), a drawing's pixels (3, H, W), a curve's values.
function Picture:tensor(...)
  if select("#", ...) > 0 then fault "tensor: takes no arguments" end
  if is(self.shown) then return self.shown end
  if not self._pixels then
    local path = os.tmpname()
    local done <close> = setmetatable({}, {__close = function() os.remove(path) end})
    local ok, why = whole(path, self:_page():render "png")
    if not ok then fault("%s", why) end
    self._pixels = core.image.read(path)
  end
  return self._pixels
end

-- A frame of text: what can be said of a picture where none can be shown.
function Picture:__tostring()
  if self.text then return self.text(term.tty() and term.width() or 100) end
  local lines = {}
  for line in (self.caption or "picture"):gmatch "[^\n]+" do lines[#lines + 1] = line end
  local many = #self.panels > 1 and ("%d panels, "):format(#self.panels) or ""
  local w, h = size_of(self.panels[1])
  if self.panels[1].image then h, w = self.panels[1].image.shape[2], self.panels[1].image.shape[3] end
  lines[#lines + 1] = ('%s%d × %d · p:save("x.png") writes it'):format(many, math.ceil(w), math.ceil(h))
  local most = math.max(16, math.min(100, term.width()) - 4)
  local width = 0
  for i, line in ipairs(lines) do
    if term.columns(line) > most then
      line = line:sub(1, utf8.offset(line, most) - 1) .. "…"
      lines[i] = line
    end
    width = math.max(width, term.columns(line))
  end
  local out = {"┌" .. ("─"):rep(width + 2) .. "┐"}
  for _, line in ipairs(lines) do out[#out + 1] = "│ " .. line .. (" "):rep(width - term.columns(line)) .. " │" end
  out[#out + 1] = "└" .. ("─"):rep(width + 2) .. "┘"
  return table.concat(out, "\n")
end

--- What the prompt shows, if the terminal can: see common/terminal.lua.
function Picture.__prompt(p)
  if p.text then return tostring(p) end
  return require "suture.vis.common.terminal"(p)
end

--- What a notebook shows: the page where there is one, and the drawing, as the bytes of a PNG; how large that is, in
-- points.
function Picture.__rich(p)
  local page = p:_page()
  local size = {width = page.width // 1 | 0, height = page.height // 1 | 0}
  return {["text/html"] = p.page and require("suture.base.markup").frame(p.page()),
    ["image/png"] = page:render("png", page.width > 1000 and 1 or 2)}, {["image/png"] = size}
end

require "suture.base.method"(Picture, {
  is = function(p) return getmetatable(p) == Picture end, what = "a picture", name = "picture",
})

-- A picture of these fields: panels (a list of {image = (3, H, W) of 0 … 1, or canvas =, and caption =}), caption,
-- legend ({low =, high =, colours =, label =}), shown (for :tensor(); default: the page's pixels), map, columns (of the
-- grid of panels), text (a function of a width that gives its words), page (a function that gives its HTML), and
-- whatever more a method tells (class, layer, …).
return setmetatable({
  class = Picture,
  is = function(p) return getmetatable(p) == Picture end,
}, {__call = function(_, fields) return setmetatable(fields, Picture) end})
