#!/usr/bin/env suture
-- Writes the reference from the texts that help shows (make docs): one HTML page with a search, a man page for each
-- part, and ---@meta files for the Lua language server. suture scripts/docs.lua FOLDER
local suture = require "suture"
local command = require "suture.shell.commands"
local examples = require "suture.shell.examples"
local help = require "suture.shell.help"
local folder = assert(arg[1], "scripts/docs.lua FOLDER")

-- ---- what there is ----

local titles = {[""] = "Globals", ["m:"] = "Modules", ["sequential:"] = "nn.Sequential", ["list:"] = "nn.ModuleList",
  ["x:"] = "Tensors", ["opt:"] = "Optimizers", ["schedule:"] = "Schedules", ["ds:"] = "Data sets",
  ["graph:"] = "Graphs", F = "F: functions of tensors", command = "Commands of your own", zoo = "zoo: architectures"}
local rooms, order = {}, {}
require "suture.shell.index"(function(name, value, room)
  local list = rooms[room]
  if not list then
    list = {room = room, title = titles[room] or room}
    rooms[room], order[#order + 1] = list, list
  end
  local text, line = help.about(name, value)
  list[#list + 1] = {name = name, text = text, line = line, example = examples.of(name)}
end)
local commands = {room = "commands", title = "Commands of the shell"}
for _, name in ipairs(command.names()) do
  local c = command.find(name)
  commands[#commands + 1] = {name = ":" .. name, line = c.text, text = (":%s %s"):format(name, c.args):gsub(" $", "")
    .. "\n" .. c.text .. (c.more and "\n" .. c.more or "")}
end
table.insert(order, 2, commands)

local function write(path, text)
  local f = assert(io.open(folder .. "/" .. path, "w"))
  assert(f:write(text))
  assert(f:close())
end

-- ---- one page ----

local function html(s) return (s:gsub("[&<>]", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"})) end
local function anchor(name) return (name:gsub("[^%w_.]", "-")) end

local page = {([[<!doctype html><html lang="en"><meta charset="utf-8"><title>Suture %s: reference</title>
<meta name="viewport" content="width=device-width"><style>
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:0;display:flex}
nav{width:15rem;height:100vh;overflow:auto;position:sticky;top:0;padding:1rem;box-sizing:border-box;flex:none;
border-right:1px solid #8886}nav a{display:block;color:inherit;text-decoration:none;padding:.1rem 0}nav a:hover{text-decoration:underline}
main{padding:1rem 2rem;max-width:66rem;min-width:0}input{width:100%%;font:inherit;padding:.3rem;box-sizing:border-box}
h3{font:600 15px ui-monospace,monospace;margin:1.6rem 0 .3rem}pre{white-space:pre-wrap;font:13px/1.5 ui-monospace,monospace;margin:.3rem 0}
pre.example{background:#8881;padding:.5rem .7rem;border-radius:4px}[hidden]{display:none!important}
@media(max-width:45rem){body{display:block}nav{width:auto;height:auto;position:static}}
</style><nav><input id="find" type="search" placeholder="Search" aria-label="Search" autofocus>]]):format(suture.version)}
local function put(s, ...) page[#page + 1] = select("#", ...) > 0 and s:format(...) or s end
for _, list in ipairs(order) do put('<a href="#%s">%s</a>', "room-" .. anchor(list.room), html(list.title)) end
put "</nav><main><h1>Suture</h1><p id=none hidden>Nothing of that name, and no text that speaks of it.</p>"
for _, list in ipairs(order) do
  put('<section><h2 id="%s">%s</h2>', "room-" .. anchor(list.room), html(list.title))
  for _, e in ipairs(list) do
    put('<article id="%s"><h3>%s</h3><pre>%s</pre>', anchor(e.name), html(e.name), html(e.text))
    if e.example then put('<pre class="example">%s</pre>', html(e.example)) end
    put "</article>"
  end
  put "</section>"
end
put [[</main><script>
const find = document.getElementById("find"), all = [...document.querySelectorAll("article")]
const texts = all.map(a => a.textContent.toLowerCase())
find.oninput = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean)
  let shown = 0
  all.forEach((a, i) => { a.hidden = !words.every(w => texts[i].includes(w)); shown += !a.hidden })
  document.querySelectorAll("section").forEach(s => { s.hidden = !s.querySelector("article:not([hidden])") })
  document.getElementById("none").hidden = shown > 0
}
</script></html>
]]
write("reference.html", table.concat(page, "\n"))

-- ---- man pages ----

local function roff(s)
  return (s:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n", "\n"):gsub("%f[^\n%z]([.'])", "\\&%1"))
end
local function man_name(list)
  local name = list.room:gsub(":", ""):gsub("[^%w]", "-"):lower()
  return "suture" .. (name ~= "" and "-" .. name or "") .. ".3"
end
for _, list in ipairs(order) do
  local out = {('.TH %s 3 "" "Suture %s"\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\nWhat ?NAME shows at the prompt of suture(1).')
    :format(man_name(list):upper():gsub("%.3$", ""), suture.version, (man_name(list):gsub("%.3$", "")), roff(list.title))}
  for _, e in ipairs(list) do
    out[#out + 1] = (".SS %s\n.nf\n%s\n.fi"):format(roff(e.name), roff(e.text))
    if e.example then out[#out + 1] = (".PP\n.RS\n.nf\n%s\n.fi\n.RE"):format(roff(e.example)) end
  end
  write("man/" .. man_name(list), table.concat(out, "\n") .. "\n")
end

-- ---- for the language server ----

local keywords = {["end"] = true, ["function"] = true, ["repeat"] = true, ["not"] = true, ["in"] = true}

-- The names between the parentheses of "name(a, b[, c]): …", or "...".
local function parameters(text, last)
  local list = text:match("^[%w_.:]*" .. last .. "%(([^()]*)%)")
  if not list then return "..." end
  local names, seen = {}, {}
  for word in list:gsub("{.-}", "options"):gsub("[%[%]]", ""):gmatch "[^,]+" do
    local name = word:match "^%s*([%a_][%w_]*)"
    if not name or keywords[name] or seen[name] then return "..." end
    names[#names + 1], seen[name] = name, true
  end
  return table.concat(names, ", ")
end

local classes = {["m:"] = "Module", ["sequential:"] = "Sequential: Module", ["list:"] = "ModuleList: Module",
  ["x:"] = "Tensor", ["opt:"] = "Optimizer", ["schedule:"] = "Scheduler", ["ds:"] = "Dataset", ["graph:"] = "Graph"}
local meta = {"---@meta suture", ""}
local function comment(text) return "---" .. text:gsub("\n", "\n---") end
for _, list in ipairs(order) do
  local class = classes[list.room]
  if list ~= commands then
    local owner = class and class:match "^%w+" or list.room
    if class then meta[#meta + 1] = ("---@class %s\nlocal %s = {}\n"):format(class, owner)
    elseif owner ~= "" then meta[#meta + 1] = ("%s = %s or {}\n"):format(owner, owner) end
    for _, e in ipairs(list) do
      local last = e.name:match "[%w_]+$"
      local name = class and owner .. ":" .. last or e.name
      if name:find "^suture%." and not meta.suture then
        meta.suture = true
        meta[#meta + 1] = "suture = suture or {}\n"
      end
      if not keywords[last] then
        meta[#meta + 1] = ("%s\nfunction %s(%s) end\n"):format(comment(e.text), name, parameters(e.text, last))
      end
    end
  end
end
write("meta/suture.lua", table.concat(meta, "\n"))
