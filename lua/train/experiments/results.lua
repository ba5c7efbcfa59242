--- results: what an experiment found, row by row: it prints as a table, and lies in files while it grows.
local absent = require "suture.base.absent"
local columns = require "suture.train.columns"
local core = require "suture.core"
local fault = require "suture.base.fault"
local folder = require "suture.train.runs.folder"
local interrupt = require "suture.base.interrupt"
local note = require "suture.base.note"
local options = require "suture.base.options"
local processes = require "suture.base.processes"
local statistics = require "suture.train.experiments.statistics"
local whole = require "suture.base.whole"

local read = options.named("results", "by:any=nil over:str=seed save:str=nil resume:bool=false columns:any=nil")

local Results = {__name = "results"}
local methods = {}

-- Tables that copies of this process may add to, by number: they have the same numbers there.
local tables, count = setmetatable({}, {__mode = "v"}), 0

local hidden = setmetatable({}, {__mode = "k"}) -- table → what it knows of itself

-- ---- files ----

local function number_text(v)
  if math.type(v) == "integer" then return tostring(v) end
  if v - v ~= 0 then return v ~= v and "nan" or v > 0 and "inf" or "-inf" end
  for digits = 15, 17 do
    local text = ("%%.%dg"):format(digits):format(v)
    if tonumber(text) == v or digits == 17 then return text end
  end
end

-- A field of CSV (RFC 4180).
local function field(v)
  if v == nil then return "" end
  local text = type(v) == "number" and number_text(v) or tostring(v)
  return text:find '[",\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

local formats = {
  csv = {
    head = function(names)
      local out = {}
      for i, name in ipairs(names) do out[i] = field(name) end
      return table.concat(out, ",") .. "\n"
    end,
    row = function(row, names)
      local out = {}
      for i, name in ipairs(names) do out[i] = field(row[name]) end
      return table.concat(out, ",") .. "\n"
    end,
  },
  jsonl = {head = function() return "" end, row = function(row) return folder.encode(row) .. "\n" end},
}

local function text_of(t, format)
  local names = hidden[t].names
  local lines = {format.head(names)}
  for i, row in ipairs(t) do lines[i + 1] = format.row(row, names) end
  return table.concat(lines)
end

-- Where to save to: {{path, format}, …}.
local function files_of(what, path)
  local ending = path:match "%.([%w]+)$"
  if formats[ending] then return {{path = path, format = formats[ending]}} end
  if path:match "[^/]*$" == "" then fault("%s: expects the name of a file, got %s", what, options.show(path)) end
  return {{path = path .. ".csv", format = formats.csv}, {path = path .. ".jsonl", format = formats.jsonl}}
end

-- Whether this process is a copy of the one that has made the table: its rows belong there.
local function elsewhere(self) return processes.depth() > self.depth end

local function must(ok, why) if not ok then fault("results: %s", why) end end

-- Writes the last row behind the others, in one piece; where the file is not what it was left as, all of it.
local function put(t, file, fresh)
  local self = hidden[t]
  local line = file.format.row(t[#t], self.names)
  if file.size and not fresh then
    local f = io.open(file.path, "ab")
    if f and f:seek "end" == file.size then
      f:setvbuf("full", #line + 1)
      f:write(line)
      must(f:close(), ("%s: the row could not be written"):format(file.path))
      file.size = file.size + #line
      return
    end
    if f then f:close() end
  elseif not file.size and folder.exists(file.path) and not self.resume then
    must(os.rename(file.path, file.path .. "~"))
    note(("results: %s was there already: it is %s~ now (resume = true goes on with it)"):format(file.path, file.path))
  end
  local text = text_of(t, file.format)
  must(whole(file.path, text))
  file.size = #text
end

-- ---- rows ----

-- A row as it is kept: numbers, words and truths; of a tensor of one number the number.
local function checked(t, row)
  local self, out = hidden[t], {}
  if type(row) ~= "table" or getmetatable(row) or next(row) == nil then
    fault("results: a row is a table of figures by name, as {layers = 2, seed = 0, acc = 0.9}, got %s",
      options.show(row))
  end
  for name, v in pairs(row) do
    if type(name) ~= "string" then fault("results: a row has %s where a name is expected", options.show(name)) end
    if self.allowed then options.check("results", {[name] = v}, self.allowed) end
    if core.tensor.is(v) and v:numel() == 1 then v = v:item() end
    if type(v) ~= "number" and type(v) ~= "string" and type(v) ~= "boolean" then
      fault("results: %s is %s: a number, a word or true or false is expected", name, options.show(v))
    end
    out[name] = v
  end
  for _, name in ipairs(self.by) do
    if out[name] == nil then fault("results: the row has no %s, by which rows are told apart", name) end
  end
  return out
end

-- New columns: the one that is averaged over first. → whether there were any
local function learn(self, row)
  local more = {}
  for name in pairs(row) do
    if not self.known[name] then more[#more + 1] = name end
  end
  table.sort(more, function(a, b)
    if (a == self.over) ~= (b == self.over) then return a == self.over end
    return a < b
  end)
  for _, name in ipairs(more) do
    self.known[name] = true
    self.names[#self.names + 1] = name
  end
  return #more > 0
end

local function append(t, row)
  local self = hidden[t]
  local fresh = learn(self, row)
  rawset(t, #t + 1, row)
  if self.files and not elsewhere(self) then
    local all <close> = interrupt.defer()
    for _, file in ipairs(self.files) do put(t, file, fresh) end
  end
end

--- t:add{layers = 2, seed = 0, acc = 0.91}: a row more, which is in the files when it returns. Called in what
-- parallel() runs, it is added here, too. Behind Ctrl-C (SIGTERM) in a script it ends the script: what a row would say
-- then may be of work that was cut short.
function methods.add(t, row)
  local self = hidden[t] or fault "results: add is called with a colon, t:add{…}"
  row = checked(t, row)
  if interrupt.over() then error("interrupted!", 0) end
  if elsewhere(self) then
    processes.report(("row %d %s"):format(self.number, folder.encode(row)))
  end
  append(t, row)
  return t
end

-- Whether a row has all of these.
local function matches(row, wanted)
  for k, v in pairs(wanted or {}) do if row[k] ~= v then return false end end
  return true
end

--- t:has{layers = 2, seed = 0}: whether a row says so: what is there need not be done again.
function methods.has(t, wanted)
  options.check("t:has", wanted, hidden[t].known)
  for _, row in ipairs(t) do if matches(row, wanted) then return true end end
  return false
end

--- t:mean("acc", {layers = 2}): the mean of a column over the rows that say so (all of them), its standard deviation
-- (n - 1; nil of one row) and how many there are; nil, nil, 0 where there are none.
function methods.mean(t, name, wanted)
  options.check("t:mean", {[tostring(name)] = true}, hidden[t].known)
  if wanted ~= nil then options.check("t:mean", wanted, hidden[t].known) end
  local list = {}
  for _, row in ipairs(t) do
    if type(row[name]) == "number" and matches(row, wanted) then list[#list + 1] = row[name] end
  end
  if #list == 0 then return nil, nil, 0 end
  local mean, deviation = statistics.mean(list)
  return mean, deviation, #list
end

-- The rows in groups that differ in nothing of `by`: {{key = row, rows}, …}; numbers in order, words as they came.
local function groups(t)
  local self, list, of, came = hidden[t], {}, {}, {}
  for place, row in ipairs(t) do
    local key = {}
    for i, name in ipairs(self.by) do
      key[i] = field(row[name])
      local word = name .. "\0" .. key[i]
      came[word] = came[word] or place
    end
    local at = table.concat(key, "\0")
    if not of[at] then
      of[at] = {key = row, rows = {}}
      list[#list + 1] = of[at]
    end
    table.insert(of[at].rows, row)
  end
  table.sort(list, function(a, b)
    for _, name in ipairs(self.by) do
      local x, y = a.key[name], b.key[name]
      if type(x) == "number" and type(y) == "number" and x ~= y then return x < y end
      local p, q = came[name .. "\0" .. field(x)], came[name .. "\0" .. field(y)]
      if p ~= q then return p < q end
    end
    return false
  end)
  return list
end

-- The columns that are neither what rows are told apart by nor what is averaged over.
local function figures(self)
  local out, other = {}, {[self.over] = true}
  for _, name in ipairs(self.by) do other[name] = true end
  for _, name in ipairs(self.names) do if not other[name] then out[#out + 1] = name end end
  return out
end

--- t:summary(): a list of a table for each group of rows that `by` tells apart, in the order in which t prints: what
-- `by` names, n (how many rows), the mean of each figure by its name and the deviation as NAME_sd.
function methods.summary(t)
  local self, out = hidden[t], {}
  for i, group in ipairs(groups(t)) do
    local one = {n = #group.rows}
    for _, name in ipairs(self.by) do one[name] = group.key[name] end
    for _, name in ipairs(figures(self)) do
      local list = {}
      for _, row in ipairs(group.rows) do
        if type(row[name]) == "number" then list[#list + 1] = row[name] end
      end
      if #list > 0 then one[name], one[name .. "_sd"] = statistics.mean(list)
      else one[name] = group.rows[1][name] end
    end
    out[i] = one
  end
  return out
end

--- t:save("name.csv"), t:save "name.jsonl", t:save "name" (both): all rows as they are now, whole or not at all.
function methods.save(t, path)
  if type(path) ~= "string" then fault("t:save: expects a path, got %s", options.show(path)) end
  for _, file in ipairs(files_of("t:save", path)) do must(whole(file.path, text_of(t, file.format))) end
end

function Results.__index(t, name)
  if methods[name] then return methods[name] end
  absent.field(t, name, "results", 2, methods)
end

function Results.__newindex(_, name)
  fault("results: [%s] cannot be set: t:add{…} adds a row", options.show(name))
end

local MOST = 60 -- rows of a table that is printed

function Results.__tostring(t)
  local self = hidden[t]
  if #t == 0 then return "no results yet" end
  local names, list = figures(self), {}
  local grouped = #self.by > 0
  local head = {table.unpack(grouped and self.by or self.names)}
  local several = false
  local summary = grouped and methods.summary(t) or {}
  for _, one in ipairs(summary) do several = several or one.n > 1 end
  if grouped then
    if several then head[#head + 1] = "n" end
    table.move(names, 1, #names, #head + 1, head)
  end
  for i, name in ipairs(head) do head[i] = (name:gsub("_", " ")) end
  list[1] = head
  for i = 1, math.min(grouped and #summary or #t, MOST) do
    local one, row = grouped and summary[i] or t[i], {}
    for k, name in ipairs(grouped and self.by or self.names) do row[k] = statistics.text(name, one[name]) end
    if several then row[#row + 1] = tostring(one.n) end
    for _, name in ipairs(grouped and names or {}) do
      row[#row + 1] = statistics.text(name, one[name], one[name .. "_sd"])
    end
    list[i + 1] = row
  end
  if not grouped and self.known[self.over] and #t > 1 then
    local row = {}
    for k, name in ipairs(self.names) do
      local mean, deviation = methods.mean(t, name)
      row[k] = name == self.over and "mean" or statistics.text(name, mean, deviation)
    end
    list[#list + 1] = row
  end
  local more = (grouped and #summary or #t) - MOST
  return columns(list) .. (more > 0 and ("\n… and %d more"):format(more) or "")
end

-- A list of names, given as one or several.
local function name_list(what, v)
  if v == nil then return {} end
  if type(v) == "string" then v = {v} end
  if type(v) ~= "table" or #v == 0 then
    fault("results: %s expects a name or a list of them, got %s", what, options.show(v))
  end
  local out = {}
  for i, name in ipairs(v) do
    if type(name) ~= "string" then fault("results: %s[%d] is %s: a name is expected", what, i, options.show(name)) end
    out[i] = name
  end
  return out
end

--- results(options): a table for what an experiment finds: t:add{layers = 2, seed = 0, acc = 0.91}. It prints with the
-- mean ± the standard deviation of rows that differ in the seed alone; t[1].acc, #t and ipairs(t) read it.
--   by       the columns that tell settings apart, a name or a list: rows alike in them are averaged (none: every row
--            is shown)
--   over     the column that is averaged over ("seed")
--   columns  all columns there may be, in their order: another is an error (default: as they come)
--   save     a file that has every row as soon as it is added, whoever ends the process: name.csv, name.jsonl (JSON
--            lines), or a name alone: both. One that was there is kept as name~
--   resume   true: goes on with the rows of the file; t:has{…} says what need not be done again
-- Methods: t:add(row), t:has(row), t:mean(column, where), t:summary(), t:save(path).
local function results(opts)
  local o = read(opts)
  count = count + 1
  local self = {by = name_list("by", o.by), over = o.over, names = {}, known = {}, resume = o.resume, number = count,
    depth = processes.depth()}
  local t = setmetatable({}, Results)
  hidden[t], tables[count] = self, t
  for i, name in ipairs(self.by) do self.names[i], self.known[name] = name, true end
  if o.columns ~= nil then
    self.allowed = {}
    for _, name in ipairs(name_list("columns", o.columns)) do
      if not self.known[name] then self.names[#self.names + 1] = name end
      self.known[name] = true
    end
    for name in pairs(self.known) do self.allowed[name] = true end
  end
  if o.save then self.files = files_of("results: save", o.save) end
  if o.resume then
    local from = self.files and self.files[#self.files]
    if not from or from.format ~= formats.jsonl then
      fault('results: resume reads JSON lines: save = "name" or "name.jsonl"')
    end
    for _, row in ipairs(folder.rows(from.path)) do
      row = checked(t, row)
      learn(self, row)
      rawset(t, #t + 1, row)
    end
  end
  return t
end

-- A row that a copy of this process has added: "NUMBER ROW".
local function added(text)
  local number, row = text:match "^(%d+) (.*)$"
  local t = tables[tonumber(number)]
  row = t and folder.decode(row)
  if not row then return end
  if elsewhere(hidden[t]) then processes.report("row " .. text) end
  append(t, row)
end

return {results = results, added = added}
