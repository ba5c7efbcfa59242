--- ChainedScheduler.
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local scheduler = require "suture.optim.common.scheduler"

local kind = scheduler.declare "ChainedScheduler" {
  options = "schedulers:table",
  step = function(s)
    for _, part in ipairs(s.schedulers) do part:step() end
    s.last_epoch = s.last_epoch + 1
    s._last_lr = scheduler.rates(s)
  end,
  about = "several schedulers of one optimizer at once, one upon the other: ChainedScheduler{warmup, decay}.",
}

local make = kind.make

function kind.make(list, ...)
  if type(list) ~= "table" or not scheduler.is(list[1]) then
    fault "ChainedScheduler: expects a list of schedulers, as ChainedScheduler{warmup, decay}"
  end
  for i, part in ipairs(list) do
    if not scheduler.is(part) or part.optimizer ~= list[1].optimizer then
      fault("ChainedScheduler: scheduler %d is none, or of another optimizer", i)
    end
  end
  return make(list[1].optimizer, list, ...)
end

docs[kind.make] = "ChainedScheduler{scheduler, …}: " .. kind.about

return kind
