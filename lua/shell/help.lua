--- help(x) and ?name: the `---` comment above a function, class or module, read from its source.
local docs = require "suture.base.docs"
local fields = require "suture.base.fields"
local suggest = require "suture.base.suggest"
local term = require "suture.base.term"
local text = require "suture.base.text"
local embedded = require "suture.embedded"
local split = text.lines

local help = {}

-- The text a chunk was made of: embedded file, file on disk, or lines typed at the prompt.
local function source_text(source)
  local own = embedded.path(source)
  if own then return embedded.source(own) end
  if source:sub(1, 1) == "@" then
    local f = io.open(source:sub(2))
    if not f then return nil end
    local text = f:read "a"
    f:close()
    return text
  end
  local shell = package.loaded["suture.shell"]
  return shell and shell.source(source)
end

-- The comment that ends just above lines[n], without its dashes; nil unless it begins with `---` (or is the user's
-- own).
local function comment_above(lines, n, any)
  local first = n
  while first > 1 and lines[first - 1]:find "^%s*%-%-" do first = first - 1 end
  while first < n and not any and not lines[first]:find "^%s*%-%-%-" do first = first + 1 end
  if first == n then return nil end
  local out = {}
  for i = first, n - 1 do out[#out + 1] = (lines[i]:gsub("^%s*%-%-+ ?", "")) end
  return table.concat(out, "\n")
end

-- LDoc's tags as plain text.
local function plain(doc)
  return (doc:gsub("@t?param%s+", "  "):gsub("@return%s+", "returns "):gsub("@usage%s*", "example: ")
    :gsub("@%a+%s*", ""))
end

-- "(a, b, ...)" of a Lua function; the first parameter is left out for methods.
local function parameters(f, method)
  local info = debug.getinfo(f, "u")
  local names = {}
  for i = 1, info.nparams do names[i] = debug.getlocal(f, i) end
  if info.isvararg then names[#names + 1] = "..." end
  if names[1] == "self" or method then table.remove(names, 1) end
  return "(" .. table.concat(names, ", ") .. ")"
end

local function_doc
function function_doc(f)
  local registered = docs[f]
  if type(registered) == "function" then return function_doc(registered) end -- f stands for it
  if registered then return registered end
  local info = debug.getinfo(f, "S")
  if info.what == "C" then return nil end
  local text = source_text(info.source)
  if not text then return nil end
  local doc = comment_above(split(text), info.linedefined, not embedded.path(info.source))
  if doc or info.linedefined > 1 then return doc end
  -- At the prompt the comment lines came as inputs of their own.
  local shell, n = package.loaded["suture.shell"], tonumber(info.source:match "^=%[(%d+)%]$")
  local lines = {""}
  while n and n > 1 and shell.inputs[n - 1].kind == "comment" do
    n = n - 1
    table.insert(lines, 1, shell.inputs[n].text)
  end
  lines = split(table.concat(lines, "\n"))
  return comment_above(lines, #lines, true)
end

-- A class: has an init of its own or a _super, and can be called.
local function class_of(v)
  if type(v) ~= "table" then return nil end
  if type(rawget(v, "init")) == "function" or rawget(v, "_super") then return v end
  local mt = debug.getmetatable(v)
  if type(mt) == "table" and (type(rawget(mt, "init")) == "function" or rawget(mt, "_super")) then return mt, true end
  return nil
end

local function class_name(class)
  local n = rawget(class, "__name") or rawget(class, "_name") or rawget(class, "name")
  return type(n) == "string" and n or nil
end

local function class_doc(class)
  local registered = docs[class]
  if registered then return registered end
  local f = rawget(class, "init") or rawget(class, "forward")
  if type(f) ~= "function" then
    for _, v in next, class do if type(v) == "function" then f = v break end end
  end
  if type(f) ~= "function" then return nil end
  local info = debug.getinfo(f, "S")
  local text = info.what ~= "C" and source_text(info.source)
  if not text then return nil end
  local lines, name = split(text), class_name(class)
  if name then
    for i, line in ipairs(lines) do
      if line:find("class%s*%(?%s*[\"']" .. name:gsub("%p", "%%%0") .. "[\"']") then
        local doc = comment_above(lines, i, not embedded.path(info.source))
        if doc then return doc end
      end
    end
  end
  return comment_above(lines, info.linedefined, not embedded.path(info.source))
end

-- Words that fit: where they do not, those before the last comma or colon that does, if that is more than half.
local function fitted(words, room)
  local short = text.cut(words, room)
  if short == words then return words end
  local clause = short:match "^(.*%S)[:;,] [^:;,]*$"
  return clause and #clause * 2 > room and clause or short
end

-- What a doc comment says in one line about `name`, without repeating the name.
local function summary(doc, name, room)
  local line = doc and (doc .. "\n\n"):match "^(.-)\n%s*\n":gsub("%s*\n%s*", " ") or ""
  local head, rest = line:match "^([%w_.:]+)(.*)$"
  if head and (head:match "[%w_]+:?$" or ""):gsub(":$", "") == name then
    local after = rest:match "^%b():%s*(.+)$" or (head:sub(-1) == ":" and rest:match "^%s*(.+)$")
      or rest:match "^:%s*(.+)$"
    line = after or rest:match "^%b()%.?$" or rest:match "^%([^()]*{.*$" or line
  end
  return fitted(term.safe(line, true), room)
end

-- Does the text begin with the name it is about? Then it needs no title.
local function titled(doc, name)
  return doc ~= nil and name ~= nil and doc:sub(1, #name) == name and not doc:find("^[%w_]", #name + 1)
end

-- One line for each public field.
local function contents(t)
  local names, rows, width = fields.of(t), {}, 0
  local list = {}
  local children = type(t) == "table" and rawget(t, "_children") or {}
  for k, v in next, names do
    if k:sub(1, 1) ~= "_" and k ~= "init" and not children[k]
      and (type(v) == "function" or v == false or class_of(v)) then
      list[#list + 1] = k
    end
  end
  table.sort(list)
  for _, k in ipairs(list) do width = math.max(width, math.min(#k, 24)) end
  local room = term.width() - width - 5
  if room < 24 then room = math.huge end -- the line is broken between words
  for _, k in ipairs(list) do
    local v = names[k]
    if v == false then v = fields.step(t, k) end
    local doc
    if type(v) == "function" then doc = function_doc(v)
    elseif class_of(v) then doc = class_doc(v) end
    rows[#rows + 1] = ("  %-" .. width .. "s  %s"):format(k, summary(doc, k, room)):gsub("%s+$", "")
  end
  return rows
end

-- The head comment of the file that a loaded library table came from.
local function module_doc(t)
  for name, value in next, package.loaded do
    if value == t and type(name) == "string" and name:find "^suture" then
      local path = "lua" .. name:gsub("^suture", ""):gsub("%.", "/")
      local text = embedded.source(path .. ".lua") or embedded.source(path .. "/init.lua")
      local doc = text and text:match "^%-%-%-[^\n]*\n"
      if doc then
        local lines = split(text)
        local n = 1
        while lines[n] and lines[n]:find "^%-%-" do n = n + 1 end
        return comment_above(lines, n)
      end
    end
  end
end

local lua_manual = "https://www.lua.org/manual/5.4/manual.html#pdf-"

-- The name of a function of Lua's own library, or nil.
local function standard_name(f)
  for _, lib in ipairs {"_G", "string", "table", "math", "io", "os", "coroutine", "utf8", "debug", "package"} do
    for k, v in next, package.loaded[lib] or {} do
      if v == f and type(k) == "string" then return lib == "_G" and k or lib .. "." .. k end
    end
  end
end

local kinds = {optimizer = "opt", scheduler = "schedule", ["suture.dataset"] = "ds", graph = "graph",
  ["suture.tensor"] = "x"}

-- The name that examples have for what a user calls `name`; nil where it is none of the library's.
local function known_as(name, v)
  local suture = require "suture"
  if suture._names[name] then return suture[name] == v and name or nil end
  local owner, last = name:match "^(.*)[.:]([%a_][%w_]*)$"
  local of = owner and fields.resolve((owner:gsub(":", ".")), fields.global)
  if of == nil then return nil end
  if type(of) == "table" and rawget(of, "_children") then return "m:" .. last end
  local mt = debug.getmetatable(of)
  local kind = type(mt) == "table" and kinds[rawget(mt, "__name")]
  if kind then return kind .. ":" .. last end
  return (suture._names[name:match "^[%w_]+"] or name:find "^suture%.") and name or nil
end

local function describe(v, name)
  local known = name and known_as(name, v)
  while type(v) == "function" and type(docs[v]) == "function" do v = docs[v] end -- what it stands for
  local out = {}
  local function say(words, style)
    if words and words ~= "" then out[#out + 1] = style and term.paint(style, words) or term.safe(words) end
  end
  local class, instance = class_of(v)
  if type(v) == "function" then
    local doc = function_doc(v)
    local info = debug.getinfo(v, "S")
    local standard = info.what == "C" and standard_name(v)
    if titled(doc, name) then -- its first line says how to call it
    elseif info.what ~= "C" then
      say((name or "function") .. parameters(v, name and name:find ":"), "bold")
    elseif not doc then
      say(standard or name or "function", "bold")
      if standard then doc = "A function of Lua: " .. lua_manual .. standard end
    end
    say(doc and plain(doc) or "No doc comment: write one with --- above the function.")
    if info.what ~= "C" then
      local where = embedded.path(info.source) or info.source:match "^@(.*)$" or "typed at the prompt"
      say(("%s:%d"):format(where, info.linedefined), "dim")
    end
  elseif class then
    local init = fields.of(class).init
    local title = (not instance and name) or class_name(class) or "class"
    local doc = class_doc(class)
    if not titled(doc, title) then
      say(title .. (type(init) == "function" and parameters(init, true) or ""), "bold")
    end
    say(plain(doc or "No doc comment: write one with --- above the class."))
    if instance then
      local rows = contents(v)
      if #rows > 0 then say(table.concat(rows, "\n")) end
    end
  elseif type(v) == "table" or type(v) == "userdata" then
    local mt = debug.getmetatable(v)
    local label = type(mt) == "table" and rawget(mt, "__name")
    local doc = docs[v] or module_doc(v)
    if not titled(doc, name) then say(name or (type(label) == "string" and label) or type(v), "bold") end
    say(doc and plain(doc))
    local rows = contents(v)
    if #rows > 0 then say(table.concat(rows, "\n"))
    elseif not doc then say("A " .. type(v) .. " without functions.") end
  else
    say(("%s%s: %s"):format(name and name .. " is a " or "A ", type(v), tostring(v)))
  end
  if known and (type(v) == "function" or class and not instance) then
    say("example\n  " .. require("suture.shell.examples").of(known):gsub("\n", "\n  "), "dim")
  end
  return table.concat(out, "\n")
end

--- help.about(name, value) → the text of a public name, and what it says in one line.
function help.about(name, value)
  local doc
  if type(value) == "function" then doc = function_doc(value) else doc = class_of(value) and class_doc(value) end
  doc = doc and plain(doc) or ""
  return doc, summary(doc, name:match "[%w_]+$" or name, math.huge)
end

--- help.signature(name, value) → how a function or a class is called, in one line: the beginning of its text, or its
-- parameters' names; nil for other values.
function help.signature(name, value)
  local class = class_of(value)
  if type(value) ~= "function" and not class then return nil end
  local doc = help.about(name, value):gsub("\n%s*", " ")
  local last = name:match "[%w_]+$"
  local head = doc:match("^[%w_.:]*%f[%w_]" .. last .. "%b()") or doc:match("^[%w_.:]*%f[%w_]" .. last .. "%b{}")
  if head then return head end
  while type(value) == "function" and type(docs[value]) == "function" do value = docs[value] end
  if type(value) == "function" and debug.getinfo(value, "S").what ~= "C" then
    return name .. parameters(value, name:find ":" and debug.getlocal(value, 1) == "self")
  end
end

-- The lines of a function's or a class's definition, with the comment above them → lines, where they are.
local function definition(v)
  local class = class_of(v)
  local first, last, source = math.huge, 0, nil
  local function take(f)
    while type(f) == "function" and type(docs[f]) == "function" do f = docs[f] end -- what it stands for
    local info = type(f) == "function" and debug.getinfo(f, "S")
    if not info or info.what == "C" or source and info.source ~= source then return end
    source = info.source
    first, last = math.min(first, info.linedefined), math.max(last, info.lastlinedefined)
  end
  if type(v) == "function" then take(v)
  elseif class then
    take(rawget(class, "forward") or rawget(class, "init"))
    for _, f in next, class do take(f) end
  end
  local text = source and source_text(source)
  if not text then return nil end
  local lines = split(text)
  local name = class and class_name(class)
  for i, line in ipairs(name and lines or {}) do -- where a class is declared
    if i < first and line:find("[\"']" .. name .. "[\"']") then first = i break end
  end
  while first > 1 and lines[first - 1]:find "^%s*%-%-" do first = first - 1 end
  if class and last < #lines and lines[last]:find "^%s" then -- the declaration goes on behind its last function
    while last < #lines and not lines[last]:find "^[%]})]" and not lines[last + 1]:find "^%S" do last = last + 1 end
    if lines[last + 1] and lines[last + 1]:find "^[})]" then last = last + 1 end
  end
  local where = embedded.path(source) or source:match "^@(.*)$" or "typed at the prompt"
  return table.concat(lines, "\n", math.max(first, 1), math.min(last, #lines)), ("%s:%d"):format(where, first)
end

local overview = [[
Suture is Lua 5.4 with networks in it. An expression shows its value; = in front too; ; at the end mutes.
  ?name, help(x)      about a function, a class, a module: ?fit  ?nn.Conv2d  ?zoo  ?m:freeze; ??fit shows its source
  :apropos word       names whose help speaks of a word
  :help               the shell's own commands (:save :edit :time :history :undo :quit …)
  Tab                 completes names, methods, module paths inside strings, files
  Ctrl-C, Ctrl-D      stop what runs or clear the line; leave
To open   zoo.resnet18{pretrained = true}   open("file.pth")   zoo.list()
To look   m   m:graph()   m:summary()   m:audit()   m:cost()   m:profile()
To cut    m:freeze()   m.fc = nn.Linear(512, 2)   m:replace(path, new)   undo()
To train  data.folder("train", {transform = m})   fit(m, train, {val = val})   evaluate(m, val)
To keep   m:save("m.safetensors")   :save session.lua
To count  from 0: classes, dimensions, places, samples, m.layer4[1], as in PyTorch; from 1: Lua's lists (ds.classes,
          x.shape, x:tolist()); ds:class_name(y) names a class]]

-- "no global 'fitt': did you mean fit?"
local function unknown(text)
  local owner, sign, last = text:match "^(.*)([.:])([^.:]+)$"
  if not owner then return ("no global '%s'"):format(text) .. suggest.hint(text) end
  local value = fields.resolve((owner:gsub(":", ".")), fields.global)
  if value == nil then return unknown(owner) end
  return ("no %s '%s' in %s"):format(sign == ":" and "method" or "field", last, owner)
    .. suggest.hint(last, fields.of(value))
end

-- The thing called `text` ("nn.Conv2d", "m:freeze", "m.layer4[1]"), found without running user code.
local function find(text)
  local value = fields.resolve((text:gsub(":", ".")), fields.global)
  if value == false then value = nil end
  return value
end

--- What help(x) prints, as text. A string is looked up as a name first.
function help.text(x)
  if x == nil then return overview end
  if type(x) == "string" then
    local name = x:match "^%s*(.-)%s*$"
    if name == "" then return overview end
    local command = name:match "^:(%a+)$"
    if command then
      local c = require "suture.shell.commands".find(command)
      if c then
        local head = (":%s %s"):format(command, c.args):gsub("%s+$", "")
        return head .. "\n  " .. c.text .. (c.more and "\n" .. c.more or "")
      end
      return ("no command :%s"):format(command) .. require "suture.shell.commands".meant(command)
    end
    local value = find(name)
    if value ~= nil then return describe(value, name) end
    if name:find "^[%a_][%w_.:%[%]]*$" then return term.safe(unknown(name)), true end
    return describe(x)
  end
  -- The name it goes by, where it is a global of the library.
  local suture = require "suture"
  for k in next, suture._names do
    local v = rawget(suture, k)
    if v ~= nil and v == x then return describe(x, k) end
    if type(v) == "table" and type(x) ~= "table" or class_of(x) then
      for field, part in next, type(v) == "table" and v or {} do
        if part == x and type(field) == "string" then return describe(x, k .. "." .. field) end
      end
    end
  end
  for k, v in next, _G do
    if v == x and type(k) == "string" and k ~= "_" and (type(x) == "function" or class_of(x)) then
      return describe(x, k)
    end
  end
  return describe(x)
end

local function put(shown)
  shown = text.plain(shown)
  if term.tty() then shown = text.wrap(shown, term.width()) end
  if not require "suture.shell.pager"(shown) then print(shown) end
end

-- The file that declares a model of the zoo or an optimizer (name: "zoo.resnet18"), and where it is.
local function declared(name)
  local room, last = name:match "^(%a+)[%w_.]*%.([%w_]+)$"
  if room ~= "zoo" and room ~= "optim" then return nil end
  for _, path in ipairs(embedded.list()) do
    local own = path:find("^lua/" .. room .. "/") and not path:find "/init%.lua$" and not path:find "/common/"
      and embedded.source(path)
    if own and own:find("%f[%w_]" .. last .. "%f[^%w_]") then return own, path end
  end
end

--- help.source_text(name) → how a function or a class is written, or in words why there is nothing; whether it is that.
function help.source_text(name)
  local value = find(name)
  if value == nil then
    if name == "" then error("??NAME shows the source of a function or a class, as in  ??fit", 0) end
    return term.safe(unknown(name)), true
  end
  local lines, where
  if type(value) == "function" then lines, where = declared(name) end
  if not lines then lines, where = definition(value) end
  if not lines then
    return type(value) ~= "function" and not class_of(value) and ("%s is a %s, which has no source"):format(name,
      type(value)) or ("%s is written in C: there is no Lua to show"):format(name), true
  end
  return term.paint("dim", where) .. "\n" .. term.safe(lines)
end

--- help.source(name): prints how a function or a class is written, for ??name.
function help.source(name) put((help.source_text(name))) end

--- help(x): prints what x is and how to use it. x is a value or a name: help(fit), help "nn.Conv2d", help(m).
-- The text is the `---` comment above its definition; your own functions are read too.
function help.help(x) put((help.text(x))) end

return require "suture.base.stray".guard(help)
