--- SequentialLR.
local fault = require "suture.base.fault"
local scheduler = require "suture.optim.common.scheduler"

return scheduler.declare "SequentialLR" {
  options = "schedulers:table milestones:sizes",
  start = function(s)
    for i, part in ipairs(s.schedulers) do
      if not scheduler.is(part) or part.optimizer ~= s.optimizer then
        fault("SequentialLR: schedulers[%d] is no scheduler of this optimizer", i)
      end
    end
    if #s.milestones ~= #s.schedulers - 1 then
      fault("SequentialLR: %d schedulers take %d milestones, got %d", #s.schedulers, #s.schedulers - 1, #s.milestones)
    end
    scheduler.reset(s)
    for _, part in ipairs(s.schedulers) do part.last_epoch = part.last_epoch - 1 end
    s.schedulers[1]:step()
  end,
  step = function(s)
    s.last_epoch = s.last_epoch + 1
    local at = 1
    for i, milestone in ipairs(s.milestones) do if milestone <= s.last_epoch then at = i + 1 end end
    s.schedulers[at]:step(at > 1 and s.milestones[at - 1] == s.last_epoch and 0 or nil)
    s._last_lr = scheduler.rates(s)
  end,
  about = "one scheduler after the other: the next one begins, at its epoch 0, at each epoch in milestones.",
}
