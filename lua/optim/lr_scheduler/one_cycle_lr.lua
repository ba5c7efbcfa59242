--- OneCycleLR.
local fault = require "suture.base.fault"
local scheduler = require "suture.optim.common.scheduler"

local anneal = {
  cos = function(from, to, part) return to + (from - to) / 2 * (math.cos(math.pi * part) + 1) end,
  linear = function(from, to, part) return (to - from) * part + from end,
}

-- What goes from where to where in the phase of this step, as {rates from, to, momentum from, to} by name, and how far
-- the phase has gone.
local function phase(s)
  local start = 0
  for k, p in ipairs(s.phases) do
    if s.last_epoch <= p[1] or k == #s.phases then return p, (s.last_epoch - start) / (p[1] - start) end
    start = p[1]
  end
end

return scheduler.declare "OneCycleLR" {
  fit = {name = "onecycle", by = "step", given = function(total, lrs) return {max_lr = lrs, total_steps = total} end},
  options = [[max_lr:any total_steps:count=nil epochs:count=nil steps_per_epoch:count=nil pct_start:prob=0.3
    anneal_strategy:cos|linear=cos cycle_momentum:bool=true base_momentum:any=0.85 max_momentum:any=0.95
    div_factor:positive=25 final_div_factor:positive=1e4 three_phase:bool=false]],
  start = function(s)
    if not s.total_steps and not (s.epochs and s.steps_per_epoch) then
      fault "OneCycleLR: total_steps is missing, or epochs and steps_per_epoch"
    end
    s.total_steps = s.total_steps or s.epochs * s.steps_per_epoch
    s.max = scheduler.each(s, "max_lr")
    s.first, s.least = {}, {}
    for i, lr in ipairs(s.max) do
      s.first[i] = lr / s.div_factor
      s.least[i] = s.first[i] / s.final_div_factor
    end
    s.base_lrs = s.first
    s.high, s.low = scheduler.each(s, "max_momentum"), scheduler.each(s, "base_momentum")
    if s.cycle_momentum and not scheduler.has_momentum(s) then
      fault("OneCycleLR: %s has no momentum: cycle_momentum = false leaves it alone", s.optimizer.kind)
    end
    local up, last = s.pct_start * s.total_steps - 1, s.total_steps - 1
    s.phases = {{up, "first", "max", "high", "low"}}
    if s.three_phase then
      s.phases[2] = {2 * up, "max", "first", "low", "high"}
      s.phases[3] = {last, "first", "least", "high", "high"}
    else s.phases[2] = {last, "max", "least", "low", "high"} end
  end,
  lr = function(s, _, i)
    if s.last_epoch > s.total_steps then
      fault("OneCycleLR: step %d of a cycle of %d steps", s.last_epoch, s.total_steps)
    end
    local p, part = phase(s)
    return anneal[s.anneal_strategy](s[p[2]][i], s[p[3]][i], part)
  end,
  also = function(s, i, group)
    if not s.cycle_momentum then return end
    local p, part = phase(s)
    scheduler.momentum(group, anneal[s.anneal_strategy](s[p[4]][i], s[p[5]][i], part))
  end,
  about = "up to max_lr and down again to almost nothing within total_steps (or epochs · steps_per_epoch) steps, " ..
    "momentum the other way; step() after each batch. Smith & Topin 2018, arXiv:1708.07120.",
}
