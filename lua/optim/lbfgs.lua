--- L-BFGS.
local line_search = require "suture.optim.common.strong_wolfe"
local tensor = require "suture.tensor"
local core = require "suture.core"
local raw = core.tensor

-- The parameters as one vector, and what is done with vectors of their length.
local Space = {}
Space.__index = Space

-- Numbers computed now: what comes next may write where they came from.
local function settled(x)
  x = x:detach()
  core.graph.eval {x}
  return x
end

-- The gradients as one vector; of a parameter that has none: zeros.
function Space:gradient()
  local list = {}
  for i, p in ipairs(self.params) do list[i] = p.grad and p.grad:reshape(-1) or tensor.zeros(raw.numel(p)) end
  return settled(tensor.cat(list))
end

-- The parameters go step · direction on from where they are.
function Space:add(step, direction)
  local at, to = 0, {}
  for i, p in ipairs(self.params) do
    local n = raw.numel(p)
    to[i] = (p:detach() + direction:narrow(0, at, n):reshape(p.shape) * step):detach()
    at = at + n
  end
  core.graph.eval(to)
  core.rows.copy(self.params, to)
end

function Space:copy()
  local out = {}
  for i, p in ipairs(self.params) do out[i] = raw.clone(p) end
  core.graph.eval(out)
  return out
end

local function dot(a, b) return (a * b):sum():item() end
local function largest(x) return x:abs():max():item() end

-- The gradient times the approximate inverse Hessian of what s remembers: two loops.
local function direction(s, gradient)
  local q, along = -gradient, {}
  for i = #s.old_dirs, 1, -1 do
    along[i] = dot(s.old_stps[i], q) * s.ro[i]
    q = settled(q - s.old_dirs[i] * along[i])
  end
  local r = settled(q * s.H_diag)
  for i = 1, #s.old_dirs do
    local be = dot(s.old_dirs[i], r) * s.ro[i]
    r = settled(r + s.old_stps[i] * (along[i] - be))
  end
  return r
end

-- What the step before tells of the curvature.
local function remember(s, gradient, most)
  local y, moved = settled(gradient - s.prev_flat_grad), settled(s.d * s.t)
  local ys = dot(y, moved)
  if ys <= 1e-10 then return end
  if #s.old_dirs == most then
    for _, list in ipairs {s.old_dirs, s.old_stps, s.ro} do table.remove(list, 1) end
  end
  s.old_dirs[#s.old_dirs + 1], s.old_stps[#s.old_stps + 1], s.ro[#s.ro + 1] = y, moved, 1 / ys
  s.H_diag = ys / dot(y, y)
end

-- One step of torch.optim's LBFGS: up to max_iter directions. s: its memory, a table.
local function step(all, group, s, closure)
  local params, length = {}, 0
  for _, p in ipairs(all) do
    if p.requires_grad and not raw.frozen(p) then params[#params + 1], length = p, length + raw.numel(p) end
  end
  if s.d and raw.numel(s.d) ~= length then for k in pairs(s) do s[k] = nil end end -- something was frozen or thawed
  local space = setmetatable({params = params}, Space)
  local loss = closure()
  local first, value, evals = loss, loss:item(), 1
  s.func_evals, s.n_iter = (s.func_evals or 0) + 1, s.n_iter or 0
  local gradient = space:gradient()
  if largest(gradient) <= group.tolerance_grad then return first end
  local function evaluate()
    value = closure():item()
    return value, space:gradient()
  end
  local n = 0
  while n < group.max_iter do
    n, s.n_iter = n + 1, s.n_iter + 1
    if s.n_iter == 1 then
      s.d, s.old_dirs, s.old_stps, s.ro, s.H_diag = settled(-gradient), {}, {}, {}, 1
    else
      remember(s, gradient, group.history_size)
      s.d = direction(s, gradient)
    end
    s.prev_flat_grad, s.prev_loss = gradient, value
    s.t = s.n_iter == 1 and math.min(1, 1 / gradient:abs():sum():item()) * group.lr or group.lr
    local slope, asked = dot(gradient, s.d), 0
    if slope > -group.tolerance_change then break end
    if group.line_search_fn == "strong_wolfe" then
      local from = space:copy()
      local function at(t)
        space:add(t, s.d)
        local f, g = evaluate()
        core.rows.copy(params, from)
        return f, g, dot(g, s.d)
      end
      value, gradient, s.t, asked = line_search(at, s.t, value, gradient, slope, largest(s.d), group.tolerance_change)
      space:add(s.t, s.d)
    else
      space:add(s.t, s.d)
      if n ~= group.max_iter then
        value, gradient = evaluate()
        asked = 1
      end
    end
    evals, s.func_evals = evals + asked, s.func_evals + asked
    if n == group.max_iter or evals >= (group.max_eval or group.max_iter * 5 // 4) or
      largest(gradient) <= group.tolerance_grad or largest(s.d) * s.t <= group.tolerance_change or
      math.abs(value - s.prev_loss) < group.tolerance_change then
      break
    end
  end
  return first
end

return require("suture.optim.common.optimizer").declare "LBFGS" {
  options = [[lr:rate=1 max_iter:count=20 max_eval:count=nil tolerance_grad:rate=1e-7 tolerance_change:rate=1e-9
    history_size:count=100 line_search_fn:strong_wolfe|none=none]],
  closure = step,
  fit = {line_search_fn = "strong_wolfe"},
  about = "opt:step(closure): the gradient times an approximate inverse Hessian of the last history_size steps; " ..
    "closure() computes the loss and its gradients, several times a step. For whole data sets. " ..
    "Liu & Nocedal 1989, Math. Programming 45.",
}
