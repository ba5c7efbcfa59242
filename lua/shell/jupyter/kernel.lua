--- The kernel: what Jupyter's front ends ask for, done by the shell (messages: repl/wire.c). A cell runs as the prompt
-- runs a pasted block.
local core = require "suture.core"
local face = package.loaded["suture.face"]
local glob = require "suture.base.glob"
local interrupt = require "suture.base.interrupt"
local journal = require "suture.base.journal"
local shell = require "suture.shell"
local suture = require "suture"
local term = require "suture.base.term"
local transcript = require "suture.shell.transcript"
local words = require "suture.base.text"

local json, wire = core.json, face.wire
local kernel = {}

local WIDE = 100 -- columns of what is shown, as repl/wire.c sets COLUMNS

local told = {} -- what is to be told when there is a cell to tell it below
local count = 0 -- cells that were run and counted
local entries = {} -- {cell, text} of those that are kept in the history
local now -- the request that is being served
local complaints -- what the shell complained of while the cell ran

-- ---- messages ----

local function publish(kind, content) wire.publish(kind, json.encode(content)) end

-- Answers the request, once.
local function reply(request, content)
  if request.answered then return end
  request.answered = true
  content.status = content.status or "ok"
  wire.reply(request.ids, request.kind:gsub("_request$", "_reply"), request.header, json.encode(content))
end

local function lines_of(text)
  local list = words.lines(text)
  return list[1] and list or {""}
end

local function failure(name, text)
  return {status = "error", ename = name, evalue = text, traceback = lines_of(text)}
end

-- ---- what is shown ----

-- A value as the kinds that a front end may choose from: the prompt's text, and what the value's metatable makes of it
-- (__rich(v) → {[kind] = bytes or text}, {[kind] = {width =, height =}}).
local function kinds_of(value, text)
  local mt = debug.getmetatable(value)
  local rich = type(mt) == "table" and rawget(mt, "__rich")
  local data = {["text/plain"] = text}
  if not rich then return data, {} end
  local ok, made, sizes = interrupt.pcall(rich, value)
  if not ok then
    complaints[#complaints + 1] = tostring(made)
    return data, {}
  end
  for kind, bytes in pairs(made or {}) do
    data[kind] = (kind:find "^text/" or kind:find "xml$" or kind:find "json$") and term.safe(bytes)
      or core.base64.encode(bytes)
  end
  return data, sizes or {}
end

local front = {}

function front.show(results, text)
  transcript.heard(text .. "\n")
  if now.silent then return end
  local data, metadata = {["text/plain"] = text}, {}
  if results.n == 2 then data, metadata = kinds_of(results[2], text) end
  publish("execute_result", {execution_count = count, data = data, metadata = metadata})
end

function front.complain(text) complaints[#complaints + 1] = words.screen(text, 2) end

-- ---- running ----

-- → {name = {status =, data =, metadata =}}, each an expression's value as the prompt shows it
local function expressions(list)
  local values = {}
  for name, code in pairs(type(list) == "table" and list or {}) do
    local f, why = load("return " .. tostring(code), "=" .. name, "t")
    local results = f and table.pack(face.call(function(err) return tostring(err) end, f)) or {false, why}
    if results[1] then
      local text = require "suture.shell.inspect"(results[2])
      local data, metadata = kinds_of(results[2], words.screen(text, 1))
      values[name] = {status = "ok", data = data, metadata = metadata}
    else values[name] = failure("Error", words.screen(results[2], 2)) end
  end
  return values
end

-- What a cell is, run. → nil, or what is wrong as the error message has it
local function run(text)
  complaints = {}
  text = shell.without_prompts(text):gsub("%s+$", "")
  local more, ok = shell.feed(text, true)
  if more then ok = shell.eval(more) end -- says what is missing
  local said = table.concat(complaints, "\n")
  if ok or said == "" and ok == nil then
    if said ~= "" then io.stderr:write(said .. "\n") end
    return nil
  end
  local last = shell.inputs[#shell.inputs] or {}
  local why = failure(last.interrupted and "Interrupted" or not last.kind and "SyntaxError" or "Error", said)
  if face.verbose and shell.state.traceback and not last.interrupted then
    why.traceback = lines_of(shell.state.traceback)
  end
  return why
end

local waiting = {} -- requests that had come when a cell failed

local function take_waiting()
  local next_one
  repeat
    next_one = table.pack(wire.next(true))
    if next_one.n > 0 then waiting[#waiting + 1] = next_one end
  until next_one.n == 0
end

local answers = {}

function answers.execute_request(request, c)
  if request.aborted then return reply(request, {status = "aborted"}) end
  local code = c.code
  local keeps = c.store_history ~= false and not request.silent
  if keeps and code:find "%S" then
    count = count + 1
    entries[#entries + 1] = {count, code}
  end
  front.cell = count
  if not request.silent then publish("execute_input", {code = code, execution_count = count}) end
  term.stand_in(c.allow_stdin and WIDE or nil) -- nobody looks on: a line is written when it is done
  while told[1] and not request.silent do shell.say(table.remove(told, 1)) end
  local why = run(code)
  local payload = shell.state.quit and {{source = "ask_exit", keepkernel = false}} or json.none
  if why then
    if c.stop_on_error ~= false then take_waiting() end
    if not request.silent then publish("error", {ename = why.ename, evalue = why.evalue, traceback = why.traceback}) end
    why.execution_count, why.user_expressions, why.payload = count, {}, payload
    return reply(request, why)
  end
  reply(request, {execution_count = count, user_expressions = expressions(c.user_expressions), payload = payload})
end

-- ---- questions about code ----

local looks = setmetatable({}, {__index = function(_, name) return require("suture.shell.jupyter.looks")[name] end})

function answers.complete_request(request, c)
  local found = looks.complete(c.code, c.cursor_pos)
  found.metadata = {}
  reply(request, found)
end

function answers.inspect_request(request, c)
  local text = looks.inspect(c.code, c.cursor_pos, c.detail_level)
  reply(request, {found = text ~= nil, data = text and {["text/plain"] = text} or {}, metadata = {}})
end

function answers.is_complete_request(request, c) reply(request, looks.status(c.code)) end

-- ---- the rest ----

-- Which of the entries are asked for.
local function chosen(c)
  local list, n = {}, math.type(c.n) == "integer" and c.n or #entries
  if c.hist_access_type == "range" then
    for _, e in ipairs(entries) do
      if e[1] >= (c.start or 1) and (not c.stop or e[1] < c.stop) then list[#list + 1] = e end
    end
    return list
  end
  local match = c.hist_access_type == "search" and glob(c.pattern or "*", "history")
  local seen = {}
  for i = #entries, 1, -1 do
    local text = entries[i][2]
    if #list < n and (not match or match(text)) and not (c.unique and seen[text]) then
      table.insert(list, 1, entries[i])
      seen[text] = true
    end
  end
  return list
end

function answers.history_request(request, c)
  local list = {}
  for i, e in ipairs(chosen(c)) do list[i] = {0, e[1], c.output and {e[2], json.null} or e[2]} end
  reply(request, {history = list[1] and list or json.none})
end

local function info()
  return {
    status = "ok", protocol_version = "5.3", implementation = "suture", implementation_version = suture.version,
    banner = require "suture.shell.banner"(true), debugger = false, help_links = json.none,
    language_info = {name = "lua", version = _VERSION:match "%d.*", mimetype = "text/x-lua", file_extension = ".lua",
      pygments_lexer = "lua", codemirror_mode = "lua", nbconvert_exporter = "script"},
  }
end

function answers.kernel_info_request(request) reply(request, info()) end

function answers.shutdown_request(request, c)
  reply(request, {restart = c.restart == true})
  shell.quit()
end

function answers.comm_info_request(request) reply(request, {comms = {}}) end

-- Widgets are Python's: whoever opens one is told that there is nobody.
function answers.comm_open(_, c) publish("comm_close", {comm_id = c.comm_id, data = {}}) end
function answers.comm_msg() end
function answers.comm_close() end

-- ---- the loop ----

-- The message's JSON, checked. → the request, its content; nil: what it says makes no sense, which is told in the log
local function read(ids, header, content)
  local said, why = json.decode(header)
  local kind = type(said) == "table" and said.msg_type
  if type(kind) ~= "string" then return wire.log("a message is passed over: " .. (why or "it has no type")) end
  local c, wrong = json.decode(content)
  if type(c) ~= "table" then return wire.log(("a %s is passed over: %s"):format(kind, wrong or "it has no content")) end
  if not answers[kind] then return wire.log("nothing is known here of a " .. kind) end
  local request = {ids = ids, header = header, kind = kind}
  if kind == "execute_request" or kind == "complete_request" or kind == "inspect_request"
    or kind == "is_complete_request" then
    if type(c.code) ~= "string" then return wire.log(("a %s is passed over: it has no code"):format(kind)) end
    request.silent = kind == "execute_request" and c.silent == true
  end
  return request, c
end

local function done()
  now = nil
  wire.done()
end

-- aborted: a cell failed while it waited: where it is one, it is not run.
local function serve(aborted, ids, header, _, content)
  local ok, request, c = interrupt.pcall(read, ids, header, content)
  if not ok then wire.log("a message is passed over: " .. tostring(request)) end
  if not ok or not request then return end
  request.aborted, now = aborted, request
  wire.begin(header, ids, request.silent, c.allow_stdin == true)
  local good, why = xpcall(answers[request.kind], debug.traceback, request, c)
  if not good then
    wire.log(why)
    if request.kind:find "_request$" then reply(request, failure("Error", words.screen(tostring(why), 2))) end
  end
  done()
end

--- Serves until the front end asks for the end. Called again where memory fails even for this (repl/main.c).
function kernel.loop()
  if now then
    if not now.answered then reply(now, failure("Error", "not enough memory")) end
    done()
  end
  local function next_one(...)
    if not ... then return false end
    serve(false, ...)
    while waiting[1] do serve(true, table.unpack(table.remove(waiting, 1))) end
    return true
  end
  repeat core.engine.rest() until shell.state.quit or not next_one(wire.next())
end

--- kernel.open(path): reads the connection file and is ready for kernel.loop.
function kernel.open(path)
  require("suture.shell.jupyter").missing()
  local f, why = io.open(path)
  local text = f and f:read "a"
  if f then f:close() end
  local connection
  if text then connection, why = json.decode(text) end
  if type(connection) ~= "table" then error(("the connection file %s: %s"):format(path, why or "it is no table"), 0) end
  for _, name in ipairs {"ip", "transport", "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"} do
    if connection[name] == nil then error(("the connection file %s has no %s"):format(path, name), 0) end
  end
  local ok, wrong = wire.open(connection, json.encode(info()))
  if not ok then error(("the connection file %s: %s"):format(path, wrong), 0) end
end

--- What comes before the first request.
function kernel.start()
  face.interactive()
  words.unicode(true)
  transcript.begin()
  shell.front = front
  term.aside = io.stdout
  journal.prompt(true)
  local base = shell.folder("XDG_STATE_HOME", "/.local/state")
  local function tell(text) told[#told + 1] = text end
  if base then require("suture.shell.emergency").begin(base .. "/suture/emergency", tell) end
end

return kernel
