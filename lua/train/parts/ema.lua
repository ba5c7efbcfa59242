--- ema = decay: the exponential moving average of all numbers that training moves, statistics included: what is
-- measured, kept as the best, and in the model at the end. average = decay average + (1 - decay) weights after each
-- step, the first one copied: AveragedModel of torch.optim.swa_utils with the avg_fn and use_buffers of torchvision's
-- references.
local averaged = require "suture.train.averaged"
local fault = require "suture.base.fault"
local options = require "suture.base.options"

return {
  options = "ema:any=nil",
  new = function(t)
    local decay = t.options.ema
    if decay == nil or decay == false then return nil end
    if type(decay) ~= "number" or not (decay > 0 and decay < 1) then
      fault("%s: ema is the decay of the average, a number between 0 and 1 such as 0.999, got %s", t.what,
        options.show(decay))
    end
    local self = averaged()
    function self.stepped(_, trainer) self:take(trainer, decay, 1 - decay) end
    function self.average(_, trainer) return self:values(trainer) end
    function self.finish(_, trainer, best) if not best then self:put(trainer) end end
    return self
  end,
}
