-- Where one left off: a line for each lesson in $XDG_STATE_HOME/suture/lessons: its name, the title of the step or
-- "done". Kept for people at a terminal only.
local face = package.loaded["suture.face"]
local note = require "suture.base.note"
local shell = require "suture.shell"
local whole = require "suture.base.whole"

local progress = {}
local DONE = "=done"

local function path()
  local base = shell.state.tty and shell.folder("XDG_STATE_HOME", "/.local/state")
  return base and base .. "/suture/lessons"
end

local function read()
  local list, at = {}, path()
  local f = at and io.open(at)
  if not f then return list end
  for line in f:lines() do
    local key, step = line:match "^([^\t]+)\t(.+)$"
    if key then list[key] = step end
  end
  f:close()
  return list
end

--- progress.of(key): the title of the step where one left off; whether the lesson was done to its end.
function progress.of(key)
  local step = read()[key]
  return step ~= DONE and step or nil, step == DONE
end

--- progress.keep(key, title): one is at the step of this title; nil: the lesson is done.
function progress.keep(key, title)
  local at = path()
  if not at then return end
  local list, lines = read(), {}
  list[key] = title or DONE
  for name, step in pairs(list) do lines[#lines + 1] = ("%s\t%s\n"):format(name, step) end
  table.sort(lines)
  face.make_folders(at)
  local ok, why = whole(at, table.concat(lines))
  if not ok then note.once("lessons", ("where you are in the lesson is not kept: %s"):format(why)) end
end

return progress
