-- :lesson
local face = package.loaded["suture.face"]
local shell = require "suture.shell"
local term = require "suture.base.term"

local function lesson_folder()
  local exe = face.program_folder() or "."
  for _, folder in ipairs {exe .. "/examples/lessons", "examples/lessons", exe .. "/../share/suture/lessons"} do
    local files = {}
    for _, name in ipairs(face.files(folder)) do if name:find "%.lua$" then files[#files + 1] = name end end
    if #files > 0 then
      table.sort(files)
      return folder, files
    end
  end
  return nil, {}
end

local function read(path)
  local f = assert(io.open(path))
  local text = f:read "a"
  f:close()
  return text
end

-- A lesson is a script: comments are told, code is shown as typed and run; blank lines part the steps.
local function teach(text)
  text = text:gsub("^#![^\n]*\n", "")
  local pending = ""
  local function step()
    if not pending:find "%S" then return true end
    local code = {}
    for line in (pending:gsub("\n$", "") .. "\n"):gmatch "(.-)\n" do
      local words = #code == 0 and line:match "^%-%-+ ?(.*)$"
      if words then shell.say(words, "cyan") else code[#code + 1] = line end
    end
    pending = ""
    if #code == 0 then return true end
    for i, line in ipairs(code) do shell.say((i == 1 and "> " or ">> ") .. line) end
    if shell.state.tty then
      local answer = face.readline(term.paint("dim", "Enter runs this, q leaves the lesson "))
      if not answer or answer:find "^%s*q" then return false end
    end
    shell.eval(table.concat(code, "\n"))
    return not face.pending()
  end
  for line in (text .. "\n"):gmatch "(.-)\n" do
    if line:find "^%s*$" and not (pending:find "%S" and shell.needs_more(pending)) then
      if not step() then return end
      shell.say ""
    else pending = pending .. line .. "\n" end
  end
  step()
end

return {
  args = "[N | NAME]", text = "list the lessons, or take one: it is told and run step by step at this prompt",
  takes = function(word)
    local _, names = lesson_folder()
    local list = {}
    for _, name in ipairs(names) do
      if name:sub(1, #word) == word then list[#list + 1] = (name:gsub("%.lua$", "")) end
    end
    return list
  end,
  run = function(rest)
    local folder, files = lesson_folder()
    if not folder then
      return shell.say "No lessons are installed with this binary (looked for examples/lessons). ? gives an overview."
    end
    if rest == "" then
      for i, name in ipairs(files) do
        local title = read(folder .. "/" .. name):gsub("^#![^\n]*\n", ""):match "^%-%-+%s*([^\n]*)" or ""
        shell.say(("  %2d  %-20s %s"):format(i, name:gsub("%.lua$", ""), title))
      end
      return shell.say "  :lesson N takes one; q leaves it."
    end
    local wanted = tonumber(rest)
    for i, name in ipairs(files) do
      if i == wanted or name == rest or name == rest .. ".lua" then return teach(read(folder .. "/" .. name)) end
    end
    for i, name in ipairs(files) do files[i] = name:gsub("%.lua$", "") end
    shell.fail("no lesson '%s'%s (:lesson lists them)", rest, require("suture.base.suggest").hint(rest, files))
  end,
}
