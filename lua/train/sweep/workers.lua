--- Processes that make the trials of a sweep side by side. Each takes the next trial that nobody has claimed, until
-- none is left; what came of it lies in the sweep's folder.
local core = require "suture.core"
local folder = require "suture.train.runs.folder"
local interrupt = require "suture.base.interrupt"
local ranks = require "suture.base.ranks"
local trial = require "suture.train.sweep.trial"
local whole = require "suture.base.whole"
local workers = {}

local EINTR = 4 -- a signal came while reading

local function quoted(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- The command that begins a process with the library: this program, or the interpreter that has loaded it.
local function program()
  local face = package.loaded["suture.face"]
  local path = face and face.program_folder and face.program_folder()
  if path and folder.exists(path .. "/suture") then return quoted(path .. "/suture") .. " -q" end
  return ("LUA_CPATH=%s lua5.4 -l suture"):format(quoted(package.cpath))
end

--- The claims of a stretch of work.
local function claims(sweep, round) return ("%s/claims-%s"):format(sweep.path, round) end

-- The trials of `list` that this process gets, one after another; said(k, ok) of each. → true after Ctrl-C
local function taken(sweep, round, list, epochs, said)
  for _, k in ipairs(list) do
    if core.file.make_folder(("%s/%d"):format(claims(sweep, round), k), true) then
      local ok, why = pcall(trial.run, sweep, k, epochs)
      if not ok and interrupt.is(why) or why == "stopped" then return true end
      if not ok then
        whole(trial.path(sweep, k) .. ".error.json", folder.encode {error = trial.why(why)})
      end
      said(k, ok)
    end
  end
end

--- What a worker does: the trials `list`, those that it gets. It says of each "done K" or "failed K".
function workers.work(path, round, list, epochs)
  taken(trial.open(path), round, list, epochs, function(k, ok)
    io.stdout:write(ok and "done " or "failed ", k, "\n")
    io.stdout:flush()
  end)
end

--- The ranks of mpirun make the trials `list`, each those that it gets. → false after Ctrl-C
function workers.ranks(sweep, round, list, epochs, said)
  local first, made, why = core.mpi.rank == 0, true, nil
  if first then
    folder.remove(claims(sweep, round))
    made, why = core.file.make_folder(claims(sweep, round))
  end
  if not made then return nil, why end
  ranks.meet()
  local stopped = ranks.meet(taken(sweep, round, list, epochs, said))
  if first then folder.remove(claims(sweep, round)) end
  return not stopped
end

--- Has `sweep.jobs` processes make the trials `list`; said(k) is called as each ends. → true; nil and why
function workers.run(sweep, round, list, epochs, said)
  folder.remove(claims(sweep, round))
  local ok, why = core.file.make_folder(claims(sweep, round))
  if not ok then return nil, why end
  local how = program()
  local threads = math.max(1, core.engine.threads() // sweep.jobs)
  local numbers = table.concat(list, ", ")
  local code = ("require('suture.core').engine.threads(%d) " ..
    "require('suture.train.sweep.workers').work(%q, %q, {%s}, %s)"):format(threads, sweep.path, round, numbers,
    tostring(epochs))
  local log, parts = sweep.path .. "/workers.log", {}
  for _ = 1, math.min(sweep.jobs, #list) do
    parts[#parts + 1] = ("%s -e %s </dev/null 2>>%s &"):format(how, quoted(code), quoted(log))
  end
  local pipe <close> = io.popen(table.concat(parts, " ") .. " wait", "r")
  local ended = {}
  repeat
    local line, why_not, number = pipe:read "l"
    local k = line and math.tointeger(tonumber(line:match "^%a+ (%d+)$"))
    if k then
      ended[k] = true
      said(k)
    end
  until interrupt.pending() or not line and not (why_not and number == EINTR)
  folder.remove(claims(sweep, round))
  for _, k in ipairs(list) do
    if not ended[k] then return nil, ("a process ended before its trials were done: %s says why"):format(log) end
  end
  return true
end

return workers
