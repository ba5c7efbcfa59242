--- m:groups(): the parts of a network in the order in which they run, from the stem to the head: what one freezes,
-- thaws and gives rates to.
local Module = require "suture.nn.module"
local outline = require "suture.model.outline"
local pcall = require("suture.base.interrupt").pcall
local text = require "suture.base.text"
local raw = require("suture.core").tensor

local Groups = {__name = "groups"}

local function has_parameters(m) return #m:parameters() > 0 end

-- How many modules beneath hold parameters of their own.
local function weight(m)
  local n = 0
  for sub in m:modules() do if #rawget(sub, "_pnames") > 0 then n = n + 1 end end
  return n
end

local function is_norm(m)
  for sub in m:modules() do
    if #rawget(sub, "_pnames") > 0 and not getmetatable(sub).__name:find "Norm" then return false end
  end
  return true
end

-- When each module first runs: of one that is never called itself, when the first of its parts does.
local function clock(calls)
  local first = {}
  for i, call in ipairs(calls) do first[call.module] = first[call.module] or i end
  local function of(m)
    local at = first[m] or math.huge
    for _, child in next, rawget(m, "_children") do at = math.min(at, of(child)) end
    return at
  end
  return of
end

-- The parts of a module that have parameters and run, in order: {path, module, at, own}. Parameters of the module's own
-- go with the first part (own).
local function parts_of(unit, when)
  local list, seen = {}, {}
  for _, name in ipairs(rawget(unit.module, "_names")) do
    local child = unit.module._children[name]
    local at = when(child)
    if not seen[child] and has_parameters(child) and at < math.huge then
      seen[child] = true
      list[#list + 1] = {path = Module._join(unit.path, name), module = child, at = at, own = {}, from = unit.module}
    end
  end
  table.sort(list, function(a, b) return a.at < b.at end)
  if list[1] then
    table.move(unit.own, 1, #unit.own, 1, list[1].own)
    if #rawget(unit.module, "_pnames") > 0 then table.insert(list[1].own, unit) end
  end
  return list
end

local function replace(units, at, list)
  table.remove(units, at)
  for i, one in ipairs(list) do table.insert(units, at + i - 1, one) end
end

-- A part that holds more than half of all is no part of a whole: its own parts are.
local function divided(m, when)
  local units, all = parts_of({path = "", module = m, own = {}}, when), weight(m)
  local again = true
  while again do
    again = false
    for i, unit in ipairs(units) do
      local list = weight(unit.module) > 1 and (#units < 2 or weight(unit.module) * 2 > all) and parts_of(unit, when)
      if list and #list > 0 then
        replace(units, i, list)
        again = true
        break
      end
    end
  end
  return units
end

-- The head is a part by itself, and what was with it another.
local function with_head(units, m, when)
  local ok, path, head = pcall(Module.head, m)
  if not ok then return end
  for i, unit in ipairs(units) do
    while unit.module ~= head and (path:sub(1, #unit.path + 1) == unit.path .. ".") do
      local list = parts_of(unit, when)
      if #list == 0 then return end
      replace(units, i, list)
      local at
      for k = i, i + #list - 1 do
        if units[k].module == head or path:sub(1, #units[k].path + 1) == units[k].path .. "." then at = k end
      end
      if not at then return end
      for k = i, at - 1 do units[k].together = unit.module end
      i, unit = at, units[at]
    end
    if unit.module == head then
      unit.head = true
      return
    end
  end
end

-- The height and width of what each module gave last; nil where that is no picture.
local function sizes(calls)
  local out = {}
  for _, call in ipairs(calls) do
    local s = call.shape
    if s and #s == 4 then out[call.module] = ("%d×%d"):format(s[3], s[4]) end
  end
  return out
end

local MANY = 8 -- parts side by side beyond which those of one size are one

-- Neighbours that belong together: a norm goes with what it stands behind; many parts side by side by their size.
local function joined(units, size)
  local count, kinds = {}, {}
  for _, unit in ipairs(units) do
    local key = unit.from
    count[key] = (count[key] or 0) + 1
    kinds[key] = kinds[key] or {n = 0}
    local s = size[unit.module] or ""
    if not kinds[key][s] then kinds[key][s], kinds[key].n = true, kinds[key].n + 1 end
  end
  local groups = {}
  for _, unit in ipairs(units) do
    local group = groups[#groups]
    local last = group and group[#group]
    local many = last and count[unit.from] > MANY and kinds[unit.from].n > 2
    local same = last and last.from == unit.from and not unit.head and not last.head
    if last and not unit.head and (is_norm(unit.module) and not last.head or
      same and many and size[unit.module] == size[last.module] or
      unit.together and unit.together == last.together) then
      group[#group + 1] = unit
    else groups[#groups + 1] = {unit} end
  end
  return groups
end

local function name_of(paths)
  if #paths < 3 then return table.concat(paths, ", ") end
  return paths[1] .. " … " .. paths[#paths]
end

local function described(units)
  local paths, list, modules, seen = {}, {}, {}, {}
  local function take(p)
    if not seen[p] then seen[p], list[#list + 1] = true, p end
  end
  for i, unit in ipairs(units) do
    paths[i], modules[i] = unit.path, unit.module
    for _, parent in ipairs(unit.own) do
      for _, name in ipairs(rawget(parent.module, "_pnames")) do
        take(parent.module._params[name])
        paths.own = paths.own or {}
        table.insert(paths.own, Module._join(parent.path, name))
      end
    end
    for p in unit.module:parameters() do take(p) end
  end
  local own = paths.own or {}
  paths.own = nil
  local names = table.move(own, 1, #own, #paths + 1, table.move(paths, 1, #paths, 1, {}))
  return {name = name_of(paths), paths = names, modules = modules, parameters = list}
end

local function numbers(list)
  local n, trained = 0, 0
  for _, p in ipairs(list) do
    n = n + raw.numel(p)
    if raw.requires_grad(p) then trained = trained + raw.numel(p) end
  end
  return n, trained
end

function Groups.__tostring(groups)
  local rows = {}
  for i, g in ipairs(groups) do
    local n, trained = numbers(g.parameters)
    rows[i] = {tostring(i), g.name, text.count(n),
      trained == 0 and "frozen" or trained < n and text.count(trained) .. " train" or "trains"}
  end
  local lines = text.table(rows, {{}, {title = "group", max = 48}, {title = "parameters", align = "right"}, {}})
  return text.safe(table.concat(lines, "\n"))
end

--- m:groups([input]): the parts of m that hold parameters, in the order in which they run in the real graph: the stem
-- first, the head (m:head()) last. A list of {name =, paths = {names of its modules and of parameters beside them},
-- modules =, parameters = {tensors}}, which prints itself with what trains. Names are those of the tree. A part with
-- more than half of the network is taken apart; where many stand side by side (VGG's features), those of one height and
-- width are one group; a norm goes with the layer before it. What never runs is in none. input: a tensor or a shape to
-- run with (default m.input_shape, or what m was called with last).
function Module.groups(m, input)
  local t = outline.run(m, input, "groups")
  if t.error then require("suture.base.fault")("groups: %s does not run: %s", getmetatable(m).__name, t.error) end
  local when = clock(t.calls)
  local units = divided(m, when)
  local list = setmetatable({}, Groups)
  if #units == 0 then
    if has_parameters(m) then list[1] = described {{path = "", module = m, own = {}}} end
    return list
  end
  with_head(units, m, when)
  for i, group in ipairs(joined(units, sizes(t.calls))) do list[i] = described(group) end
  return list
end

Module._methods()

return Module
