--- runs: the runs in a folder, as a table to compare.
local columns = require "suture.train.columns"
local fault = require "suture.base.fault"
local folder = require "suture.train.runs.folder"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local suggest = require "suture.base.suggest"
local text = require "suture.base.text"

-- The epoch that counts of a run: the best one, else the last.
local function top(run)
  local best = run.status.best
  return best and run.history[best.epoch] or run.history[#run.history]
end

-- The options in which runs differ, sorted.
local function differing(list)
  local seen, names = {}, {}
  for _, run in ipairs(list) do for k in pairs(run.info.options or {}) do seen[k] = true end end
  for k in pairs(seen) do
    local first = folder.shown((list[1].info.options or {})[k])
    for _, run in ipairs(list) do
      if folder.shown((run.info.options or {})[k]) ~= first and k ~= "quiet" then
        names[#names + 1] = k
        break
      end
    end
  end
  table.sort(names)
  return names
end

local Run = {__name = "run"}
function Run.__index(run, name)
  if name == "best" then return top(run) end
  if name == "options" or name == "seed" then return run.info[name] end
end
function Run.__tostring(run)
  local row, lines = top(run) or {}, {}
  local function line(label, ...) lines[#lines + 1] = ("%-8s "):format(label) .. string.format(...) end
  line(run.name, "%s · %s", run.state, run.info.began or "")
  line("epochs", "%d in %s", #run.history, progress.seconds_text(run.status.seconds or 0))
  if row.loss then
    line("best", "epoch %d: loss %.4g acc %s%s", row.epoch, row.loss, progress.accuracy_text(row.acc),
      row.val_loss and (" · val %.4g %s"):format(row.val_loss, progress.accuracy_text(row.val_acc)) or "")
  end
  line("model", "%s, %d of %d parameters trained", run.info.model and run.info.model.name or "?",
    run.info.model and run.info.model.trained or 0, run.info.model and run.info.model.parameters or 0)
  line("train", "%s", run.info.train and run.info.train.text or "?")
  if run.info.val then line("val", "%s", run.info.val.text) end
  line("files", "%s · open %q, resume %q", run.path, run.path .. "/best.safetensors", run.name)
  return text.safe(table.concat(lines, "\n"))
end

local Runs = {__name = "runs"}
function Runs.__index(list, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  local names = {}
  for _, run in ipairs(list) do
    if run.name == name then return run end
    names[#names + 1] = run.name
  end
  fault("runs: no run %s in %s%s", name, rawget(list, "folder"), suggest.hint(name, names))
end
function Runs.__tostring(list)
  if #list == 0 then return ("no runs in %s · fit(m, train, {run = \"first\"}) makes one"):format(list.folder) end
  local own, some_val = differing(list), false
  for _, run in ipairs(list) do some_val = some_val or (top(run) or {}).val_loss ~= nil end
  local head = {"run", "state", "epochs", "loss", "acc"}
  if some_val then head[#head + 1], head[#head + 2] = "val", "val acc" end
  head[#head + 1] = "time"
  for _, name in ipairs(own) do head[#head + 1] = name end
  local rows = {head}
  for i, run in ipairs(list) do
    local r = top(run) or {}
    local row = {run.name, run.state, tostring(#run.history), folder.shown(r.loss), progress.accuracy_text(r.acc)}
    if some_val then row[#row + 1], row[#row + 2] = folder.shown(r.val_loss), progress.accuracy_text(r.val_acc) end
    row[#row + 1] = progress.seconds_text(run.status.seconds or 0)
    for _, name in ipairs(own) do row[#row + 1] = folder.shown((run.info.options or {})[name]) end
    rows[i + 1] = row
  end
  return columns(rows)
end

-- What plot(runs()) draws: the curves of all runs, on val where there is one.
function Runs.plotted(list)
  local out = {caption = ("%d run%s in %s: on val where there is one"):format(#list, #list == 1 and "" or "s",
    list.folder)}
  for _, one in ipairs {{"loss", "val_loss"}, {"acc", "val_acc", "accuracy"}} do
    local series, any = {}, false
    for i, run in ipairs(list) do
      local points = {}
      for _, row in ipairs(run.history) do
        local v = row[one[2]] or row[one[1]]
        if type(v) == "number" then points[#points + 1] = {row.epoch, v} end
      end
      series[i], any = {name = run.name, points = points}, any or #points > 0
    end
    if any then out[#out + 1] = {"curves", series, {title = one[3] or one[1], x = "epoch", width = 400}} end
  end
  if #out == 0 then fault "plot: none of these runs has finished an epoch" end
  return out
end

--- runs([folder ("runs")]): the runs of a folder, that fit{run = "name"} wrote, as a table that prints itself: how
-- each ended ("done", "running", "interrupted", "killed", …), the figures of its best epoch, and the options in which
-- they differ. runs()[1] and runs().name are one: {name, path, state, history = {{epoch, loss, val_loss, …} …}, best
-- (its best epoch's figures), options, seed, info, status}. plot(runs()) draws their curves; resume(run) goes on with
-- one; open("runs/name/best.safetensors") opens its model.
return function(path)
  if path ~= nil and type(path) ~= "string" then
    fault("runs: expects a folder, as runs \"runs\", got %s", options.show(path))
  end
  local home = path or folder.home
  local list = setmetatable({folder = home}, Runs)
  local names, why = folder.names(home)
  if not names then
    if path ~= nil then
      local run = folder.read(folder.home .. "/" .. path)
      fault("runs: cannot open the folder %s: %s%s", home, why, run and (" · runs()[%q] is the run of that name")
        :format(path) or "")
    end
    return list
  end
  for _, name in ipairs(names) do
    local run = folder.read(home .. "/" .. name)
    if run then list[#list + 1] = setmetatable(run, Run) end
  end
  table.sort(list, function(a, b) return (a.info.began or "") .. a.name < (b.info.began or "") .. b.name end)
  return list
end
