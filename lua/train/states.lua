--- What a trainer is saved as, and how another goes on from there.
local core = require "suture.core"
local fault = require "suture.base.fault"
local guard = require "suture.train.guard"
local options = require "suture.base.options"
local Result = require "suture.train.result"

local states = {}

local numbers = {epoch = true, steps = true, seed = true, seconds = true}

local function copied(rows)
  local out = {}
  for i, row in ipairs(rows) do
    out[i] = {}
    for k, v in pairs(row) do out[i][k] = v end
  end
  return out
end

--- t:state_dict(): all that another trainer of the same model, data and options needs to go on as this one would, as
-- copies: {model =, optimizer =, epoch =, steps =, seed =, seconds =, random = (the generator), history =, best =,
-- best_weights =, schedule =, parts = (averages)}.
function states:state_dict() return self:_state() end

--- The same with no more of the model than what `only(name)` is true for.
function states:_state(only)
  local sd = {model = {}, optimizer = self.optimizer:state_dict(), random = core.engine.seed(),
    history = copied(self.history),
    best = copied({self.best})[1], converged = self.converged}
  local list, names = {}, {}
  for name, t in pairs(self.model:state_dict()) do
    if not only or only(name) then list[#list + 1], names[#names + 1] = t, name end
  end
  for i, t in ipairs(guard.copy(list).tensors) do sd.model[names[i]] = t end
  if self._session then -- the rates without the schedule's factor
    for i, group in ipairs(sd.optimizer.param_groups) do
      local base = self._session.base[i]
      if base then group.lr = base.lr end
      if base and base.moves and group.betas then group.betas = {base.moves, group.betas[2]}
      elseif base and base.moves then group.momentum = base.moves end
    end
  end
  for name in pairs(numbers) do sd[name] = self[name] end
  if type(self.schedule) ~= "function" then sd.schedule = self.schedule:state_dict() end
  sd.parts = {}
  for _, part in ipairs(self._parts) do if part.state then sd.parts[part.name] = part:state(self) end end
  if self._best_weights then sd.best_weights = guard.copy(self._best_weights.tensors).tensors end
  return sd
end

--- t:load_state_dict(sd): takes over what state_dict() of another trainer gave: the model's numbers, the optimizer's
-- memory, the random generator, and how far it was. t:run() then goes on with the next epoch.
function states:load_state_dict(sd)
  if self._session then fault("t:load_state_dict: not while it trains") end
  if type(sd) ~= "table" or type(sd.model) ~= "table" or type(sd.optimizer) ~= "table" or
    type(sd.history) ~= "table" then
    fault("t:load_state_dict: expects what state_dict() of a trainer gave, got %s", options.show(sd))
  end
  for name in pairs(numbers) do
    if type(sd[name]) ~= "number" then fault("t:load_state_dict: %s is %s in the state, a number is expected", name,
      options.show(sd[name])) end
  end
  local list, best = guard.movable(self.model), sd.best_weights
  for i, t in ipairs(best and list or {}) do
    if not best[i] or best[i].shape ~= t.shape then
      fault("t:load_state_dict: the best weights in the state are of another model")
    end
  end
  self.model:_load(sd.model, nil, function() end) -- looked at before anything changes
  self.optimizer:load_state_dict(sd.optimizer)
  self.model:load_state_dict(sd.model)
  for name in pairs(numbers) do self[name] = sd[name] end
  if type(self.schedule) ~= "function" and sd.schedule then self.schedule:load_state_dict(sd.schedule) end
  for _, part in ipairs(self._parts) do
    if part.load and sd.parts and sd.parts[part.name] then part:load(self, sd.parts[part.name]) end
  end
  self.history, self.best, self.converged = Result.rows(copied(sd.history)), copied({sd.best})[1], sd.converged
  self._best_weights, self._guard = nil, nil
  if best then
    self._best_weights = guard.copy(list)
    core.rows.copy(self._best_weights.tensors, best)
  end
  if sd.random then core.engine.seed(sd.random) end
end

return states
