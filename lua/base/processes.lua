--- Copies of this process that work side by side: each begins with all that is here (models, data, functions), and ends
-- with its piece of work. What they write comes out in the order of the pieces; no copy outlives this process.
local core = require "suture.core"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local process, clock = core.process, core.engine.clock

local processes = {}

local TURN = 100 -- milliseconds between two looks at what was written
local GRACE = 5  -- seconds to end in, for one that was asked to

-- In the copy.
local function work(i, o)
  core.engine.threads(o.threads or 1)
  local ok, err = interrupt.anew(o.work, i)
  if not ok and not interrupt.is(err) then io.stderr:write(tostring(err), "\n") end
  process.leave(ok and 0 or interrupt.is(err) and 130 or 1)
end

local Run = {}
Run.__index = Run

function Run:start(i)
  collectgarbage() -- what nobody holds any more is not to be closed in the copy
  local handle, why = process.fork()
  if handle == false then work(i, self.o) end
  if not handle then fault("%s: no process can begin: %s", self.o.what, why) end
  self.live[#self.live + 1] = {i = i, handle = handle, began = clock(), report = ""}
  self.all[i] = self.live[#self.live]
end

-- What copy p has reported since, line by line; last: it has ended.
function Run:reports(p)
  p.report = p.report .. p.handle:read "report"
  local from = 1
  for line, next_one in p.report:gmatch "([^\n]*)\n()" do
    from = next_one
    if self.o.report then self.o.report(p.i, line) end
  end
  p.report = p.report:sub(from)
end

-- Shows what the first that is not shown yet has written, and those behind it that have ended.
function Run:relay()
  while true do
    local p = self.all[self.shown]
    if not p then return end
    for name, file in pairs {output = io.stdout, errors = io.stderr} do
      local text = p.handle:read(name)
      if text ~= "" and not self.o.quiet then
        file:write(text)
        file:flush()
      end
    end
    if not p.over then return end
    p.handle:close()
    self.shown = self.shown + 1
  end
end

-- Those that have ended, and those whose time is over.
function Run:look()
  local o, now = self.o, clock()
  for k = #self.live, 1, -1 do
    local p = self.live[k]
    self:reports(p)
    local over = p.handle:ended()
    if over then
      self:reports(p)
      over.seconds, over.late, p.over = now - p.began, p.late, true
      table.remove(self.live, k)
      if o.ended then o.ended(p.i, over) end
    else
      if o.timeout and now - p.began > o.timeout and not p.asked then
        p.asked, p.late = now, true
        p.handle:signal "SIGTERM"
      end
      if p.asked and now - p.asked > GRACE then p.handle:signal "SIGKILL" end
    end
  end
end

-- Milliseconds until there is something to look at.
function Run:pause()
  local ms, now = TURN, clock()
  for _, p in ipairs(self.live) do
    local until_then = self.o.timeout and not p.asked and p.began + self.o.timeout - now
    if until_then then ms = math.min(ms, math.max(0, math.ceil(until_then * 1000))) end
  end
  return ms
end

--- processes.run(n, o): n pieces of work, each in a copy of this process, o.jobs of them at a time → the name of the
-- signal that stopped it, or nil. o:
--   what            the function that errors name
--   work(i)         in the copy; threads (1): in how many
--   report(i, line) here, for each line that a copy gave to processes.report
--   ended(i, over)  here: over = {status = or signal =, seconds, cpu = seconds of it, memory = most bytes, what is
--                   shared with this process among them, late: its time was over}
--   timeout         seconds that a copy has; then it is stopped as by SIGTERM, and ended a little later
--   quiet           what they write is not shown
function processes.run(n, o)
  if core.mpi.size > 1 then fault("%s: under mpirun the ranks are the processes", o.what) end
  local self = setmetatable({o = o, live = {}, all = {}, shown = 1}, Run)
  local soft <close> = interrupt.soft()
  local alive <close> = setmetatable({}, {__close = function()
    for _, p in ipairs(self.live) do p.handle:close() end
  end})
  local next_one, stopped = 1, interrupt.over()
  while #self.live > 0 or next_one <= n and not stopped do
    while not stopped and next_one <= n and #self.live < o.jobs do
      self:start(next_one)
      next_one = next_one + 1
    end
    local handles = {}
    for k, p in ipairs(self.live) do handles[k] = p.handle end
    process.wait(handles, self:pause())
    if not stopped and interrupt.pending() then
      stopped = interrupt.last()
      for _, p in ipairs(self.live) do
        p.asked = clock()
        p.handle:signal(stopped == "SIGTERM" and "SIGTERM" or "SIGINT")
      end
    end
    self:look()
    self:relay()
  end
  self:relay()
  if stopped then interrupt.take() end
  return stopped
end

--- processes.report(line): from a copy to the process it is a copy of.
function processes.report(line) return process.report(line .. "\n") end

--- 0: this process is no copy; 1: it is one; 2: one of a copy …
function processes.depth() return process.depth() end

return processes
