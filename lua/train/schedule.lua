--- Learning-rate schedules: each gives the factor on the base rate for an epoch (from 0) out of `epochs`.
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local suggest = require "suture.base.suggest"
local schedule = {}

-- CosineAnnealingLR with eta_min 0 (Loshchilov & Hutter 2017, without restarts).
function schedule.cosine(opts)
  return function(epoch) return (1 + math.cos(math.pi * epoch / opts.epochs)) / 2 end
end

-- StepLR: gamma (0.1) every step_size epochs (a third of them all).
function schedule.step(opts)
  local size = opts.step_size or math.max(1, opts.epochs // 3)
  return function(epoch) return opts.gamma ^ (epoch // size) end
end

function schedule.constant() return function() return 1 end end

--- The schedule named by opts.schedule ("cosine", "step", "constant"), or given as a function of (epoch, epochs).
return function(opts)
  local given = opts.schedule
  if type(given) == "function" then
    return function(epoch)
      local factor = given(epoch, opts.epochs)
      if type(factor) ~= "number" or not (factor >= 0) then
        fault("fit: schedule gave %s for epoch %d, a number of 0 or above is expected", options.show(factor), epoch)
      end
      return factor
    end
  end
  local make = schedule[given]
  if not make then
    fault('fit: no schedule %s%s ("cosine", "step", "constant", or a function of epoch and epochs)',
      options.show(given),
      suggest.hint(tostring(given), schedule))
  end
  return make(opts)
end
