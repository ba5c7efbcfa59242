--- A picture for the terminal, by the program chafa, which knows what the terminal can (kitty, iTerm2, sixel, else
-- symbols in colour or without); its frame of text where there is no terminal or no chafa.
local pcall = require("suture.base.interrupt").pcall
local term = require "suture.base.term"
local core = require "suture.core"
local whole = require "suture.base.whole"
local words = require "suture.base.text"

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- What chafa makes of the file, or nil. Its warnings go nowhere: without it there is the frame of text.
local function by_chafa(path, columns, rows, fd, symbols)
  local plain = not term.colour(fd)
  local pipe = io.popen(("chafa --animate off --size %dx%d%s%s%s -- %s 2>/dev/null"):format(columns, rows,
    (symbols or plain) and " --format symbols" or "", plain and " --colors none" or "",
    words.unicode() and "" or " --symbols ascii", quoted(path)))
  local text = pipe and pipe:read "a"
  if pipe then pipe:close() end
  return text and #text > 0 and text:gsub("\n$", "") or nil
end

-- The canvas that make() gives as chafa's text, or nil; symbols: as characters, whatever more the terminal can.
local function shown(make, columns, rows, fd, symbols)
  local path = os.tmpname()
  local done <close> = setmetatable({}, {__close = function() os.remove(path) end})
  local ok, bytes = pcall(function() return make():render "png" end)
  if not ok then return nil end
  return whole(path, bytes) and by_chafa(path, columns, rows, fd, symbols) or nil
end

local function drawn(p, columns, rows, fd, symbols)
  return shown(function() return p:_page(p.panels[1].image ~= nil) end, columns, rows, fd, symbols)
end

local terminal = {}

--- terminal.canvas(page, columns, rows): a canvas as lines of characters for stdout that fill so many cells; nil where
-- it cannot be.
function terminal.canvas(page, columns, rows) return shown(function() return page end, columns, rows, 1, true) end

--- terminal.symbols(p, rows): the picture as lines of characters for stderr, at most so many; nil where it cannot be.
function terminal.symbols(p, rows) return drawn(p, math.min(term.width(2), 100) - 1, rows, 2, true) end

return setmetatable(terminal, {__call = function(_, p)
  if not term.tty() or os.getenv "TERM" == "dumb" or term.width() < 20 then return words.screen(tostring(p), 1) end
  local _, rows = core.term.size(1)
  local text = drawn(p, math.min(term.width(), 100) - 1, math.max(4, math.min((rows or 24) - 4, 36)), 1)
  if not text then return words.screen(tostring(p), 1) end
  return p.caption and text .. "\n" .. words.screen(p.caption, 1) or text
end})
