--- The terminal, if there is one: whether to draw, how wide, colour, and nothing in a text that it would obey.
local core = require "suture.core"
local c, cells = core.term, core.cells
local term = {}

local notebook -- columns of one that draws what is written aside as a terminal does, without colours; nil: none does

--- What is written aside (below) is shown by a notebook, so many columns wide, where a line that ends in \r is drawn
-- over. nil: it is not.
function term.stand_in(columns) notebook = columns end

--- Is the stream a terminal? `fd` is 1 for output (default), 2 for errors, 0 for input.
function term.tty(fd) return fd == 2 and notebook ~= nil or c.isatty(fd or 1) end

--- Columns of the terminal behind `fd` (default 1); $COLUMNS, else 80, when it is none.
function term.width(fd)
  return fd == 2 and notebook or c.size(fd or 1) or math.tointeger(tonumber(os.getenv "COLUMNS" or "")) or 80
end

local colours -- of the terminal that TERM names: nil before it is asked for, false where it is dumb or unknown

local function colours_of_term()
  if colours == nil then
    local name = os.getenv "TERM"
    colours = name ~= nil and name ~= "" and name ~= "dumb" and c.colours() or false
  end
  return colours
end

--- May a line on `fd` (default 1) be drawn over? Not when it is no terminal, or TERM is dumb, unset or unknown.
function term.draws(fd)
  return fd == 2 and notebook ~= nil or c.isatty(fd or 1) and colours_of_term() ~= false
end

--- May colour be written to `fd` (default 1)? Not when it cannot be drawn on, terminfo says that it has no colours, or
-- NO_COLOR is set (no-color.org).
function term.colour(fd)
  local no = os.getenv "NO_COLOR"
  return (no == nil or no == "") and not (fd == 2 and notebook) and term.draws(fd) and colours_of_term() >= 8
end

local sgr = {bold = "1", dim = "2", red = "31", green = "32", yellow = "33", blue = "34", magenta = "35", cyan = "36"}

--- `text` with what a terminal would obey written out: control characters (\x1b), orders to the bidirectional algorithm
-- (\u{202e}), bytes that are no UTF-8. Ends of lines and tabs stay; line = true: they are written out too.
term.safe = cells.safe

--- `text` (made safe) in a style (bold dim red green yellow blue magenta cyan), or as it is where colour is not wanted.
function term.paint(style, text, fd)
  text = cells.safe(text)
  if not term.colour(fd) then return text end
  return "\27[" .. sgr[style] .. "m" .. text .. "\27[0m"
end

--- A bar of 12 columns, done/total of it full, in colour where it may be; `fd` as above. An empty total is a full bar.
-- sign: what it is drawn with (default "━").
function term.bar(done, total, fd, sign)
  local full = total > 0 and math.max(0, math.min(12, 12 * done // total)) or 12
  if sign and not term.colour(fd) then return sign:rep(full) .. ("."):rep(12 - full) end
  sign = sign or "━"
  return term.paint("green", sign:rep(full), fd) .. term.paint("dim", sign:rep(12 - full), fd)
end

--- Where the library says how it goes, and what it has decided: standard error. In a notebook, where that is red:
-- output.
term.aside = io.stderr

local drawn -- characters of a line without an end that stands there, to be drawn over; nil: none does

--- Draws `text` over the line that was drawn last; done: the line ends. A notebook knows no order that clears a line:
-- blanks cover what was longer.
function term.draw(text, done)
  local size = utf8.len(text) or #text
  local rest = notebook and (" "):rep((drawn or 0) - size) or "\27[K"
  term.aside:write("\r", text, rest, done and "\n" or "")
  drawn = not done and math.max(size, drawn or 0) or nil
end

--- What to write in front of a line of its own: what takes the line away that is drawn there, or ends it (keep = true);
-- "" where none is.
function term.fresh(keep)
  local before = drawn
  drawn = nil
  if not before or keep then return before and "\n" or "" end
  return notebook and "\r" .. (" "):rep(before) .. "\r" or "\r\27[K"
end

--- Cells that `text` takes on a line, colour codes not counted.
function term.columns(text)
  if text:find("\27", 1, true) then text = text:gsub("\27%[[%d;]*m", "") end
  return cells.width(text)
end

--- The beginning of `text` that takes at most `room` cells. → text, the cells it takes
function term.fit(text, room)
  local bytes, taken = cells.fit(text, room)
  return text:sub(1, bytes), taken
end

return term
