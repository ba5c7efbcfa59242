--- What parallel() and seeds() return: for each piece of work what it gave and what it took.
local absent = require "suture.base.absent"
local columns = require "suture.train.columns"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local statistics = require "suture.train.experiments.statistics"

local Tries = {__name = "tries"}
local missing = absent.index("what parallel and seeds return", "interrupted")

function Tries.__index(t, name)
  if name == "values" then
    local out = {}
    for i, one in ipairs(t) do
      if one.error then fault("%s: [%d] has no value: %s", t.what, i, one.error) end
      out[i] = one.value
    end
    return out
  end
  return missing(t, name)
end

local function label(job)
  if type(job) == "table" and not getmetatable(job) then return (options.show(job):gsub("^{(.*)}$", "%1")) end
  return type(job) == "string" and job or options.show(job)
end

local one_meta = {__index = absent.index("one of what parallel and seeds return",
  "value error seconds cpu memory late")}

--- tries.one(…): what came of one piece.
local function one(given) return setmetatable(given, one_meta) end

local function new(what, name) return setmetatable({what = what, name = name}, Tries) end

function Tries.__tostring(t)
  if #t == 0 then return t.interrupted and "interrupted before the first ended" or "none ended" end
  local names, known, of = {}, {}, {}
  for i, try in ipairs(t) do
    of[i] = statistics.figures(try.value)
    local more = {}
    for name in pairs(of[i]) do
      if not known[name] then more[#more + 1] = name end
      known[name] = true
    end
    table.sort(more)
    table.move(more, 1, #more, #names + 1, names)
  end
  local costs = {}
  for _, name in ipairs {"seconds", "cpu", "memory"} do
    for _, try in ipairs(t) do
      if try[name] then
        costs[#costs + 1] = name
        break
      end
    end
  end
  local rows, failed = {{t.name}}, {}
  for _, list in ipairs {names, costs} do
    for _, name in ipairs(list) do table.insert(rows[1], (name:gsub("_", " "))) end
  end
  for i, try in ipairs(t) do
    local row = {label(try.job)}
    for _, name in ipairs(names) do row[#row + 1] = try.error and "failed" or statistics.text(name, of[i][name]) end
    for _, name in ipairs(costs) do row[#row + 1] = statistics.text(name, try[name]) end
    rows[i + 1] = row
    if try.error then failed[#failed + 1] = i end
  end
  if #t > 1 then
    local row = {"mean"}
    for _, name in ipairs(names) do
      local list = {}
      for i in ipairs(t) do if type(of[i][name]) == "number" then list[#list + 1] = of[i][name] end end
      if #list > 0 then row[#row + 1] = statistics.text(name, statistics.mean(list)) else row[#row + 1] = "-" end
    end
    if #names > 0 then rows[#rows + 1] = row end
  end
  local text = columns(rows)
  if #failed > 0 then
    text = ("%s\n%d failed, as %s: %s"):format(text, #failed, label(t[failed[1]].job), t[failed[1]].error)
  end
  return text .. (t.interrupted and "\ninterrupted" or "")
end

return {new = new, one = one}
