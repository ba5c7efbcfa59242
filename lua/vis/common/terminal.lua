--- A picture for the terminal, by the program chafa, which knows what the terminal can (kitty, iTerm2, sixel, else
-- symbols in colour or without); its frame of text where there is no terminal or no chafa.
local term = require "suture.base.term"
local core = require "suture.core"
local whole = require "suture.base.whole"
local words = require "suture.base.text"

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- What chafa makes of the file, or nil. Its warnings go nowhere: without it there is the frame of text.
local function by_chafa(path, columns, rows)
  local pipe = io.popen(("chafa --animate off --size %dx%d%s%s -- %s 2>/dev/null"):format(columns, rows,
    term.colour() and "" or " --format symbols --colors none", words.unicode() and "" or " --symbols ascii",
    quoted(path)))
  local text = pipe and pipe:read "a"
  if pipe then pipe:close() end
  return text and #text > 0 and text:gsub("\n$", "") or nil
end

return function(p)
  if not term.tty() or os.getenv "TERM" == "dumb" or term.width() < 20 then return words.screen(tostring(p), 1) end
  local _, rows = core.term.size(1)
  local path = os.tmpname()
  local done <close> = setmetatable({}, {__close = function() os.remove(path) end})
  local drawn, bytes = pcall(function() return p:_page(p.panels[1].image ~= nil):render "png" end)
  if not drawn then
    if tostring(bytes):find("interrupted!", 1, true) then error(bytes, 0) end
    return words.screen(tostring(p), 1)
  end
  if not whole(path, bytes) then return words.screen(tostring(p), 1) end
  local text = by_chafa(path, math.min(term.width(), 100) - 1, math.max(4, math.min((rows or 24) - 4, 36)))
  if not text then return words.screen(tostring(p), 1) end
  return p.caption and text .. "\n" .. words.screen(p.caption, 1) or text
end
