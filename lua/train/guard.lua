--- What training may change in a model, and copies of it to go back to.
local core = require "suture.core"
local rows = core.rows
local guard = {}

--- A copy of tensors: save() refreshes it, restore() goes back, tensors() is the copy itself.
function guard.copy(list)
  local copy = {}
  for i, t in ipairs(list) do copy[i] = core.tensor.clone(t) end
  return {
    save = function() rows.copy(copy, list) end,
    restore = function() rows.copy(list, copy) end,
    tensors = copy,
  }
end

--- The tensors that training may change: parameters that require a gradient, and all buffers (running statistics). Then
-- how many of them are parameters, and whether the model has others.
function guard.movable(m)
  local list, others = {}, false
  for p in m:parameters() do
    if p.requires_grad then list[#list + 1] = p else others = true end
  end
  local trained = #list
  for b in m:buffers() do list[#list + 1] = b end
  return list, trained, others
end

--- A guard over m: moving (what may change), trained (how many are parameters), others (whether some parameters stand
-- still), good (copies before the last step) and settled (the statistics as the last whole step left them).
function guard.new(m)
  local list, trained, others = guard.movable(m)
  return {moving = list, trained = trained, others = others, good = guard.copy(list),
    settled = guard.copy {table.unpack(list, trained + 1)}}
end

--- guard.widened(copy, list, now): a copy of the tensors `now`, in which those of `list` are as `copy` has them.
function guard.widened(copy, list, now)
  local new, place, to, from = guard.copy(now), {}, {}, {}
  for i, t in ipairs(now) do place[t] = i end
  for i, t in ipairs(list) do
    if place[t] then to[#to + 1], from[#from + 1] = new.tensors[place[t]], copy.tensors[i] end
  end
  rows.copy(to, from)
  return new
end

--- Whether the guard is over what may change now.
function guard.fits(g, m)
  local list, trained = guard.movable(m)
  if trained ~= g.trained or #list ~= #g.moving then return false end
  for i, t in ipairs(list) do if not rawequal(t, g.moving[i]) then return false end end
  return true
end

--- Whether all that training moves is finite; statistics: only those which a step before was (masks may hold -inf).
function guard.finite(g, from, to)
  for i = from, to do
    if not rows.finite(g.moving[i]) and (i <= g.trained or rows.finite(g.settled.tensors[i - g.trained])) then
      return false
    end
  end
  return true
end

--- Whether the statistics are finite that a forward pass has moved.
function guard.statistics(g) return guard.finite(g, g.trained + 1, #g.moving) end

--- Whether the parameters are finite that a step has moved.
function guard.parameters(g) return guard.finite(g, 1, g.trained) end

--- The first tensor of m that is not finite, in words; nil: all are.
function guard.first_bad(m, g)
  for name, p in m:named_parameters() do
    if not rows.finite(p) then return "parameter " .. name end
    if p.grad and not rows.finite(p.grad) then return "the gradient of " .. name end
  end
  for i = g.trained + 1, #g.moving do
    local b = g.moving[i]
    if not rows.finite(b) and rows.finite(g.settled.tensors[i - g.trained]) then
      for name, t in m:named_buffers() do if rawequal(t, b) then return "buffer " .. name end end
    end
  end
end

return guard
