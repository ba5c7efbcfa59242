--- One line on stderr that says how something goes: redrawn in a terminal, written once at its end elsewhere.
local term = require "suture.base.term"
local text = require "suture.base.text"
local clock = require("suture.core").engine.clock
local status = {}
status.__index = status

--- A line. words(bar, …) gives what it says, with a bar in it where bar is true; `…` is what step and finish were
-- given. quiet: nothing is shown.
function status.new(words, quiet)
  return setmetatable({words = words, quiet = quiet, bar = not quiet and term.draws(2), start = clock(), drawn = 0},
    status)
end

--- Seconds since the line began.
function status:seconds() return clock() - self.start end

--- Seconds in words.
function status.seconds_text(s)
  return s < 10 and ("%.2f s"):format(s) or s < 120 and ("%.1f s"):format(s) or ("%d min %02d s"):format(s // 60,
    math.floor(s % 60))
end

-- The line for a terminal: without the bar where it is too narrow for both.
local function line(self, ...)
  local shown = self.bar and self.words(true, ...)
  if not shown or term.columns(shown) >= term.width(2) then shown = text.plain(self.words(false, ...)) end
  return shown
end

--- Redraws the line, at most ten times a second.
function status:step(...)
  if not self.bar or clock() - self.drawn < 0.1 then return end
  self.drawn = clock()
  local shown, most = line(self, ...), term.width(2) - 1
  term.draw(term.columns(shown) > most and text.cut(shown, most) or shown)
end

--- Ends the line.
function status:finish(...)
  if self.quiet then return end
  local shown = line(self, ...)
  if term.tty(2) then shown = text.wrap(shown, term.width(2)) end
  term.aside:write(term.fresh(), shown, "\n")
end

--- A bar of done of total, as the line draws it.
function status.part(done, total) return term.bar(done, total, 2, text.sign "heavy") end

return status
