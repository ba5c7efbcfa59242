-- What is longer than the screen goes through the program that $PAGER names, where there is a terminal and it is set.
local core = require "suture.core"
local interrupt = require "suture.base.interrupt"
local term = require "suture.base.term"

-- Is the text, of lines no wider than the terminal, longer than it?
local function too_long(text)
  local _, rows = core.term.size(1)
  if not rows or rows < 2 then return false end
  return select(2, text:gsub("\n", "")) + 1 >= rows
end

--- pager(text): shows the text in the pager. → false where it is to be written as it is: it fits, or nobody wants one.
return function(text)
  local program = os.getenv "PAGER"
  if not program or not program:find "%S" or program == "cat" then return false end
  if not (term.tty(0) and term.draws(1)) or not too_long(text) then return false end
  local whole <close> = interrupt.defer()
  local path = os.tmpname() -- no pipe: a pager that is left early would break it
  local f = io.open(path, "w")
  local ok = f and f:write(text, "\n")
  if f then ok = f:close() and ok end
  io.stdout:flush()
  local less = os.getenv "LESS" and "" or "LESS=FRX " -- as git: colours, and what was shown stays on the screen
  -- exec: a Ctrl-C in it is no matter of a shell's
  ok = ok and os.execute(("exec env %s%s <'%s'"):format(less, program, path))
  os.remove(path)
  return ok and true or false
end
