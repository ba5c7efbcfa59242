local beforehand = require "suture.train.beforehand"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local losses = require "suture.train.loss"
local measure = require "suture.train.evaluate"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local text = require "suture.base.text"
require "suture.tensor"

local read = options.named("top_losses", "batch:count=64 threads:natural=nil loss:any=nil least:bool=false")

-- The loss of each sample of a batch, and the predictions.
local function each_loss(objective, m, x, y, ds)
  local out = m(x)
  if objective.classes then
    if ds then losses.check_classes("top_losses", {out}, ds, y) end
    return F.cross_entropy(out, y, {reduction = "none"}):tolist(), out
  end
  local list = {}
  for i = 0, x.shape[1] - 1 do
    local rows = ("%d:%d"):format(i, i + 1)
    list[i + 1] = objective.total(m, x[{rows}], y[{rows}]):item()
  end
  return list, out
end

-- What a sample looks like, with its normalisation undone; nil where it is no picture.
local function look(ds, x)
  if #x.shape ~= 3 or x.shape[1] ~= 1 and x.shape[1] ~= 3 then return nil end
  local p = ds.preprocess or {}
  local function column(v)
    if type(v) == "number" then v = {v} end
    return require "suture.tensor".tensor(v):reshape(-1, 1, 1)
  end
  if p.mean or p.std then x = x * column(p.std or 1) + column(p.mean or 0) end
  if x.shape[1] == 1 then x = x:expand(3, -1, -1) end
  return x:clamp(0, 1):detach()
end

--- top_losses(m, ds[, k (9)][, options]): the k samples of ds on which m's loss is highest, as pictures with what m
-- took them for and what they are: mistakes, and wrong labels. The result is a picture object (p:save("x.png")) and a
-- list: p[1] = {place =, loss =, name =, class = (the true one), predicted =, p = (the probability of what was
-- predicted)}. Options: batch (64), threads, loss (as fit's), least = true: the lowest losses in place of the highest.
local function top_losses(m, ds, k, opts)
  if type(k) == "table" and opts == nil then k, opts = nil, k end
  k = k == nil and 9 or math.type(k) == "integer" and k > 0 and k or
    fault("top_losses: expects how many samples to show, a whole number above 0, got %s", options.show(k))
  measure.check_model("top_losses", m)
  ds = beforehand.measured("top_losses", m, measure.check_dataset("top_losses", ds))
  local o = read(opts)
  local objective = losses.objective("top_losses", o.loss, 0)
  local list, classes, first = {}, ds:labels(), true
  measure.each("top_losses", m, ds, o, function(x, y, places)
    local values, out = each_loss(objective, m, x, y, first and ds)
    first = false
    local shares = classes and #out.shape == 2 and out.shape[2] > 1 and F.softmax(out, 1):tolist()
    for i, place in ipairs(places) do
      local one = {place = place, loss = values[i], name = ds:name(place)}
      if shares then
        local guess = 1
        for c, p in ipairs(shares[i]) do if p > shares[i][guess] then guess = c end end
        one.class, one.predicted = ds.classes[classes[place + 1] + 1], ds.classes[guess] or tostring(guess - 1)
        one.p = shares[i][guess]
      end
      list[#list + 1] = one
    end
  end)
  table.sort(list, function(a, b)
    local none = a.loss ~= a.loss
    if none ~= (b.loss ~= b.loss) then return none end -- what is no number comes first
    if not none and a.loss ~= b.loss then return (a.loss > b.loss) == not o.least end
    return a.place < b.place
  end)
  local fields, lines = {panels = {}}, {}
  for i = 1, math.min(k, #list) do
    local one = list[i]
    local words = one.predicted and ("%s %.2f, is %s · %.2f"):format(one.predicted, one.p, one.class or "?",
      one.loss) or ("%.3g"):format(one.loss)
    local x = ds:batch({one.place})[0]
    local image = look(ds, x)
    fields[i] = one
    if image then fields.panels[#fields.panels + 1] = {image = image, caption = text.safe(words, true)} end
    lines[i] = ("%s: %s"):format(one.name, words)
  end
  if #fields.panels == 0 then
    local bars = {}
    for i, one in ipairs(fields) do bars[i] = one.loss end
    fields.panels[1] = {canvas = require "suture.vis.common.chart".bars(bars, {title = "loss"})}
  end
  fields.caption = ("the %d %s losses of %d"):format(#lines, o.least and "lowest" or "highest", #ds)
  if #fields.panels < #lines then fields.caption = fields.caption .. "\n" .. table.concat(lines, "\n") end
  return picture(fields)
end

return top_losses
