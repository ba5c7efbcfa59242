--- SIGTERM and SIGHUP while a model trains: fit ends at a step's end, the model is saved, and the next start names the
-- file.
local face = package.loaded["suture.face"]
local lines = require "suture.base.lines"
local text = require "suture.base.text"

local emergency = {}

local folder -- where the files are

-- The files that are there, oldest first.
local function files()
  local list = {}
  for _, name in ipairs(face.files(folder)) do
    if name:find "^%d+%-%d+.*%.safetensors$" then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

--- emergency.begin(path, say): the files are in this folder; says which are there since the last start.
function emergency.begin(path, say)
  folder = path
  local told = {}
  local f = io.open(folder .. "/told")
  for name in f and f:lines() or function() end do told[name] = true end
  if f then f:close() end
  local list = files()
  for _, name in ipairs(list) do
    if not told[name] then
      say(("a model in training was saved when the shell was ended: m = open %q"):format(folder .. "/" .. name))
    end
  end
  if not list[1] then return end
  f = io.open(folder .. "/told", "w")
  if f then
    f:write(table.concat(list, "\n"), "\n")
    f:close()
  end
end

--- emergency.save(): the model that trained in the line that ran last, if one did → whether the shell is to end: a
-- signal asks for it.
function emergency.save()
  local signal = face.ending()
  if not signal then return false end
  local m = lines.training
  if m and folder then
    local name = "model"
    for _, root in ipairs(require("suture.model.undo").roots()) do
      if root.module == m then name = root.name:gsub("[^%w_]", "_") end
    end
    local stem, there, n = ("%s/%s-%s"):format(folder, os.date "%Y%m%d-%H%M%S", name), {}, 1
    for _, file in ipairs(files()) do there[folder .. "/" .. file] = true end
    local path = stem .. ".safetensors"
    while there[path] do -- of the same second
      n = n + 1
      path = ("%s-%d.safetensors"):format(stem, n)
    end
    face.make_folders(path)
    local ok, why = pcall(m.save, m, path)
    io.stderr:write(ok and ("%s: %s is saved as %s\n"):format(signal, name, text.plain(path))
      or ("%s: %s cannot be saved: %s\n"):format(signal, name, tostring(why)))
  end
  return true
end

return emergency
