-- Where lessons are: those of examples/lessons, which are in the binary, and a teacher's own by their paths.
local embedded = require "suture.embedded"
local parse = require "suture.shell.lessons.parse"
local shell = require "suture.shell"
local suggest = require "suture.base.suggest"

local shelf = {}

local own = {} -- {name =, path =} in the order of the numbers that the files' names begin with
for _, path in ipairs(embedded.list()) do
  local number, name = path:match "^examples/lessons/(%d+)%-([%w-]+)%.md$"
  if name then own[#own + 1] = {name = name, path = path, number = tonumber(number)} end
end
table.sort(own, function(a, b) return a.number < b.number end)

--- shelf.names(): the names of the lessons in the binary, in their order.
function shelf.names()
  local names = {}
  for i, each in ipairs(own) do names[i] = each.name end
  return names
end

local function is_path(name) return name:find "/" ~= nil or name:find "%.md$" ~= nil end

--- shelf.key(name): what a lesson is called where progress is kept: its name; a teacher's, its whole path.
function shelf.key(name)
  if not is_path(name) then return name end
  local path = shell.path(name)
  return path:sub(1, 1) == "/" and path or (os.getenv "PWD" or ".") .. "/" .. path:gsub("^%./", "")
end

--- shelf.title(name): the title of a lesson in the binary.
function shelf.title(name)
  for _, each in ipairs(own) do
    if each.name == name then return embedded.source(each.path):match "#%s+([^\n]*)" end
  end
end

--- shelf.find(name): the lesson of this name, number or path, read; an error where there is none.
function shelf.find(name)
  if is_path(name) then
    local path = shell.path(name)
    local f, why = io.open(path)
    local text = f and f:read "a"
    if f then f:close() end
    if not text then shell.fail("%s", why or path .. ": this is no file") end
    return parse(name, path, text)
  end
  for i, each in ipairs(own) do
    if each.name == name or tostring(i) == name then return parse(each.name, each.path, embedded.source(each.path)) end
  end
  shell.fail("no lesson '%s'%s (:lesson lists them; a file's name ends in .md)", name,
    suggest.hint(name, shelf.names()))
end

return shelf
