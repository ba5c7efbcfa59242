--- The line that shows how an epoch goes: a bar redrawn in a terminal, one line an epoch elsewhere; on stderr both.
local term = require "suture.base.term"
local text = require "suture.base.text"
local clock = require("suture.core").engine.clock
local progress = {}
progress.__index = progress

--- A line for one epoch (a number, or other words) of `steps` steps. quiet: nothing is shown.
function progress.new(epoch, steps, quiet)
  return setmetatable({epoch = epoch, steps = steps, quiet = quiet, bar = not quiet and term.draws(2), start = clock(),
    drawn = 0}, progress)
end

--- Seconds since the line began.
function progress:seconds() return clock() - self.start end

local function seconds_text(s)
  return s < 10 and ("%.2f s"):format(s) or s < 120 and ("%.1f s"):format(s) or ("%d min %02d s"):format(s // 60,
    math.floor(s % 60))
end
progress.seconds_text = seconds_text

--- An accuracy in three digits; "-" where there is none.
function progress.accuracy_text(acc) return acc and ("%.3f"):format(acc) or "-" end

--- What the line says when `done` steps are done; r: the epoch's figures so far. bar: with a bar in it.
function progress:text(done, r, bar)
  local parts = {type(self.epoch) == "string" and self.epoch .. " " or ("epoch %-2d "):format(self.epoch)}
  if bar then parts[#parts + 1] = term.bar(done, self.steps, 2, text.sign "heavy") end
  parts[#parts + 1] = ("%d/%d"):format(done, self.steps)
  if r.loss then parts[#parts + 1] = (" loss %.4g  acc %s"):format(r.loss, progress.accuracy_text(r.acc)) end
  if r.val_loss then parts[#parts + 1] = (" val %.4g %s"):format(r.val_loss, progress.accuracy_text(r.val_acc)) end
  parts[#parts + 1] = " " .. seconds_text(self:seconds())
  if r.note then parts[#parts + 1] = " " .. r.note end
  return table.concat(parts, " ")
end

-- The line for a terminal: without the bar where it is too narrow for both.
local function line(self, done, r)
  local shown = self.bar and self:text(done, r, true)
  if not shown or term.columns(shown) >= term.width(2) then shown = text.plain(self:text(done, r)) end
  return shown
end

--- Redraws the bar, at most ten times a second.
function progress:step(done, r)
  if not self.bar or clock() - self.drawn < 0.1 then return end
  self.drawn = clock()
  local shown, most = line(self, done, r), term.width(2) - 1
  io.stderr:write("\r", term.columns(shown) > most and text.cut(shown, most) or shown, "\27[K")
end

--- Ends the line with the epoch's figures.
function progress:finish(done, r)
  if self.quiet then return end
  local shown = line(self, done, r)
  if term.tty(2) then shown = text.wrap(shown, term.width(2)) end
  io.stderr:write(self.bar and "\r\27[K" or "", shown, "\n")
end

return progress
