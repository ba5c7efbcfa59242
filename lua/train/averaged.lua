--- Averages of what training moves, for parts that keep some: of each tensor its own, from when it first moves.
local core = require "suture.core"
local guard = require "suture.train.guard"
local rows = core.rows

local Averaged = {}
Averaged.__index = Averaged

-- The averages of these tensors; new ones begin as what the tensor is.
local function of(self, list)
  local out, new = {}, {}
  for i, t in ipairs(list) do
    if not self.values_of[t] then
      self.values_of[t] = core.tensor.clone(t)
      new[#new + 1] = self.values_of[t]
    end
    out[i] = self.values_of[t]
  end
  if #new > 0 then core.graph.eval(new) end
  return out
end

-- What moves in the trainer's model, without the statistics of modules that are frozen or in eval: an average of equal
-- numbers may differ from them in the last bit.
local function moving(self, t)
  if self.guard == t._guard then return self.list end
  local still, list = {}, {}
  for sub in t.model:modules() do
    for _, b in pairs(sub:is_training() and {} or rawget(sub, "_buffers")) do still[b] = true end
  end
  for _, x in ipairs(t._guard.moving) do if not still[x] then list[#list + 1] = x end end
  self.guard, self.list = t._guard, list
  return list
end

--- a:take(t, keep, new): average = keep average + new weights, of all that moves in the trainer's model. Those taken
-- the first time are copied.
function Averaged:take(t, keep, new)
  local list = moving(self, t)
  local had = self.count > 0
  rows.blend(of(self, list), list, had and keep or 0, had and new or 1)
  self.count = self.count + 1
end

--- a:values(t) → what moves, and its averages: {to …}, {from …}; nil before the first was taken.
function Averaged:values(t)
  if self.count == 0 then return nil end
  local list = guard.movable(t.model)
  return list, of(self, list)
end

--- a:put(t): the model has the averages; a:begin puts back what training goes on with.
function Averaged:put(t)
  local list, from = self:values(t)
  if not list then return false end
  self.raw = {list = list, copy = guard.copy(list), shown = from}
  core.graph.eval(self.raw.copy.tensors)
  rows.copy(list, from)
  return true
end

--- a:begin([sure]): what a:put replaced is in the model again, unless somebody has changed it since (sure: nobody has).
function Averaged:begin(sure)
  local raw = self.raw
  self.raw = nil
  if not raw then return end
  for i, t in ipairs(sure and {} or raw.list) do
    if rows.digest(t) ~= rows.digest(raw.shown[i]) then return end
  end
  raw.copy.restore()
end

--- a:state(t), a:load(t, state): all of it, by the places of what moves.
function Averaged:state(t)
  local list = guard.movable(t.model)
  return {count = self.count, values = guard.copy(of(self, list)).tensors,
    raw = self.raw and guard.copy(self.raw.copy.tensors).tensors or nil}
end
function Averaged:load(t, state)
  local list = guard.movable(t.model)
  self.count = state.count
  rows.copy(of(self, list), state.values)
  if state.raw then rows.copy(list, state.raw) end
end

return function() return setmetatable({count = 0, values_of = {}}, Averaged) end
