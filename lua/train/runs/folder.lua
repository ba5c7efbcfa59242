--- A run's folder: what lies where in it, and how it is read and written.
--   run.json             what was trained, on what, with which options, seed and versions
--   status.json          {state = "running", "done", "interrupted", "failed" or "stopped", …}
--   metrics.jsonl        the figures of an epoch a line
--   model-N.safetensors  the model when epoch N was over (0: at first), frozen parts included
--   state.safetensors    all that changes, as the last whole epoch left it: what resume goes on from
--   last.safetensors, best.safetensors   whole models, for open()
--   teacher.safetensors  the model that teaches
--   script.lua           the script, or the lines of the session
--   events.out.tfevents… the figures for TensorBoard
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local Result = require "suture.train.result"
local suggest = require "suture.base.suggest"
local whole = require "suture.base.whole"
local json, image = core.json, core.image
local folder = {}

--- Where runs are that are called by a name alone.
folder.home = "runs"

--- An option or a figure as the tables of runs and sweeps show it.
function folder.shown(v)
  if v == nil then return "-" end
  if type(v) == "number" then return v == v and ("%.4g"):format(v) or "nan" end
  return type(v) == "string" and v or options.show(v)
end

--- The path of the run that a user calls `name`: a name alone is one of "runs/".
function folder.path(what, name)
  if type(name) ~= "string" or name == "" or name:find "[%c]" or name:match "[^/]*$" == "" or name:match "^%.*$" then
    fault('%s: expects the name of a run, as "first" (the folder runs/first), or a path with "/", got %s', what,
      options.show(name))
  end
  return name:find("/", 1, true) and name or folder.home .. "/" .. name
end

function folder.exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

--- The text of a file; nil: it cannot be read.
function folder.text(path)
  local f = io.open(path, "rb")
  local text = f and f:read "a"
  if f then f:close() end
  return text
end

local function without_null(v)
  if v == json.null then return nil end
  if type(v) == "table" then
    for k, x in pairs(v) do v[k] = without_null(x) end
  end
  return v
end

--- A file of JSON as a table; nil: there is none, or it is no such file.
function folder.json(path)
  local text = folder.text(path)
  local v = text and json.decode(text)
  return type(v) == "table" and without_null(v) or nil
end

-- Numbers that JSON has no form for as words.
local function written(v)
  if type(v) == "table" then
    local out = {}
    for k, x in pairs(v) do out[k] = written(x) end
    return out
  end
  if type(v) == "number" and v - v ~= 0 then return v ~= v and "nan" or v > 0 and "inf" or "-inf" end
  if type(v) == "string" and not utf8.len(v) then return (v:gsub("[\x80-\xff]", "?")) end
  return v
end

function folder.encode(v) return json.encode(written(v)) end

local words = {nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge}

--- A table of figures that folder.encode wrote; nil: the text is no such thing.
function folder.decode(line)
  local row = json.decode(line)
  if type(row) ~= "table" then return nil end
  for k, v in pairs(row) do row[k] = words[v] or v end
  return row
end

--- The lines of a file of figures as tables, up to the first that is not whole.
function folder.rows(path)
  local rows = {}
  for line in (folder.text(path) or ""):gmatch "([^\n]*)\n" do
    local row = folder.decode(line)
    if not row then break end
    rows[#rows + 1] = row
  end
  return rows
end

--- The figures of a run, a table an epoch.
function folder.metrics(path) return folder.rows(path .. "/metrics.jsonl") end

function folder.metrics_text(rows)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = folder.encode(row) .. "\n" end
  return table.concat(lines)
end

--- Writes a text file whole or not at all. → true, or nil and why
function folder.put(path, text) return whole(path, text) end

--- Removes a folder and all that is in it, or a file.
function folder.remove(path)
  for _, e in ipairs(image.list(path) or {}) do
    local inner = path .. "/" .. e[1]
    if e[2] == "folder" then folder.remove(inner) else os.remove(inner) end
  end
  os.remove(path)
end

-- ---- processes ----

-- When a process began, in the machine's ticks; nil: there is none of this number.
local function began(pid)
  local stat = folder.text(("/proc/%s/stat"):format(pid))
  local rest = stat and stat:match "^.*%) (.*)$"
  if not rest or rest:sub(1, 1) == "Z" then return nil end
  local k = 0
  for word in rest:gmatch "%S+" do
    k = k + 1
    if k == 20 then return word end
  end
end

local function machine() return ((folder.text "/proc/sys/kernel/random/boot_id" or ""):gsub("%s", "")) end

--- This process, so that another can see whether it lives: {pid =, began =, machine =}.
function folder.self()
  local pid = tonumber((folder.text "/proc/self/stat" or ""):match "^%d+")
  return {pid = pid, began = pid and began(pid), machine = machine()}
end

--- Whether the process of folder.self() lives. On another machine nobody knows: nil.
function folder.lives(process)
  if type(process) ~= "table" or not process.pid then return false end
  if process.machine ~= machine() then return nil end
  return began(process.pid) == process.began
end

-- ---- runs ----

--- The names of the runs in a folder, sorted; nil and why where it cannot be opened.
function folder.names(path)
  local entries, why = image.list(path)
  if not entries then return nil, why end
  local names = {}
  for _, e in ipairs(entries) do
    if e[2] == "folder" and folder.exists(("%s/%s/run.json"):format(path, e[1])) then names[#names + 1] = e[1] end
  end
  table.sort(names)
  return names
end

--- What is known of the run at `path`: {path, name, info (run.json), status, history}; nil where none is.
function folder.read(path)
  local info = folder.json(path .. "/run.json")
  if not info then return nil end
  local status = folder.json(path .. "/status.json") or {state = "unknown"}
  local state = status.state
  if state == "running" and folder.lives(status.process) == false then state = "killed" end
  return {path = path, name = path:match "[^/]*$", info = info, status = status, state = state,
    history = Result.rows(folder.metrics(path))}
end

--- The run that was asked for, a name, a path or what runs() gave, or an error.
function folder.find(what, run)
  local path = type(run) == "table" and type(run.path) == "string" and run.path or folder.path(what, run)
  local found = folder.read(path)
  if found then return found end
  local home = path:match "^(.*)/[^/]*$"
  local names = folder.names(home) or {}
  local hint = suggest.hint(path:match "[^/]*$", names)
  fault("%s: no run %s%s", what, path, hint ~= "" and hint or #names > 0 and
    (" · in %s there are: %s"):format(home, table.concat(names, ", ", 1, math.min(#names, 8))) or
    (" · there is no run in %s"):format(home))
end

return folder
