--- whole(path, text): writes a text file whole or not at all: what was there before stays where it cannot be done.
-- Returns true, or nil and why in words, with the path as it was given.

-- Why a file at `path` could not be made; `message` is the system's.
local function reason(path, message)
  local folder = path:match "^(.+)/[^/]*$"
  local there = folder and io.open(folder)
  if there then there:close() end
  local missing = folder and not there and (" (there is no folder %s)"):format(folder) or ""
  return ("%s: cannot save: %s%s"):format(path, message or "is the disk full?", missing)
end

return function(path, text)
  local part = path .. ".part"
  local f, message, code = io.open(part, "w")
  if not f then -- the message begins with the path it was asked for
    return nil, reason(path, code and message:sub(1, #part + 2) == part .. ": " and message:sub(#part + 3) or message)
  end
  local ok
  ok, message = f:write(text)
  if ok then ok, message = f:close() else f:close() end
  if ok then ok, message = os.rename(part, path) end
  if ok then return true end
  os.remove(part)
  return nil, reason(path, message)
end
