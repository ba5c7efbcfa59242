--- The shell's commands: lines that begin with a colon (:help lists them). command.add makes one of your own.
-- A command is a table:
--   args   how its arguments are written, for :help ("FILE", "[N]"; default "")
--   text   what :help says about it
--   run    run(rest, force): rest is what stands behind the name, force whether a ! did (`:save! x.lua`)
--   takes  what Tab offers for its arguments: "files", "lua", or a function of the text so far that returns a list of
--          words (nil: Lua); default nothing
--   instead  of the shell's own: it needs a terminal; what a notebook has instead
--   accepts  of the shell's own: "nothing": words behind it are an error
--   more     of the shell's own: what :help NAME says behind `text`
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local suggest = require "suture.base.suggest"
local command = {}

local own = {} -- name → command: the shell's, a file of this folder each; false before it is read
local added = {} -- name → command: what command.add made
for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/shell/commands/(%a+)%.lua$"
  if name and name ~= "init" then own[name] = false end
end

--- command.find(name): the command called so, or nil.
function command.find(name)
  if added[name] then return added[name] end
  if own[name] == false then own[name] = require("suture.shell.commands." .. name) end
  return own[name]
end

--- command.names(): the names of all commands, sorted.
function command.names()
  local names = {}
  for name in pairs(own) do names[#names + 1] = name end
  for name in pairs(added) do if own[name] == nil then names[#names + 1] = name end end
  table.sort(names)
  return names
end

--- command.meant(name): ": did you mean :history?" for :hist, the one that begins so before one that is like it.
function command.meant(name)
  local names, begun = command.names(), {}
  for _, each in ipairs(names) do if each:sub(1, #name) == name then begun[#begun + 1] = each end end
  return (suggest.hint(name, #begun == 1 and begun or names):gsub("mean ", "mean :"))
end

local known = {name = "string", args = "string", text = "string", run = "function", replace = "boolean", takes = true}

--- command.add{name =, text =, run = [, args, takes, replace]}: a command of your own, as in rc.lua or a script:
--   command.add{name = "size", args = "NAME", text = "how many numbers a model has", takes = "lua",
--               run = function(rest) print(load("return " .. rest)():numel()) end}
-- makes `:size m` work, :help tell of it and Tab complete it. name: letters. args: how the arguments are written
-- (default ""). text: one line for :help. run(rest, force): rest is the text behind the name; force is true for
-- `:size! m`. takes: what Tab offers behind the name: "files", "lua" or a function(text so far) that returns a list of
-- words (default: nothing). A name of the shell's own is refused unless replace = true; one of yours takes the new
-- meaning.
function command.add(given)
  if not options.is_options(given) then
    local example = 'command.add{name = "size", text = "…", run = function(rest) … end}'
    fault("command.add: expects a table, as %s, got %s", example, options.show(given))
  end
  options.check("command.add", given, known)
  for name, kind in pairs(known) do
    if kind ~= true and given[name] ~= nil and type(given[name]) ~= kind then
      fault("command.add: %s is a %s, got %s", name, kind, options.show(given[name]))
    end
  end
  for _, name in ipairs {"name", "text", "run"} do
    if given[name] == nil then fault("command.add: %s is missing (a %s)", name, known[name]) end
  end
  local name, takes = given.name, given.takes
  if not name:find "^%a+$" then fault("command.add: name is made of letters alone, got %q", name) end
  if takes ~= nil and takes ~= "files" and takes ~= "lua" and type(takes) ~= "function" then
    fault('command.add: takes is "files", "lua" or a function, got %s', options.show(takes))
  end
  if own[name] ~= nil and not given.replace then
    fault("command.add: the shell has a command :%s; replace = true puts yours in its place", name)
  end
  added[name] = {args = given.args or "", text = given.text, run = given.run, takes = takes}
end

require "suture.base.stray".guard(command, "command.")

return command
