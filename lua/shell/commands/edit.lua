-- :edit
local interrupt = require "suture.base.interrupt"
local shell = require "suture.shell"

local function read(path)
  local f, message = io.open(path)
  if not f then return nil, message end
  local text = f:read "a"
  f:close()
  return text and text:gsub("%s+$", "") or nil
end

-- Opens the editor; an error when it could not be run or said that it failed.
local function edit(path)
  local editor = os.getenv "VISUAL" or os.getenv "EDITOR" or "vi"
  -- exec: a Ctrl-C in the editor is not to end a shell around it; env: the editor may have VAR=… in front
  local ok, how, code = os.execute(("exec env %s '%s'"):format(editor, (path:gsub("'", "'\\''"))))
  if not ok then shell.fail("%s ended with %s %s: nothing run", editor, how, code) end
end

-- Input n in a file of its own while it is edited → the text as the editor left it.
local function edit_input(n)
  local whole <close> = interrupt.defer()
  local path = os.tmpname()
  os.remove(path)
  path = path .. ".lua" -- editors colour by suffix
  local before = shell.inputs[n] and shell.inputs[n].text or ""
  local f, message = io.open(path, "w")
  if not f then shell.fail("the input cannot be given to an editor: %s", message) end
  f:write(before, before ~= "" and "\n" or "")
  f:close()
  local ok, why = pcall(edit, path)
  local text = read(path) or ""
  os.remove(path)
  if not ok then error(why, 0) end
  if text == before:gsub("%s+$", "") then return shell.say "not changed, so nothing is run" end
  return text
end

local function edit_file(path)
  local folder = path:match "^(.+)/[^/]*$"
  local there = folder and io.open(folder)
  if folder and not there then shell.fail("%s: there is no folder %s", path, folder) end
  if there then there:close() end
  local before = read(path)
  edit(path)
  local text = read(path)
  if text and text == before then return shell.say "not changed, so nothing is run" end
  return text or ""
end

return {
  args = "[FILE | N]", text = "open $EDITOR with the last input (or input N, or a file), then run it", takes = "files",
  instead = "the cell is edited where it stands",
  run = function(rest)
    local n = rest == "" and #shell.inputs or tonumber(rest)
    if rest ~= "" and n and not shell.inputs[n] then shell.fail("no input %s; :history lists them", rest) end
    local text
    if n then text = edit_input(n) else text = edit_file(shell.path(rest)) end
    if not text then return end
    if text == "" then return shell.say "nothing to run" end
    shell.remember(text, true)
    shell.eval(text)
  end,
}
