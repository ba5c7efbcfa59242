--- The shell's commands: lines that start with a colon.
local shell = require "suture.shell"
local suture = require "suture"
local term = require "suture.base.term"
local face = package.loaded["suture.face"]
local commands, say = shell.commands, shell.say

-- `args` is how the arguments are written, `text` what :help says.
local function command(name, args, text, run) commands[name] = {args = args, text = text, run = run} end

local function fail(...) error((...):format(select(2, ...)), 0) end

command("help", "[COMMAND | NAME]", "this list, or about one thing", function(rest)
  if rest ~= "" then
    local name = rest:match "^:?(%a+)$"
    local c = name and commands[name]
    if c then return say((":%s %s"):format(name, c.args):gsub("%s+$", ""), "\n  ", c.text) end
    return require("suture.shell.help").help(rest)
  end
  local names, width = {}, 0
  for name, c in next, commands do
    names[#names + 1] = name
    width = math.max(width, #name + #c.args + 2)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local c = commands[name]
    say(("  %-" .. width .. "s  %s"):format((":%s %s"):format(name, c.args), c.text))
  end
  say "  ?NAME or help(x) tells about anything in Lua; everything else on a line is Lua."
end)

local function library(name)
  return function(rest)
    local f = suture[name]
    if not f then fail("%s() is not part of this build", name) end
    local n = tonumber(rest)
    if rest ~= "" and not n then fail(":%s takes a number of steps, not '%s'", name, rest) end
    for _ = 1, n or 1 do
      local result = f()
      if type(result) == "string" then say(result) end
    end
  end
end
command("undo", "[N]", "take back the last surgery or fit, as undo()", library "undo")
command("redo", "[N]", "bring back what was undone, as redo()", library "redo")

command("quit", "", "leave, as Ctrl-D does", function() shell.quit() end)

command("traceback", "", "where the last error came from", function()
  say(shell.state.traceback or "no error so far")
end)

command("history", "[N]", "the last N inputs of this session (default all); ✗ marks those that failed", function(rest)
  local n = tonumber(rest)
  if rest ~= "" and not n then fail(":history takes a number, not '%s'", rest) end
  local all = shell.inputs
  for i = math.max(1, n and #all - n + 1 or 1), #all do
    local text = all[i].text:gsub("\n", "\n       ")
    say(("%4d %s %s"):format(i, all[i].ok and " " or "✗", text))
  end
end)

command("time", "CHUNK", "run Lua and say how long it took", function(rest)
  if rest == "" then fail ":time takes something to run, as in  :time m(x)" end
  local clock = require("suture.core").term.clock
  local start = clock()
  local ok = shell.eval(rest)
  local seconds = clock() - start
  if not ok then return end
  local text = seconds >= 1 and ("%.3f s"):format(seconds) or seconds >= 1e-3 and ("%.3f ms"):format(seconds * 1e3)
    or ("%.1f µs"):format(seconds * 1e6)
  say(term.paint("dim", text))
end)

-- ---- :save ----

local mark = "-- Saved from a session of Suture"

-- Is `_` looked at by the inputs after i, before another value takes its place?
local function last_value_used(list, i)
  for j = i + 1, #list do
    if list[j].code:find "%f[%w_]_%f[^%w_]" then return true end
    if list[j].kind == "expression" or list[j].kind == "block" then return false end
  end
  return false
end

-- The expression that input i is, or ends in, as a statement of a script.
local function expression_as_script(list, i, code)
  local input, comment = list[i], ""
  code = code:gsub("^%s+", ""):gsub("[%s;]+$", "")
  if not load("return " .. code .. "\n") or code:find "%-%-" then comment = "\n" end -- a comment ends the last line
  if input.muted then code = code:gsub(";%s*(%-%-[^\n]*)$", " %1") end
  if last_value_used(list, i) then return ("_ = %s"):format(code) .. (input.muted and "" or "\nprint(_)") end
  local call = load(code, "", "t") ~= nil
  if call and (input.muted or not input.gave) then return code end
  if input.muted then return ("local _ = %s"):format(code) end
  return ("print(%s%s)"):format(code, comment)
end

-- An input as statements of a script.
local function as_script(list, i)
  local input = list[i]
  if input.kind == "expression" then return expression_as_script(list, i, input.code) end
  local code = input.text
  if input.kind == "block" then
    code = code:sub(1, input.cut):gsub("[%s;]*$", "") .. "\n" .. expression_as_script(list, i, code:sub(input.cut + 1))
  end
  -- At the prompt locals ended with their input.
  if ("\n" .. code):find "[\n;]%s*local%f[^%w_]" then code = "do\n" .. code .. "\nend" end
  return code
end

--- The session's successful inputs as the text of a script.
function shell.script()
  local list = {}
  for _, input in ipairs(shell.inputs) do if input.ok then list[#list + 1] = input end end
  local out = {"#!/usr/bin/env suture", ("%s %s, %s"):format(mark, suture.version, os.date "%Y-%m-%d %H:%M")}
  for i = 1, #list do out[#out + 1] = as_script(list, i) end
  return table.concat(out, "\n") .. "\n", #list
end

command("save", "FILE", "write what worked in this session as a script that runs (:save! overwrites a file of yours)",
  function(rest, force)
    if rest == "" then fail ":save takes a file name, as in  :save session.lua" end
    local path = rest:gsub("^[\"'](.*)[\"']$", "%1"):gsub("^~/", (os.getenv "HOME" or "~") .. "/")
    local old = io.open(path)
    if old then
      local head = old:read(400) or ""
      old:close()
      if not force and head ~= "" and not head:find(mark, 1, true) then
        fail("%s exists and is no saved session; :save! %s overwrites it", path, rest)
      end
    end
    local text, n = shell.script()
    local temporary = path .. ".new"
    local f = assert(io.open(temporary, "w"))
    local ok, message = f:write(text)
    ok = f:close() and ok
    if ok then ok, message = os.rename(temporary, path) end
    if not ok then
      os.remove(temporary)
      fail("%s could not be written: %s", path, message or "disk full?")
    end
    face.executable(path)
    say(("%d input%s saved: suture %s runs them"):format(n, n == 1 and "" or "s", rest))
  end)

-- ---- :edit ----

command("edit", "[FILE | N]", "open $EDITOR with the last input (or input N, or a file), then run it", function(rest)
  local file = rest ~= "" and not tonumber(rest) and rest or nil
  local path = file or os.tmpname()
  local before
  if not file then
    local n = tonumber(rest) or #shell.inputs
    if rest ~= "" and not shell.inputs[n] then fail("no input %s; :history lists them", rest) end
    before = shell.inputs[n] and shell.inputs[n].text or ""
    os.rename(path, path .. ".lua") -- editors colour by suffix
    path = path .. ".lua"
    local f = assert(io.open(path, "w"))
    f:write(before, before ~= "" and "\n" or "")
    f:close()
  end
  local editor = os.getenv "VISUAL" or os.getenv "EDITOR" or "vi"
  local ok, how, code = os.execute(("%s '%s'"):format(editor, (path:gsub("'", "'\\''"))))
  local f = ok and io.open(path)
  local text = f and f:read("a"):gsub("%s+$", "")
  if f then f:close() end
  if not file then os.remove(path) end
  if not ok then fail("%s ended with %s %s: nothing run", editor, how, code) end
  if not text or text == "" then return say "nothing to run" end
  if face.history_add and shell.state.tty then face.history_add(text, shell.state.history) end
  shell.eval(text)
end)

-- ---- :lesson ----

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
      if words then say(term.paint("cyan", words)) else code[#code + 1] = line end
    end
    pending = ""
    if #code == 0 then return true end
    for i, line in ipairs(code) do say(i == 1 and "> " or ">> ", line) end
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
      say ""
    else pending = pending .. line .. "\n" end
  end
  step()
end

command("lesson", "[N | NAME]", "list the lessons, or take one: it is told and run step by step at this prompt", function(rest)
  local folder, files = lesson_folder()
  if not folder then
    return say "No lessons are installed with this binary (looked for examples/lessons). ? gives an overview."
  end
  if rest == "" then
    for i, name in ipairs(files) do
      local title = read(folder .. "/" .. name):gsub("^#![^\n]*\n", ""):match "^%-%-+%s*([^\n]*)" or ""
      say(("  %2d  %-20s %s"):format(i, name:gsub("%.lua$", ""), title))
    end
    return say "  :lesson N takes one; q leaves it."
  end
  local wanted = tonumber(rest)
  for i, name in ipairs(files) do
    if i == wanted or name == rest or name == rest .. ".lua" then return teach(read(folder .. "/" .. name)) end
  end
  for i, name in ipairs(files) do files[i] = name:gsub("%.lua$", "") end
  fail("no lesson '%s'%s (:lesson lists them)", rest, require("suture.base.suggest").hint(rest, files))
end)

return commands
