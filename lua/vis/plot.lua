local chart = require "suture.vis.common.chart"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local raw = require("suture.core").tensor
require "suture.tensor"

local read = options.named("plot", "x:str=nil y:str=nil title:str=nil names:table=nil kind:line|scatter|bar=line")

-- Numbers: a tensor's row, or a list.
local function numbers(v, what)
  if raw.is(v) then
    if #v.shape > 1 then fault("plot: %s: expects a vector, got %s", what, tostring(v.shape)) end
    v = v:reshape(-1):tolist()
  end
  for i, n in ipairs(v) do
    if type(n) ~= "number" then fault("plot: %s: expects numbers, got %s at place %d", what, options.show(n), i) end
  end
  if #v == 0 then fault("plot: %s: there are no numbers", what) end
  return v
end

local function points(ys, xs)
  if xs and #xs ~= #ys then fault("plot: %d numbers for x, %d for y", #xs, #ys) end
  local out = {}
  for i, y in ipairs(ys) do out[i] = {xs and xs[i] or i - 1, y} end
  return out
end

local charts = {curves = chart.curves, scatter = chart.scatter, bars = chart.bars, matrix = chart.matrix}

-- A result says itself what is drawn of it: its metatable's plotted(r) gives {caption =, {kind, what, options} …}, a
-- chart each, of a kind of `charts`.
local function of_result(r, plotted)
  local drawn, panels = plotted(r), {}
  for i, one in ipairs(drawn) do panels[i] = {canvas = charts[one[1]](one[2], one[3])} end
  return picture {panels = panels, caption = drawn.caption}
end

-- What is to be drawn as series of points.
local function series_of(y, xs)
  if raw.is(y) then
    if #y.shape == 0 then y = y:reshape(1) end
    if #y.shape > 2 then
      fault("plot: expects a vector or a matrix (a curve a row), got %s · show(x) shows pictures", tostring(y.shape))
    end
    y = #y.shape == 2 and y:unbind(0) or {y}
  elseif type(y) == "table" and not getmetatable(y) then
    if #y == 0 then fault "plot: there is nothing to draw" end
    if type(y[1]) == "number" then y = {y} end
  else
    fault("plot: expects numbers (a tensor, a list) or the result of fit or confusion, got %s", options.show(y))
  end
  local series = {}
  for i, row in ipairs(y) do
    if not raw.is(row) and type(row) ~= "table" then
      fault("plot: expects numbers or lists of them, got %s at place %d", options.show(row), i)
    end
    series[i] = {points = points(numbers(row, "y"), xs)}
  end
  return series
end

--- plot(y), plot(x, y): curves: y is a vector, a list of numbers, or several of them (a matrix: a curve a row); x, what
-- they stand over (0, 1, 2, …). plot(r): the losses and accuracies of what fit returned; of confusion's: the matrix; of
-- lr_find's and strategy's: the curve; plot(runs()): the curves of all runs; of a sweep: what came of each value that
-- was tried.
-- Options in a last table: x, y, title (words), names = {"a", "b"} (of the curves), kind = "line", "scatter", "bar".
local function plot(...)
  local given = table.pack(...)
  local opts
  if given.n > 1 and options.is_options(given[given.n]) then opts, given.n = given[given.n], given.n - 1 end
  if given.n == 0 or given.n > 2 then fault("plot: expects plot(y) or plot(x, y), got %d values", given.n) end
  local o = read(opts)
  local y = given[given.n]
  if type(y) == "table" and getmetatable(y) and given.n == 1 then
    local plotted = getmetatable(y).plotted
    if type(plotted) == "function" then return of_result(y, plotted) end
  end
  local xs = given.n == 2 and given[1] or nil
  if xs ~= nil then
    if not raw.is(xs) and type(xs) ~= "table" then fault("plot: x: expects numbers, got %s", options.show(xs)) end
    xs = numbers(xs, "x")
  end
  local series = series_of(y, xs)
  for i, s in ipairs(series) do s.name = o.names and o.names[i] end
  local page
  if o.kind == "bar" then
    if #series > 1 then fault "plot: bars are of one list of numbers" end
    local heights = {}
    for i, p in ipairs(series[1].points) do heights[i] = p[2] end
    page = chart.bars(heights, {title = o.title, x = o.x, y = o.y, labels = o.names})
  else
    page = (o.kind == "scatter" and chart.scatter or chart.curves)(series, o)
  end
  local shown = raw.is(y) and y or nil
  return picture {panels = {{canvas = page}}, caption = o.title, shown = shown, map = shown}
end

return plot
