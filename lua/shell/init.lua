--- The prompt: reads lines, runs them as Lua, shows what they give.
local journal = require "suture.base.journal"
local syntax = require "suture.base.syntax"
local suture = require "suture"
local face = package.loaded["suture.face"]
local chunk = require "suture.shell.chunk"
local lines = require "suture.base.lines"
local note = require "suture.base.note"
local term = require "suture.base.term"
local words = require "suture.base.text"

local shell = {
  reader = nil, -- reader(line) → whether a line was for somebody who waits for one (a lesson): asked before all else
  -- Every input: {text =, code =, kind = "expression" | "block" | "statement" | "comment", cut = where a block's last
  -- expression begins, muted =, ok = it ran, gave = it had values}
  inputs = {},
  -- Who shows what comes of an input in place of the terminal (jupyter/kernel.lua): {show(results, text),
  -- complain(text), cell = the number that its users know the input by}
  front = nil,
}

local state = {quit = false, traceback = nil, said_local = false, tty = false, history = nil}
shell.state = state

-- ---- sources of what was typed, for help() and error messages ----

-- Chunks are named "=[7]" after the number of the input.
local function chunk_name(n) return "=[" .. n .. "]" end

--- The text behind the chunk name of an input ("=[7]"), or nil.
function shell.source(name)
  local n = tonumber(name:match "^=%[(%d+)%]$")
  local input = n and (shell.inputs[n] or n == #shell.inputs + 1 and state.running)
  return input and input.code
end

local REMEMBERED = 100 -- inputs that are looked through for a name

--- Whether one of the last inputs made a local variable of this name at its own level.
function shell.was_local(name)
  for n = #shell.inputs, math.max(1, #shell.inputs - REMEMBERED), -1 do
    local input = shell.inputs[n]
    for _, names in ("\n" .. input.text:sub(1, 4096)):gmatch "([\n;])%s*local%s+([%w_,%s<>]+)" do
      if input.ok and names:find("%f[%w_]" .. name .. "%f[^%w_]") then return true end
    end
  end
  return false
end

-- ---- messages ----

--- shell.say(text [, style]): a line or several, safe to show and within the terminal's width.
local function say(text, style)
  text = words.screen(text, 1)
  io.stdout:write(style and term.paint(style, text) or text, "\n")
end
shell.say = say

local function complain(text)
  if shell.front then return shell.front.complain(text) end
  io.stdout:flush()
  io.stderr:write(term.fresh(true), term.paint("red", words.screen(text, 2), 2), "\n")
end
shell.complain = complain

--- shell.called(n): what its users call input n.
function shell.called(n)
  local input = shell.inputs[n] or state.running
  return input and input.cell and "cell " .. input.cell or "input " .. n
end

-- "[7]:2:" as a user at the prompt reads it: the number of the input only where it is an earlier one (:history).
local function place(n, line, code)
  n = tonumber(n)
  local input = n <= #shell.inputs and shell.inputs[n]
  local several = (input and input.code or code or ""):find "\n"
  if not input then return several and ("line %s: "):format(line) or "" end
  return ("%s%s: "):format(shell.called(n), several and (", line %s"):format(line) or "")
end

-- Positions inside the library, and of one-line inputs, tell a user at the prompt nothing. code: of what is being run.
local function without_position(text, code)
  local n, line, rest = text:match "^%[(%d+)%]:(%d+): (.*)$"
  if n then return place(n, line, code or state.running and state.running.code) .. rest end
  return (text:gsub("^suture:lua/[%w_/]+%.lua:%d+: ", ""))
end

-- A traceback with the places in inputs as words.
local function readable(trace)
  local function words_of(n, line) return ("%s, line %s:"):format(shell.called(tonumber(n)), line) end
  return ("\n" .. trace):gsub("%f[%S]%[(%d+)%]:(%d+):", words_of):sub(2)
end

-- Message handler: keeps the traceback, down to the prompt.
local function on_error(err)
  local text = err
  if type(err) ~= "string" then
    local mt = debug.getmetatable(err)
    text = type(mt) == "table" and mt.__tostring and tostring(err)
      or ("(error object is a %s value) %s"):format(type(err), require "suture.shell.inspect"(err))
  end
  if text:find("interrupted!", 1, true) then return {text = "interrupted", traceback = debug.traceback(text, 2)} end
  local ok, better = pcall(require("suture.base.suggest").explain, text, 4)
  text = ok and better or text
  local trace = debug.traceback("", 2):gsub("\n%s*%[C%]: in function 'suture%.face%.call'.*$", "")
    :gsub("\n%s*%[C%]: in field 'call'.*$", ""):gsub("\n%s*%[C%]: in function <.-$", "%0")
  return {text = text, traceback = readable(text .. "\n" .. trace:gsub("^\n", ""))}
end

local function show_error(err)
  if type(err) ~= "table" then err = {text = tostring(err), traceback = tostring(err)} end -- the handler itself failed
  state.traceback = err.traceback
  if face.verbose and err.text ~= "interrupted" then complain(err.traceback)
  else complain(without_position(err.text)) end
end

-- ---- running ----

local function interrupted(err) return type(err) == "table" and err.text == "interrupted" end

-- Runs f(...) so that Ctrl-C stops it and errors are shown. → ok, results…
local function run(f, ...)
  local results = table.pack(face.call(on_error, f, ...))
  if face.echoed() and state.tty then -- after the ^C
    term.fresh()
    say ""
  end
  if not results[1] then show_error(results[2]) end
  return results
end
shell.run_protected = run

-- A picture is shown, where the terminal can; it answers for what it writes. → whether v is one
local function drawn(v)
  local mt = debug.getmetatable(v)
  local own = type(mt) == "table" and rawget(mt, "__prompt")
  if own then
    if state.running then state.running.picture = v end
    if shell.front then return false end
    state.drawing = true
    io.stdout:write(own(v), "\n")
    state.drawing = false
  end
  return own
end

-- code: the expression that they are the values of.
local function show_values(results, code)
  if results.n < 2 or results.n == 2 and drawn(results[2]) then return end
  local texts, tall = {}, false
  local inspect = require "suture.shell.inspect"
  for i = 2, results.n do
    texts[i - 1] = results[i] == note.last and note.last or inspect(results[i])
    tall = tall or texts[i - 1]:find "\n"
  end
  if results.n == 2 then
    texts[1] = require "suture.shell.chain"(code, results[2], texts[1]) or texts[1]
    if type(results[2]) == "string" and results[2] ~= note.last and not shell.front then -- its spaces are its own
      return io.stdout:write(words.plain(texts[1]), "\n")
    end
  end
  local shown = words.screen(table.concat(texts, tall and "\n" or "\t"), 1)
  if shell.front then return shell.front.show(results, shown) end
  if not require "suture.shell.pager"(shown) then io.stdout:write(shown, "\n") end
end

-- A name alone that is nothing: say what it may have been; that is a function: say how to call it.
local function hint_name(code, value)
  local name = code:match "^%s*([%a_][%w_.]*)%s*$"
  if not name then return end
  if type(value) == "function" then
    local hint = name:find "%." and "-- ?%s explains it" or "-- %s() calls it, ?%s explains it"
    say(hint:format(name, name), "dim")
  elseif value == nil then
    local fields = require "suture.base.fields"
    local owner = fields.resolve(name:match "^(.*)%." or name, fields.global)
    if type(owner) == "table" and rawget(owner, "_children") then return end -- modules say themselves what is missing
    local ok, text, unknown = pcall(require("suture.shell.help").text, name)
    if ok and unknown and text:find "did you mean" then say("-- " .. text, "dim") end
  end
end

local function hint_local(code)
  if state.said_local then return end
  local name = code:match "^%s*local%s+function%s+([%a_][%w_]*)" or code:match "^%s*local%s+([%a_][%w_]*)"
  if not name then return end
  local _, uses = code:gsub("%f[%w_]" .. name .. "%f[^%w_]", "")
  if uses > 1 and not code:find "^%s*local%s+function" then return end
  state.said_local = true
  say(("-- local %s is gone after this line; drop `local` to keep it"):format(name), "dim")
end

-- Calls the functions of suture[name]. → false when Ctrl-C stopped one
local function call_hooks(name, ...)
  for _, hook in ipairs(suture[name]) do
    local results = table.pack(face.call(on_error, hook, ...))
    if not results[1] then
      show_error(results[2])
      if interrupted(results[2]) then return false end
    elseif type(results[2]) == "string" and results[2] ~= "" then say(results[2]) end
  end
  return true
end

-- f(...), which is the shell's own work: an error in it is shown and goes no further. → ok, what f returned
local function guarded(f, ...)
  local ok, result = xpcall(f, on_error, ...)
  if not ok then show_error(result) end
  return ok, result
end

-- Runs the input's function and shows its values; what came of it is left in the input.
local function run_input(input, f)
  local ok, go_on = guarded(call_hooks, "_before_line", input.text)
  if ok and not go_on then return end
  local results = run(f)
  input.interrupted = not results[1] and results[2].text == "interrupted"
  input.ok, input.gave = results[1], results[1] and results.n > 1
  if input.gave then
    rawset(_G, "_", results[2])
    if not input.muted then
      local shown = run(show_values, results, input.code:sub((input.cut or 0) + 1))
      if shown[1] and input.kind == "expression" and results.n == 2 then hint_name(input.code, results[2]) end
    end
  end
  if input.ok and input.kind == "statement" then hint_local(input.text) end
end

-- What a run's folder keeps of the session: the inputs so far, and the one that runs.
function lines.session()
  local inputs = {table.unpack(shell.inputs)}
  if state.running then
    local running = {}
    for k, v in pairs(state.running) do running[k] = v end
    running.ok = true
    inputs[#inputs + 1] = running
  end
  return (require "suture.shell.script".of(inputs, (" %s, %s"):format(suture.version, os.date "%Y-%m-%d %H:%M")))
end

--- Runs one complete input as if typed: shows its values (muted: not), keeps it in the session, calls the hooks. → ok
function shell.eval(text, muted)
  local n = #shell.inputs + 1
  local f, kind, code, cut = chunk.compile(text, chunk_name(n))
  local input = {text = text, code = f and code or text, kind = f and kind, cut = cut,
    muted = muted or chunk.muted(text), ok = false, secret = state.secret, cell = shell.front and shell.front.cell}
  state.drawing, lines.training = false, nil
  state.running = input -- what messages look its lines up in
  if not f then
    complain(without_position(syntax.explain(kind), text))
    shell.inputs[n], state.running = input, nil
    return false
  end
  guarded(run_input, input, f)
  shell.inputs[n] = input
  if face.ending() and require "suture.shell.emergency".save() then return shell.quit() end
  face.clear() -- the Ctrl-C that stopped the line has done its work
  guarded(call_hooks, "_after_line", text, input.ok)
  input.changed = journal.line_changed()
  state.running = nil
  face.clear()
  io.stdout:flush()
  return input.ok
end

-- ---- lines ----

local function prompt(first)
  if not state.tty then return "" end
  return first and "> " or ">> "
end

-- One line: string; nil at the end of input; false after Ctrl-C.
local function read_line(first)
  io.stdout:flush()
  io.stderr:flush()
  if state.tty then return face.readline(prompt(first)) end
  return face.gets()
end

-- Keeps an input for the next sessions; one that was typed with a space in front is secret. pasted: its beginning was.
local function remember(text, pasted)
  state.secret = text:sub(1, 1) == " " and not pasted
  if not state.tty or not text:find "%S" or state.secret then return end
  local why = face.history_add(text, state.history)
  if why then
    note(("the history of this session is not kept: %s: %s"):format(state.history, why))
    state.history = nil -- said once
  end
end
shell.remember = remember

--- The text without what is copied along: prompts from a transcript, the line that names a script's program.
function shell.without_prompts(text)
  text = text:gsub("^#![^\n]*\n?", "")
  if not text:find "^%s*>+ " then return text end
  return (("\n" .. text):gsub("\n%s*>+ ", "\n"):sub(2))
end

--- Does this text need more lines to be complete?
function shell.needs_more(text)
  local f, _, more = chunk.compile(text, chunk_name(#shell.inputs + 1))
  return not f and more and not syntax.foreign(text)
end

--- Lines that make no sense as one chunk are run one after the other, as if typed, when each of them is one. Else
-- nothing is run. careful: the first that fails is the last. → the text, when more lines must come first; nil, ok
function shell.feed(text, careful)
  local f = not text:find "\n" or chunk.compile(text, chunk_name(#shell.inputs + 1))
  if f then return nil, shell.input(text) end
  local list, at, why = chunk.pieces(text)
  if list and at then return text end
  local name, made, used
  if list then name, made, used = chunk.lost_local(list) end
  if name then
    at, why = used, ("local %s of line %d is gone by then, as these lines are no one chunk (one is a value to show): "
      .. "drop the `local`"):format(name, made)
  end
  if why then
    local number = 0
    for line in (text .. "\n"):gmatch "(.-)\n" do
      number = number + 1
      if number == at then
        why = ("%s\n  %s\nnothing of the %d lines was run"):format(why, line, select(2, text:gsub("\n", "")) + 1)
      end
    end
    if shell.typed then shell.typed(text) end
    complain(("line %d: %s"):format(at, why))
    return nil, false
  end
  local ok = true
  for _, piece in ipairs(list) do
    if state.quit or careful and not ok then break end
    ok = shell.input(piece.text)
  end
  return nil, ok
end

--- One input: a command (:word), a question (?name), or Lua. → ok
function shell.input(text)
  if shell.typed then shell.typed(text) end
  local name, sign, rest = text:match "^%s*:(%a+)(!?)%s*(.-)%s*$"
  if name and not text:find "^%s*::" then return shell.command(name, rest, sign == "!") end
  local source = text:match "^%s*%?%?%s*(.-)%s*$"
  if source then
    local ok = run(require("suture.shell.help").source, source)[1]
    io.stdout:flush()
    return ok
  end
  local topic = text:match "^%s*%?%s*(.-)%s*$" or text:match "^%s*([%a_][%w_.:]*)%?%s*$"
  if topic then
    local ok = run(require("suture.shell.help").help, topic)[1]
    io.stdout:flush()
    return ok
  end
  if text:find "^%s*$" then return true end
  local word = text:match "^%s*(%a+)%s*[();%s]*$"
  if (word == "exit" or word == "quit") and rawget(_G, word) == nil then return shell.quit() end
  return shell.eval(text)
end

--- Raises an error that is shown as it stands: for commands.
function shell.fail(text, ...) error(select("#", ...) > 0 and text:format(...) or text, 0) end

--- A path as a user writes it behind a command: in quotes or not, ~/ for the home folder.
function shell.path(text) return (text:gsub("^([\"'])(.*)%1$", "%2"):gsub("^~/", (os.getenv "HOME" or "~") .. "/")) end

--- Runs a shell command by name.
function shell.command(name, rest, force)
  local commands = require "suture.shell.commands"
  local command = commands.find(name)
  if not command then
    complain(("no command :%s"):format(name) .. commands.meant(name) .. " (:help lists them)")
    return false
  end
  local ok = run(function()
    if shell.front and command.instead then shell.fail(":%s is for a terminal: %s", name, command.instead) end
    command.run(shell.argument(name, command, rest), force)
  end)[1]
  io.stdout:flush()
  return ok
end

-- What command.accepts says of the words behind a command: "nothing"; nil: any words. → what its run gets
function shell.argument(name, command, rest)
  local accepts = command.accepts
  if accepts == "nothing" and rest ~= "" then shell.fail(":%s takes nothing behind it, got '%s'", name, rest) end
  return not accepts and rest or nil
end

--- Ends the shell after this line.
function shell.quit() state.quit = true end

local LARGE = 4000 -- bytes of an input from which on only lines that may end it are compiled

-- Can the line end what the compiler's message said is open?
local function may_end(line, message)
  local wanted = message:match "'(%a+)' expected" or message:match "'([%]})])' expected"
  return not wanted or line:find(wanted, 1, true) ~= nil
end

-- Takes a line that was read. pending: the lines of an input that is not complete. pasted: "whole" when it was pasted
-- from its beginning on, "part". → the lines that are pending now
local function take(line, pending, pasted)
  if line == nil then
    shell.eval(pending) -- shows why it is not complete
    return nil
  end
  if pending then
    if #pending > LARGE and state.open and not may_end(line, state.open) then return pending .. "\n" .. line end
  else
    line = shell.without_prompts(line)
    local asked = shell.reader and run(shell.reader, line)
    if asked and asked[1] and asked[2] then return nil end
    if line:find "^%s*$" then return nil end
    if chunk.special(line) then
      remember(line, pasted == "whole")
      shell.input(line)
      return nil
    end
    state.pasted = pasted == "whole"
  end
  local text = pending and pending .. "\n" .. line or line
  local f, message, more = chunk.compile(text, chunk_name(#shell.inputs + 1))
  state.open = message
  if not f and more and not syntax.foreign(text) then return text end
  remember(text, state.pasted)
  return (shell.feed(text))
end

--- Reads and runs inputs until Ctrl-D or :quit. Whatever an input does to the shell, the next prompt comes; where
-- memory fails even for the shell's own work, this is called again (repl/main.c).
function shell.loop()
  local pending
  local rest = require("suture.core").engine.rest
  while not state.quit do
    rest()
    local line, pasted = read_line(not pending)
    if line == nil and not pending then break end
    if line == false then pending = nil
    else
      local ok, rest = guarded(take, line, pending, pasted)
      pending = ok and rest or nil
      if not ok then state.running = nil end
    end
  end
end

-- ---- start ----

--- shell.folder(variable, default): the XDG folder that the variable names, else this one of the home folder; nil where
-- there is no home.
local function folder(variable, default)
  local v = os.getenv(variable)
  if v and v:sub(1, 1) == "/" then return v end
  local home = os.getenv "HOME"
  return home and home .. default
end
shell.folder = folder

local function run_rc()
  local base = folder("XDG_CONFIG_HOME", "/.config")
  local path = base and base .. "/suture/rc.lua"
  local f = path and io.open(path)
  if not f then return end
  f:close()
  local chunk, message = loadfile(path, "t")
  if not chunk then return complain(message) end
  run(chunk)
end

--- What comes before the first prompt: history, banner, the user's rc file.
function shell.start()
  face.interactive()
  local c = require("suture.core").term
  state.tty = c.isatty(0)
  require("suture.shell.transcript").begin()
  if state.tty then
    local base = folder("XDG_STATE_HOME", "/.local/state")
    state.history = base and base .. "/suture/history"
    if state.history then face.history_load(state.history) end
    face.completer(function(text) return require("suture.shell.complete").complete(text) end)
    if not face.quiet then say(require "suture.shell.banner"()) end
    if base then require("suture.shell.emergency").begin(base .. "/suture/emergency", say) end
    run_rc()
  end
  journal.enter_prompt()
end

package.loaded["suture.shell"] = shell
return shell
