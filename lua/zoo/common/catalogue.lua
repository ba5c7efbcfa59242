--- Which architectures there are and whose they are. The names are read off the families' sources, lines of their
-- `counted` tables, so that a family's file is run only when one of its architectures is wanted.
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"

local catalogue = {}

local sources = {}   -- family's name → the path of its file, for those that were not run yet
local families = {}  -- family's name → what its file returns
local heads = {}     -- family's name → the comment at the head of its file
local order = {}     -- families' names
local names = {}     -- architectures' names
local home = {}      -- architecture's name → its family's name
local owners = setmetatable({}, {__mode = "k"}) -- class → family's name

--- catalogue.before(a, b): the order of names: resnet18 before resnet101, and both before resnext50_32x4d.
function catalogue.before(a, b)
  local word_a, number_a = a:match "^(%D*)(%d*)"
  local word_b, number_b = b:match "^(%D*)(%d*)"
  if word_a ~= word_b then return word_a < word_b end
  if number_a ~= number_b then return (tonumber(number_a) or 0) < (tonumber(number_b) or 0) end
  return a < b
end

local function enter(family, list)
  order[#order + 1] = family
  table.sort(list, catalogue.before)
  for _, name in ipairs(list) do names[#names + 1], home[name] = name, family end
end

--- catalogue.register(name, family): a family (see suture.zoo) from elsewhere than a file of this folder.
function catalogue.register(name, family)
  local list = {}
  for variant in pairs(family.variants) do list[#list + 1] = variant end
  if not families[name] then enter(name, list) end
  families[name] = family
  for _, class in ipairs(family.parts or {}) do owners[class] = name end
end

local function load(name)
  if families[name] or not sources[name] then return families[name] end
  local family = require("suture.zoo." .. name)
  for variant in pairs(family.variants) do
    if home[variant] ~= name then fault("lua/zoo/%s.lua: its table `counted` has no line for %s", name, variant) end
  end
  families[name], sources[name] = family, nil
  for _, class in ipairs(family.parts or {}) do owners[class] = name end
  return family
end

--- catalogue.names(): the names of all architectures, family by family.
function catalogue.names() return names end

--- catalogue.has(name): whether there is such an architecture.
function catalogue.has(name) return home[name] ~= nil end

--- catalogue.missing(name): raises the error for a name that is no architecture's.
function catalogue.missing(name)
  local hint = require "suture.base.suggest".hint
  fault("zoo: no architecture '%s'%s", tostring(name), hint(tostring(name), names))
end

--- catalogue.find(name): an architecture's family and its variant's own table, its family's name; an error where there
-- is none.
function catalogue.find(name)
  local at = type(name) == "string" and home[name] or catalogue.missing(name)
  local family = load(at)
  return family, family.variants[name], at
end

--- catalogue.families(): an iterator over the families: name, family. It runs the files of all.
function catalogue.families()
  local i = 0
  return function()
    i = i + 1
    if order[i] then return order[i], load(order[i]) end
  end
end

--- catalogue.owner(class): the name of the family whose part a class is, nil for other classes.
function catalogue.owner(class) return owners[class] end

--- catalogue.part(family, class): a family's class, both by name; nil where there is none.
function catalogue.part(family, class)
  for _, part in ipairs((load(family) or {}).parts or {}) do
    if part.__name == class then return part end
  end
end

--- catalogue.about(name): what the file of an architecture's family says about it: the comment at its head; nil for
-- other families.
function catalogue.about(name) return heads[home[name]] end

for _, path in ipairs(embedded.list()) do
  local family = path:match "^lua/zoo/([%w_]+)%.lua$"
  if family and family ~= "init" then
    local text, list = embedded.source(path), {}
    local _, start = text:find("\nlocal counted = {\n", 1, true)
    local stop = start and text:find("\n}", start, true)
    for name in (stop and text:sub(start, stop) or ""):gmatch "\n  ([%a_][%w_]*) = {" do list[#list + 1] = name end
    sources[family], heads[family] = path, text:match("^%-%-%- ?(.-)\n[^-]"):gsub("\n%-%- ?", "\n")
    enter(family, list)
  end
end

return catalogue
