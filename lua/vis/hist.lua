local chart = require "suture.vis.common.chart"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local raw = require("suture.core").tensor
local tensor = require "suture.tensor"

local read = options.named("hist", "bins:count=30 title:str=nil")

--- hist(t[, {bins = 30, title =}]): how the numbers of a tensor, or of a list, are spread: bars of how many lie in each
-- of `bins` equal parts from the least to the greatest (the last holds both its ends). p.map: the counts; numbers that
-- are not finite are left out and counted in the caption.
local function hist(t, opts)
  local o = read(opts)
  if type(t) == "table" and not getmetatable(t) and #t > 0 then t = tensor.tensor(t) end
  if not raw.is(t) then fault("hist: expects a tensor, got %s", options.show(t)) end
  local low, high, list, lost = math.huge, -math.huge, {}, 0
  for _, v in ipairs(t:detach():to("float32"):reshape(-1):tolist()) do
    if v - v == 0 then
      low, high, list[#list + 1] = math.min(low, v), math.max(high, v), v
    else
      lost = lost + 1
    end
  end
  if #list == 0 then fault "hist: there are no finite numbers" end
  local bottom, top = low, high
  if top - bottom <= math.abs(low) * 2 ^ -40 then
    local half = math.max(0.5, math.abs(low) * 2 ^ -20) -- so that both ends are other numbers
    bottom, top = low - half, high + half
  end
  local counts, sum = {}, 0.0
  for i = 1, o.bins do counts[i] = 0 end
  for _, v in ipairs(list) do
    local i = math.min(o.bins, math.floor((v - bottom) / (top - bottom) * o.bins) + 1)
    counts[i], sum = counts[i] + 1, sum + v
  end
  local caption = ("%d numbers from %.4g to %.4g, mean %.4g%s"):format(#list, low, high, sum / #list,
    lost > 0 and (", %d not finite"):format(lost) or "")
  local page = chart.bars(counts, {title = o.title, x = "value", y = "count", from = bottom, to = top})
  return picture {panels = {{canvas = page}}, caption = caption, map = tensor.tensor(counts)}
end

return hist
