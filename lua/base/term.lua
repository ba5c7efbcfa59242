--- The terminal, if there is one: whether to draw, how wide, and colour.
local c = require("suture.core").term
local term = {}

--- Is the stream a terminal? `fd` is 1 for output (default), 2 for errors, 0 for input.
function term.tty(fd) return c.isatty(fd or 1) end

--- Columns of the terminal behind `fd` (default 1); $COLUMNS, else 80, when it is none.
function term.width(fd)
  return c.size(fd or 1) or tonumber(os.getenv "COLUMNS" or "") or 80
end

--- May colour be written to `fd` (default 1)? Not when it is no terminal, TERM is dumb, or NO_COLOR is set
-- (no-color.org).
function term.colour(fd)
  local no = os.getenv "NO_COLOR"
  return (no == nil or no == "") and os.getenv "TERM" ~= "dumb" and term.tty(fd)
end

local sgr = {bold = "1", dim = "2", red = "31", green = "32", yellow = "33", blue = "34", magenta = "35", cyan = "36"}

--- `text` in a style (bold dim red green yellow blue magenta cyan), or as it is where colour is not wanted.
function term.paint(style, text, fd)
  if not term.colour(fd) then return text end
  return "\27[" .. sgr[style] .. "m" .. text .. "\27[0m"
end

--- A bar of 12 columns, done/total of it full, in colour where it may be; `fd` as above. An empty total is a full bar.
function term.bar(done, total, fd)
  local full = total > 0 and math.min(12, 12 * done // total) or 12
  return term.paint("green", ("━"):rep(full), fd) .. term.paint("dim", ("━"):rep(12 - full), fd)
end

--- Columns that `text` takes: characters of UTF-8, colour codes not counted.
function term.columns(text)
  text = text:gsub("\27%[[%d;]*m", "")
  return utf8.len(text) or #text
end

return term
