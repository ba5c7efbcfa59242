--- What training returns; it prints itself.
local absent = require "suture.base.absent"
local counted = require "suture.base.counted"
local progress = require "suture.train.progress"

--- A metatable for {history, seconds, best_epoch, best_by, interrupted, converged, …}.
local optional = "best best_by best_epoch interrupted converged run moved stages"

local Result = {__name = "training", __index = absent.index("the result of fit", optional), __tostring = function(r)
  local last = r.history[#r.history]
  if not last then return "no epoch finished" .. (r.interrupted and " (interrupted)" or "") end
  local text = ("%d epoch%s, %s"):format(#r.history, #r.history == 1 and "" or "s", progress.seconds_text(r.seconds))
  local best = r.history[r.best_epoch or #r.history]
  text = text .. (" · loss %.4g acc %s"):format(best.loss, progress.accuracy_text(best.acc))
  if best.val_loss then
    text = text .. (" · val %.4g %s (epoch %d)"):format(best.val_loss, progress.accuracy_text(best.val_acc),
      r.best_epoch or #r.history)
  end
  if r.best_epoch then text = text .. (" · weights of epoch %d: %s"):format(r.best_epoch, r.best_by) end
  text = text:gsub("%-nan", "nan") -- C writes so of some
  return text .. (r.interrupted and " · interrupted" or r.converged and " · converged" or "")
end}

--- A list of the figures of epochs: those given, or none.
function Result.rows(list)
  return counted.list(list or {}, "history", "history[#history] is the last epoch")
end

return Result
