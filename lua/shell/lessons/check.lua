-- Lessons run unattended: suture lesson run NAME, suture lesson check [NAME | FILE], and :lesson check.
local face = package.loaded["suture.face"]
local shell = require "suture.shell"
local shelf = require "suture.shell.lessons.shelf"
local clock = require("suture.core").term.clock
local words = require "suture.base.text"

local check = {}

local function quoted(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

--- check.run(name): runs a lesson in this process, with all it shows. → the exit status
function check.run(name)
  require("suture.base.journal").keep(true)
  local tutor = require "suture.shell.lessons"
  local lesson = shelf.find(name)
  local ok, step, why = tutor.run(name)
  io.stdout:flush()
  if ok then return 0 end
  io.stderr:write(("suture: %s:%d: step “%s”: %s\n"):format(lesson.path, (step.check or step).line, step.title, why))
  return 1
end

-- A lesson in a process of its own → whether it went well, what it showed, seconds
local function apart(name)
  local program = (face.program_folder() or "") .. "/suture"
  local began = clock()
  local pipe = assert(io.popen(("%s -q lesson run %s </dev/null 2>&1"):format(quoted(program), quoted(name))))
  local text = pipe:read "a"
  local ok = pipe:close()
  return ok, text, clock() - began
end

--- check.all(names): runs each in a process of its own and says how it went. → the exit status
function check.all(names)
  local failed = 0
  for _, name in ipairs(names) do
    local lesson = shelf.find(name)
    local ok, text, seconds = apart(name)
    shell.say(("%-6s %-17s %2d steps  %5.1f s"):format(ok and "ok" or "FAILED", name, #lesson, seconds))
    io.stdout:flush()
    if not ok then
      failed = failed + 1
      local why = text:match "suture: ([^\n]*)\n?$" or text:match "([^\n]*)\n?$"
      shell.say("       " .. why)
      if face.verbose then shell.say(text) else shell.say("       suture lesson run " .. name .. " shows all of it") end
    end
  end
  if failed > 0 and #names > 1 then shell.say(("%d of %s failed"):format(failed, words.plural(#names, "lesson"))) end
  return failed > 0 and 1 or 0
end

--- check.main(what, name): the words behind `suture lesson`. → the exit status; an error in words for what is none
function check.main(what, name)
  if what == nil then
    for _, each in ipairs(shelf.names()) do print(("%-17s  %s"):format(each, shelf.title(each))) end
    return 0
  end
  if what == "run" and name then return check.run(name) end
  if what == "check" then return check.all(name and {name} or shelf.names()) end
  shell.fail("suture lesson, lesson check [NAME | FILE] or lesson run NAME, not 'lesson %s'", what)
end

return check
