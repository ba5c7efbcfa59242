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

-- The curves of a training: losses in one chart, shares that are right in another.
local function training(r)
  local fields = {loss = "training", val_loss = "validation", acc = "training", val_acc = "validation"}
  local function panel(title, names)
    local series = {}
    for _, name in ipairs(names) do
      local list = {}
      for i, row in ipairs(r.history) do
        if type(row[name]) == "number" then list[#list + 1] = {row.epoch or i, row[name]} end
      end
      if #list > 0 then series[#series + 1] = {name = fields[name], points = list} end
    end
    if #series > 0 then return {canvas = chart.curves(series, {title = title, x = "epoch", width = 400})} end
  end
  local panels = {}
  panels[1] = panel("loss", {"loss", "val_loss"})
  panels[#panels + 1] = panel("accuracy", {"acc", "val_acc"})
  if #panels == 0 then fault "plot: nothing was trained: the history is empty" end
  local last = r.history[#r.history]
  local caption = ("%d epoch%s"):format(#r.history, #r.history == 1 and "" or "s")
  for _, name in ipairs {"loss", "acc", "val_loss", "val_acc"} do
    if type(last[name]) == "number" then caption = caption .. (", %s %.4g"):format(name:gsub("_", " "), last[name]) end
  end
  return picture {panels = panels, caption = caption}
end

-- The curves of several runs in one chart each: what they were measured by.
local function runs(list)
  local function panel(title, measured, otherwise)
    local series, any = {}, false
    for i, run in ipairs(list) do
      local points = {}
      for _, row in ipairs(run.history) do
        local v = row[measured] or row[otherwise]
        if type(v) == "number" then points[#points + 1] = {row.epoch, v} end
      end
      series[i], any = {name = run.name, points = points}, any or #points > 0
    end
    return any and {canvas = chart.curves(series, {title = title, x = "epoch", width = 400})} or nil
  end
  local panels = {panel("loss", "val_loss", "loss")}
  panels[#panels + 1] = panel("accuracy", "val_acc", "acc")
  if #panels == 0 then fault "plot: none of these runs has finished an epoch" end
  return picture {panels = panels, caption = ("%d run%s in %s: on val where there is one"):format(#list,
    #list == 1 and "" or "s", list.folder)}
end

-- What trials came to over the values of each option that was tried.
local function sweep(s)
  local figure
  for _, name in ipairs {"score", "val_acc", "val_loss", "acc", "loss"} do
    figure = figure or s.best and s.best[name] and name
  end
  if not figure then fault "plot: no trial of this sweep has come to an end" end
  local words, panels = (figure:gsub("_", " ")), {}
  for i, axis in ipairs(s.axes) do
    if i > 6 then break end
    local points, numeric, low, high = {}, true, math.huge, 0
    for _, one in ipairs(s) do
      local v = one.options[axis.name]
      numeric = numeric and type(v) == "number"
      if type(v) == "number" then low, high = math.min(low, v), math.max(high, v) end
    end
    local log = numeric and low > 0 and high / low >= 50
    local of, names = {}, {} -- the best of each value that is no number
    for _, one in ipairs(s) do
      local v, y = one.options[axis.name], one[figure]
      if y and numeric then points[#points + 1] = {log and math.log(v, 10) or v, y} end
      local name = type(v) == "string" and v or options.show(v)
      if y and not numeric then
        if of[name] == nil then names[#names + 1] = name end
        local rises = figure ~= "val_loss" and figure ~= "loss"
        of[name] = of[name] and (rises and math.max or math.min)(of[name], y) or y
      end
    end
    table.sort(names)
    local heights = {}
    for k, name in ipairs(names) do heights[k] = of[name] end
    local o = {title = words, x = axis.name .. (log and ", powers of 10" or ""), width = 400, labels = names}
    panels[#panels + 1] = {canvas = numeric and chart.scatter({{points = points}}, o) or chart.bars(heights, o)}
  end
  return picture {panels = panels, caption = ("%d trials, %s"):format(#s, words)}
end

local function confusion(r)
  local page = chart.matrix(r.counts, {
    title = ("%.1f %% right"):format(100 * r.acc), x = "predicted", y = "true", row_names = r.classes,
    column_names = r.classes,
  })
  return picture {panels = {{canvas = page}}, caption = ("confusion of %d pictures"):format(r.count)}
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
    local own = getmetatable(y).curves -- a result says itself what it draws
    if type(own) == "function" then
      local drawn = own(y)
      return picture {panels = {{canvas = chart.curves(drawn.series, drawn.options)}}, caption = drawn.caption}
    end
    if type(rawget(y, "history")) == "table" then return training(y) end
    if getmetatable(y).__name == "runs" then return runs(y) end
    if getmetatable(y).__name == "sweep" then return sweep(y) end
    if type(rawget(y, "counts")) == "table" and rawget(y, "classes") then return confusion(y) end
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
