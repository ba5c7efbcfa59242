--- shipped(path): "examples/…" as README and the lessons write it, from wherever one is: the path itself where there is
-- such a file or it names another, else that of the file that came with the program.
local face = package.loaded["suture.face"]

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

-- The folders that the program's own examples may be in: beside it where it was built, share/suture where installed.
local function folders()
  if face then
    local folder = face.program_folder() or "."
    return {folder, folder .. "/../share/suture"}
  end
  local library = package.searchpath("suture", package.cpath)
  local folder = library and library:match "^(.*)/[^/]*$"
  return folder and {folder, folder .. "/../../../share/suture"} or {}
end

return function(path)
  if not path:find "^examples/" or exists(path) then return path end
  for _, folder in ipairs(folders()) do
    local found = folder:gsub("/$", "") .. "/" .. path
    if exists(found) then return found end
  end
  return path
end
