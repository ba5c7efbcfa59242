--- A picture that is redrawn in one place of the terminal while it is made, above the line that says how it goes.
local core = require "suture.core"
local term = require "suture.base.term"
local terminal = require "suture.vis.common.terminal"
local clock = core.engine.clock

local ROWS = 18 -- of the terminal that it takes

--- live(wanted): draw, done. draw(make): shows the picture that make() gives, if the time has come: a second after the
-- beginning, then about once a second, and never for more than a tenth of the time. done() takes it away. Both do
-- nothing where it is not wanted or the terminal cannot be drawn on.
return function(wanted)
  local function none() end
  local _, rows = core.term.size(2)
  if not wanted or not term.draws(2) or (rows or 0) < ROWS + 4 or term.width(2) < 40 then return none, none end
  local next_time, shown = clock() + 1, false
  local function home() return shown and ("\r\27[%dA\27[J"):format(ROWS) or "\r\27[K" end
  local function draw(make)
    local began = clock()
    if began < next_time then return end
    local text = terminal.symbols(make(), ROWS)
    next_time = text and math.max(clock() + 1, clock() + 10 * (clock() - began)) or math.huge
    if not text then return end
    local lines = select(2, text:gsub("\n", "\n")) + 1
    io.stderr:write(home(), text, "\27[0m", ("\n"):rep(ROWS - lines + 1)) -- the line that says how it goes stands below
    shown = true
  end
  local function done()
    if shown then io.stderr:write(home()) end
    shown = false
  end
  return draw, done
end
