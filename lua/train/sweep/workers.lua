--- Who makes the trials of a sweep side by side: copies of this process, or the ranks of mpirun. What came of a trial
-- lies in the sweep's folder.
local core = require "suture.core"
local folder = require "suture.train.runs.folder"
local interrupt = require "suture.base.interrupt"
local processes = require "suture.base.processes"
local ranks = require "suture.base.ranks"
local trial = require "suture.train.sweep.trial"
local whole = require "suture.base.whole"
local workers = {}

--- Makes trial k up to so many epochs; why it failed is in the folder, too. → true after Ctrl-C
function workers.make(sweep, k, epochs)
  local ok, why = pcall(trial.run, sweep, k, epochs)
  if not ok and interrupt.is(why) or why == "stopped" then return true end
  if not ok then
    assert(whole(trial.path(sweep, k) .. ".error.json", folder.encode {error = trial.why(why)}))
  end
end

--- The ranks of mpirun make the trials `list`, each the next that no other has claimed. → false after Ctrl-C
function workers.ranks(sweep, round, list, epochs, said)
  local claims = ("%s/claims-%s"):format(sweep.path, round)
  local first, made, why = core.mpi.rank == 0, true, nil
  if first then
    folder.remove(claims)
    made, why = core.file.make_folder(claims)
  end
  if not made then return nil, why end
  ranks.meet()
  local stopped = false
  for _, k in ipairs(list) do
    if core.file.make_folder(("%s/%d"):format(claims, k), true) then
      stopped = workers.make(sweep, k, epochs)
      if stopped then break end
      said(k)
    end
  end
  stopped = ranks.meet(stopped)
  if first then folder.remove(claims) end
  return not stopped
end

--- Copies of this process, sweep.jobs at a time, make the trials `list`; said(k) is called as each ends. → true, false
-- after Ctrl-C; nil and why
function workers.run(sweep, list, epochs, said)
  local lost
  local stopped = processes.run(#list, {
    what = "sweep", jobs = sweep.jobs, threads = math.max(1, core.engine.threads() // sweep.jobs),
    work = function(i) workers.make(sweep, list[i], epochs) end,
    ended = function(i, over)
      if over.status == 0 then said(list[i]) else lost = lost or list[i] end
    end,
  })
  if stopped then return false end
  if lost then return nil, ("the process of trial %d ended before the trial was done"):format(lost) end
  return true
end

return workers
