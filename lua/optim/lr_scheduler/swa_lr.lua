--- SWALR.
local scheduler = require "suture.optim.common.scheduler"

local anneal = {cos = function(t) return (1 - math.cos(math.pi * t)) / 2 end, linear = function(t) return t end}

return scheduler.declare "SWALR" {
  options = "swa_lr:any anneal_epochs:natural=10 anneal_strategy:cos|linear=cos",
  start = function(s) s.target = scheduler.each(s, "swa_lr") end,
  lr = function(s, lr, i)
    local step = s.last_epoch
    if s.anneal_epochs == 0 then step = math.max(1, step) end
    local function part(k)
      return anneal[s.anneal_strategy](math.max(0, math.min(1, k / math.max(1, s.anneal_epochs))))
    end
    local before, now, to = part(step - 1), part(step), s.target[i]
    local from = before == 1 and to or (lr - before * to) / (1 - before)
    return to * now + from * (1 - now)
  end,
  about = "from the rate there is to swa_lr in anneal_epochs epochs, then constant: for the averaging of weights. " ..
    "Izmailov et al. 2018, arXiv:1803.05407.",
}
