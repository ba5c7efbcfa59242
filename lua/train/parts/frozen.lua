--- Frozen means frozen, and is looked at: digests of all frozen tensors and statistics before and after; what moved
-- nevertheless (a hook, on_step or a loss of the user's wrote it) is said, and is in the result as `moved`.
local core = require "suture.core"
local note = require "suture.base.note"
local digest = core.rows.digest

-- What must not change: name and tensor, of parameters that require no gradient and of all of frozen modules.
local function still(m)
  local list = {}
  for name, p in m:named_parameters() do
    if not p.requires_grad then list[#list + 1] = {name = name, tensor = p, frozen = core.tensor.frozen(p)} end
  end
  for path, sub in m:named_modules() do
    if rawget(sub, "_frozen") then
      for _, name in ipairs(sub._bnames) do
        list[#list + 1] = {name = path == "" and name or path .. "." .. name, tensor = sub._buffers[name], owner = sub}
      end
    end
  end
  return list
end

local function stands(one)
  if one.owner then return rawget(one.owner, "_frozen") end
  return not one.tensor.requires_grad
end

local Frozen = {}
Frozen.__index = Frozen

function Frozen:begin(t)
  self.list, self.moved = still(t.model), nil
  for _, one in ipairs(self.list) do one.digest = digest(one.tensor) end
end

-- What is thawed on the way may move.
function Frozen:starts()
  local kept = {}
  for _, one in ipairs(self.list) do if stands(one) then kept[#kept + 1] = one end end
  self.list = kept
end

-- A run's result is made before its session ends; both ask here.
function Frozen:look(t)
  if self.moved or not self.list then return self.moved end
  self:starts()
  local moved = {}
  for _, one in ipairs(self.list) do if digest(one.tensor) ~= one.digest then moved[#moved + 1] = one.name end end
  self.list = nil
  if #moved == 0 then return nil end
  self.moved = moved
  note(("%s: frozen, and changed nevertheless: %s%s: training does not write there, so a hook, on_step, on_epoch or " ..
    "a loss of your own did"):format(t.what, table.concat(moved, ", ", 1, math.min(3, #moved)),
      #moved > 3 and (" and %d more"):format(#moved - 3) or ""))
  return moved
end

function Frozen:result(t, r) r.moved = self:look(t) end
function Frozen:close(t) self:look(t) end

return {new = function() return setmetatable({}, Frozen) end}
