--- Ctrl-C, and SIGTERM in scripts, for library code that must not be stopped just anywhere.
-- By itself a signal raises "interrupted!" at the next Lua instruction, and the engine stops between two nodes with the
-- same error. Guards change that for a block; they end with it, by an error too:
--
--     local guard <close> = interrupt.soft()    -- a training loop: stop where we look, not where we are hit
--     for … do
--       …
--       do local whole <close> = interrupt.defer(); optimizer:step() end
--       if interrupt.take() then break end
--     end
--
-- Outside the program `suture` (suture.so in another interpreter) nothing is ever pending.
local face = package.loaded["suture.face"]
local interrupt = {}

local function nothing() end
local none = setmetatable({}, {__close = nothing})
local closes_defer = setmetatable({}, {__close = function() face.defer(-1) end})
local closes_soft = setmetatable({}, {__close = function() face.soft(-1) end})

--- Nothing is stopped inside the block: neither Lua code nor the engine. A Ctrl-C that came counts when it ends.
function interrupt.defer()
  if not face then return none end
  face.defer(1)
  return closes_defer
end

--- Inside the block the engine stops at Ctrl-C ("interrupted!"), Lua code goes on and asks `take()` or `pending()`.
-- A second Ctrl-C stops Lua code too.
function interrupt.soft()
  if not face then return none end
  face.soft(1)
  return closes_soft
end

--- Has Ctrl-C come?
function interrupt.pending() return face ~= nil and face.pending() end

--- Has a signal come? → its name ("SIGINT", "SIGTERM"), or nil. It is dealt with thereby: what follows runs. A script
-- exits with 128 and the signal's number all the same.
function interrupt.take() return face and face.take() end

--- The name of the signal that came last, for those who have caught its error.
function interrupt.last() return face and face.last() end

--- Is this error the one that Ctrl-C raises?
function interrupt.is(err) return type(err) == "string" and err:find("interrupted!", 1, true) ~= nil end

--- The name of the signal behind which nothing new is to begin, or nil. In a script it stands to the end, whoever has
-- dealt with it, at the prompt to the end of the line.
function interrupt.over() return face and face.over() end

-- There was no memory, for Lua or for the engine.
local function starved(err)
  if type(err) ~= "string" then return false end
  return (err:find("not enough memory", 1, true) or err:find("out of memory:", 1, true)) ~= nil
end

local function told(ok, err, ...)
  if not ok and interrupt.is(err) then error(err, 0) end
  return ok, err, ...
end

local function through(ok, err, ...)
  if not ok and starved(err) then error(err, 0) end
  return told(ok, err, ...)
end

--- pcall for library code that does without what fails: Ctrl-C and want of memory are no such failures, and go on up.
function interrupt.pcall(f, ...) return through(pcall(f, ...)) end

--- The same for code that tells what failed: only Ctrl-C goes on up.
function interrupt.attempt(f, ...) return told(pcall(f, ...)) end

--- pcall for the work of a copy of this process: the guards that held when it was made do not.
function interrupt.anew(f, ...)
  if not face then return pcall(f, ...) end
  return face.call(function(err) return err end, f, ...)
end

--- For those who caught an error: the name of the signal that raised it, which is dealt with thereby; raises others
-- again.
function interrupt.answered(err)
  if not interrupt.is(err) then error(err, 0) end
  return interrupt.take() or interrupt.last() or "SIGINT"
end

return interrupt
