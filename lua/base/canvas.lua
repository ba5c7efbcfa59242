--- A page to draw on: a list of strokes, the same for PNG, SVG and PDF. Lengths are points, from the top left; colours
-- 0xAARRGGBB.
local draw = require("suture.core").draw

local Canvas = {__name = "canvas"}
Canvas.__index = Canvas

local BLACK = 0xff202020

local function canvas(width, height) return setmetatable({width = width, height = height, strokes = {}}, Canvas) end

local function add(c, stroke) c.strokes[#c.strokes + 1] = stroke end

--- A filled rectangle.
function Canvas:rect(x, y, w, h, colour) add(self, {"rect", colour, x, y, w, h}) end

--- A filled circle.
function Canvas:circle(x, y, r, colour) add(self, {"circle", colour, x, y, r}) end

--- The line through points {x, y, x, y, …}; width 0: its inside, filled.
function Canvas:line(points, width, colour) add(self, {"line", width, colour or BLACK, table.unpack(points)}) end

--- A line of text with its baseline at y; o: size (11), at (0 begins at x, 0.5 centred, 1 ends there), turn (quarters,
-- counter-clockwise), colour.
function Canvas:text(text, x, y, o)
  o = o or {}
  add(self, {"text", o.colour or BLACK, text, x, y, o.size or 11, o.at or 0, o.turn or 0})
end

--- The picture (3, H, W) of 0 … 1 over a rectangle; smooth: interpolated where it is enlarged.
function Canvas:pixels(picture, x, y, w, h, smooth) add(self, {"pixels", picture, x, y, w, h, smooth or false}) end

--- Another canvas, drawn with its corner at (x, y).
function Canvas:place(other, x, y)
  local first = {rect = 3, circle = 3, text = 4, pixels = 3, line = 4}
  for _, s in ipairs(other.strokes) do
    local t = {table.unpack(s)}
    for i = first[s[1]], s[1] == "line" and #t or first[s[1]] + 1, 2 do t[i], t[i + 1] = t[i] + x, t[i + 1] + y end
    add(self, t)
  end
end

--- The file's bytes: "png" (with scale pixels to a point, 1), "svg" or "pdf".
function Canvas:render(format, scale) return draw.render(format, self.width, self.height, scale or 1, self.strokes) end

return canvas
