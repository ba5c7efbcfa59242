--- sampler: how often each sample is drawn in an epoch (data/sampler.lua).
local sampler = require "suture.data.sampler"

return {
  options = "sampler:any=nil",
  new = function(t)
    if not sampler.weights(t.what, t.data, t.options.sampler) then return nil end
    return {draws = true, pass = function(_, trainer, set) set.sampler = trainer.options.sampler end}
  end,
}
