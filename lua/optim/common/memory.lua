--- What the journal (base/journal.lua) keeps of an optimizer: its groups with their options, and what it remembers of
-- each parameter.
local core = require "suture.core"
local journal = require "suture.base.journal"
local options = require "suture.base.options"
local raw, is = core.optim, core.tensor.is

local weak_keys = {__mode = "k"}
local made = setmetatable({}, weak_keys) -- optimizer → when
local mark = setmetatable({}, weak_keys) -- optimizer → a number of its own for each state that it was in
local last = setmetatable({}, weak_keys) -- optimizer → the state taken last: what is the same is there once
local marks = 0
local inside -- group → {kind =, params =, values =, memory = of the core, remembers =}

local memory = {}

--- memory.copied(v): tensors, numbers and tables of them as a copy.
local function copied(v)
  if is(v) then return v:clone() end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = copied(x) end
  return out
end
memory.copied = copied

-- Calls f(tensor) for those in v.
local function tensors_in(v, f)
  if is(v) then return f(v) end
  if type(v) == "table" then for _, x in next, v do tensors_in(x, f) end end
end

-- Whether two of what `take` makes are the same, to the bit.
local function alike(a, b)
  if is(a) and is(b) then return core.rows.digest(a) == core.rows.digest(b) end
  if type(a) ~= "table" or type(b) ~= "table" or a == b then return a == b end
  for k, v in next, a do if k ~= "group" and not alike(v, b[k]) then return false end end
  for k in next, b do if a[k] == nil then return false end end
  return true
end

-- The state of an optimizer, copied.
local function state_of(opt)
  local s, copies = {mark = mark[opt]}, {}
  for i = 1, #opt.param_groups do
    local group = opt.param_groups[i]
    local g = inside[group]
    local one = {group = group, values = copied(g.values), remembers = copied(g.remembers), steps = {}, states = {}}
    for j = 1, #g.params do
      one.steps[j], one.states[j] = raw.steps(g.memory, j), {}
      for k = 1, #g.kind.states do
        local t = raw.state(g.memory, j, k)
        one.states[j][k] = t and t:clone()
      end
    end
    s[i] = one
    tensors_in({one.remembers, one.states}, function(t) copies[#copies + 1] = t end)
  end
  core.graph.eval(copies)
  return s
end

local kind = {
  born = function(opt) return made[opt] end,
  take = function(opt)
    local had = last[opt]
    if not had or had.mark ~= mark[opt] then
      had = state_of(opt)
      last[opt] = had
    end
    return had
  end,
  same = function(opt, s)
    if mark[opt] == s.mark then return true end
    local now = state_of(opt) -- what was moved and moved back is no change
    if #now ~= #s then return false end
    for i, one in ipairs(now) do
      if one.group ~= s[i].group or not alike(one, s[i]) then return false end
    end
    return true
  end,
  put = function(opt, s)
    local groups = opt.param_groups
    for i = #groups, 1, -1 do groups[i] = nil end
    for i, one in ipairs(s) do
      local g = inside[one.group]
      rawset(groups, i, one.group)
      g.values, g.remembers, g.memory = copied(one.values), copied(one.remembers), raw.group(g.params)
      for j = 1, #g.params do
        for k = 1, #g.kind.states do raw.set_state(g.memory, j, k, one.states[j][k]) end
        raw.steps(g.memory, j, one.steps[j])
      end
    end
    mark[opt], last[opt] = s.mark, s
  end,
  bytes = function(s)
    local n = 0
    for _, one in ipairs(s) do
      tensors_in({one.remembers, one.states}, function(t) n = n + core.tensor.numel(t) * 4 end)
    end
    return n
  end,
  tell = function(told, opt, before, weak)
    if weak then return end
    for i, one in ipairs(before) do
      local group = opt.param_groups[i]
      for name, v in pairs(group and inside[group].values or {}) do
        local was, is_now = options.show(one.values[name]), options.show(v)
        if was ~= is_now then told[#told + 1] = ("%s: %s = %s (was %s)"):format(opt.kind, name, is_now, was) end
      end
    end
    if #opt.param_groups > #before then told[#told + 1] = opt.kind .. ": a group added" end
  end,
}

--- memory.made(opt, groups): the optimizer is there; groups[group]: what is inside one.
function memory.made(opt, groups)
  inside = groups
  made[opt], mark[opt] = journal.now(), 0
end

local function mark_anew(opt) marks, mark[opt] = marks + 1, marks + 1 end

--- memory.changes(opt[, weak]): its options, groups or what it remembers are about to change. A loop of a script's own
-- is no change (journal.steps).
function memory.changes(opt, weak)
  if not made[opt] then return end -- it is being made
  if journal.recording() then journal.touch(kind, opt, weak) end
  mark_anew(opt)
end

--- memory.steps(opt, params): it is about to move these parameters.
function memory.steps(opt, params)
  memory.changes(opt, true)
  journal.steps(params)
end

return memory
