--- What training returns; it prints itself.
local absent = require "suture.base.absent"
local counted = require "suture.base.counted"
local fault = require "suture.base.fault"
local progress = require "suture.train.progress"

--- A metatable for {history, seconds, best_epoch, best_by, interrupted, converged, …}.
local optional = "best best_by best_epoch interrupted converged run moved stages"

-- What plot(r) draws: losses in one chart, shares that are right in another.
local function plotted(r)
  local fields = {loss = "training", val_loss = "validation", acc = "training", val_acc = "validation"}
  local out = {}
  local function add(title, names)
    local series = {}
    for _, name in ipairs(names) do
      local list = {}
      for i, row in ipairs(r.history) do
        if type(row[name]) == "number" then list[#list + 1] = {row.epoch or i, row[name]} end
      end
      if #list > 0 then series[#series + 1] = {name = fields[name], points = list} end
    end
    if #series > 0 then out[#out + 1] = {"curves", series, {title = title, x = "epoch", width = 400}} end
  end
  add("loss", {"loss", "val_loss"})
  add("accuracy", {"acc", "val_acc"})
  if #out == 0 then fault "plot: nothing was trained: the history is empty" end
  local last = r.history[#r.history]
  out.caption = ("%d epoch%s"):format(#r.history, #r.history == 1 and "" or "s")
  for _, name in ipairs {"loss", "acc", "val_loss", "val_acc"} do
    if type(last[name]) == "number" then
      out.caption = out.caption .. (", %s %.4g"):format(name:gsub("_", " "), last[name])
    end
  end
  return out
end

local Result = {__name = "training", plotted = plotted,
  __index = absent.index("the result of fit", optional), __tostring = function(r)
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
