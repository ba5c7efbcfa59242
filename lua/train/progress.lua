--- The line that shows how an epoch goes: a bar redrawn in a terminal, one line an epoch elsewhere; on stderr both.
local status = require "suture.base.status"
local progress = {seconds_text = status.seconds_text}
progress.__index = progress

--- A line for one epoch (a number, or other words) of `steps` steps. quiet: nothing is shown.
function progress.new(epoch, steps, quiet)
  local self = setmetatable({epoch = epoch, steps = steps}, progress)
  self.line = status.new(function(bar, done, r) return self:text(done, r, bar) end, quiet)
  return self
end

--- Seconds since the line began.
function progress:seconds() return self.line:seconds() end

--- An accuracy in three digits; "-" where there is none.
function progress.accuracy_text(acc) return acc and ("%.3f"):format(acc) or "-" end

--- What the line says when `done` steps are done; r: the epoch's figures so far. bar: with a bar in it.
function progress:text(done, r, bar)
  local parts = {type(self.epoch) == "string" and self.epoch .. " " or ("epoch %-2d "):format(self.epoch)}
  if bar then parts[#parts + 1] = status.part(done, self.steps) end
  parts[#parts + 1] = ("%d/%d"):format(done, self.steps)
  if r.loss then parts[#parts + 1] = (" loss %.4g  acc %s"):format(r.loss, progress.accuracy_text(r.acc)) end
  if r.val_loss then parts[#parts + 1] = (" val %.4g %s"):format(r.val_loss, progress.accuracy_text(r.val_acc)) end
  parts[#parts + 1] = " " .. progress.seconds_text(self:seconds())
  if r.note then parts[#parts + 1] = " " .. r.note end
  return table.concat(parts, " ")
end

--- Redraws the bar, at most ten times a second.
function progress:step(done, r) self.line:step(done, r) end

--- Ends the line with the epoch's figures.
function progress:finish(done, r) self.line:finish(done, r) end

return progress
