--- The line that shows how an epoch goes: a bar redrawn in a terminal, one line an epoch elsewhere; on stderr both.
local sketch = require "suture.train.sketch"
local status = require "suture.base.status"
local term = require "suture.base.term"
local progress = {seconds_text = status.seconds_text}
progress.__index = progress

local SHOWN = 16 -- epochs of the curve

--- A line for one epoch (a number, or other words) of `steps` steps. quiet: nothing is shown. history: the rows of the
-- epochs before, whose losses a terminal shows as a curve.
function progress.new(epoch, steps, quiet, history)
  local self = setmetatable({epoch = epoch, steps = steps, losses = {}}, progress)
  for i = math.max(1, #(history or {}) - SHOWN + 2), #(history or {}) do
    self.losses[#self.losses + 1] = history[i].loss
  end
  self.line = status.new(function(bar, done, r) return self:text(done, r, bar) end, quiet)
  return self
end

--- Seconds since the line began.
function progress:seconds() return self.line:seconds() end

--- An accuracy in three digits; "-" where there is none.
function progress.accuracy_text(acc) return acc and ("%.3f"):format(acc) or "-" end

-- A number in six characters, so that lines stand one under the other; smaller ones as 1.2e-05.
local function figure(v)
  local size = math.abs(v)
  if v ~= v then return "nan   " end -- C writes "-nan" of some
  if size == math.huge then return ("%-6s"):format(v) end
  if size >= 1e5 or size > 0 and size < 1e-3 then return ("%.1e"):format(v) end
  return ("%.4f"):format(v):sub(1, v < 0 and 7 or 6)
end

--- What the line says when `done` steps are done; r: the epoch's figures so far. bar: with a bar in it.
function progress:text(done, r, bar)
  local parts = {type(self.epoch) == "string" and self.epoch .. " " or ("epoch %-2d "):format(self.epoch)}
  if bar then parts[#parts + 1] = status.part(done, self.steps) end
  parts[#parts + 1] = ("%d/%d"):format(done, self.steps)
  if r.loss then parts[#parts + 1] = (" loss %s  acc %s"):format(figure(r.loss), progress.accuracy_text(r.acc)) end
  if r.val_loss then
    parts[#parts + 1] = (" val %s %s"):format(figure(r.val_loss), progress.accuracy_text(r.val_acc))
  end
  parts[#parts + 1] = " " .. progress.seconds_text(self:seconds())
  if bar and r.loss and #self.losses > 0 and term.columns(table.concat(parts, " ")) + SHOWN + 2 < term.width(2) then
    local ys = table.move(self.losses, 1, #self.losses, 1, {})
    ys[#ys + 1] = r.loss
    parts[#parts + 1] = " " .. sketch(ys, 1)[1]
  end
  if r.note then parts[#parts + 1] = " " .. r.note end
  return table.concat(parts, " ")
end

--- Redraws the bar, at most ten times a second.
function progress:step(done, r) self.line:step(done, r) end

--- Ends the line with the epoch's figures; the curve was the live line's.
function progress:finish(done, r)
  self.losses = {}
  self.line:finish(done, r)
end

return progress
