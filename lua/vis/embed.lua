local chart = require "suture.vis.common.chart"
local evaluate = require "suture.train.evaluate"
local fault = require "suture.base.fault"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local pca = require "suture.vis.common.pca"
local picture = require "suture.vis.common.picture"
local sweep = require "suture.vis.common.sweep"
local tensor = require "suture.tensor"
local wanted = require "suture.vis.common.wanted"

local read = options.named("embed", "batch:count=64 threads:natural=nil title:str=nil quiet:bool=false")

-- What the model's last linear layer sees: its features.
local function before_head(t)
  for i = #t.nodes, 1, -1 do
    local node = t.nodes[i]
    if node.op == "linear" and node.inputs[1] and #node.inputs[1].shape == 2 then return node.inputs[1].value end
  end
  fault "embed: this model has no linear layer at its end · name a layer: vis.embed(m, ds, path)"
end

-- The features (N, C) of what a layer gives: of a map their mean, of tokens the class token, without one their mean.
local function features(value, form)
  if form.kind == "tokens" and form.extra > 0 then return value:select(1, 0) end
  return wanted.units(value, form)
end

--- vis.embed(m, ds[, path[, {batch =, title =}]]): the data set as m sees it: each sample's features along the two
-- directions in which they differ most (principal components), as points coloured by their class. path: of a layer, or
-- the layer itself; of a map its mean counts, of tokens the class token (default: what m's last linear layer gets).
-- Options: batch (64), threads (of the loader), title, quiet. Returns a picture: .map (n, 2), .values (n, C) the
-- features, .directions (C, 2) of length 1, .explained the shares of the variance.
local function embed(m, ds, path, opts, ...)
  if select("#", ...) > 0 then fault "embed: expects a model, a dataset, a path and options, got more" end
  if opts == nil and options.is_options(path) then path, opts = nil, path end
  local o = read(opts)
  evaluate.check_model("embed", m)
  ds = evaluate.check_dataset("embed", ds)
  if #ds < 2 then fault "embed: one sample differs from nothing: at least 2 are needed" end
  if path ~= nil and path ~= "" then path = looked.path("embed", m, path) end
  local form, rows, groups, labels = nil, {}, {}, {}
  sweep("embed", ds, o, function(x, y)
    local value, t
    if path == nil then
      t = looked.still(require("suture.model.trace").trace, m, x)
      value = before_head(t)
    else value, t = wanted.value("embed", m, x, path) end
    form = form or wanted.form("embed", t, value, path or "the last linear layer's input")
    local f = features(value, form):detach()
    f:sum():item() -- computed now, batch by batch
    rows[#rows + 1] = f
    local classes = y.dtype == "int64" and #y.shape == 1
    for _, k in ipairs(classes and y:tolist() or {}) do labels[#labels + 1] = math.tointeger(k) end
  end)
  local values = tensor.cat(rows, 0):detach()
  local points, directions, explained = pca(values, 2)
  if points.shape[2] < 2 then points = tensor.cat({points, points * 0}, 1):detach() end
  local known = #labels == values.shape[1]
  for i, p in ipairs(points:tolist()) do
    local k = known and labels[i] or 0
    groups[k] = groups[k] or {name = known and ds:class_name(k) or nil, points = {}, k = k}
    table.insert(groups[k].points, p)
  end
  local series = {}
  for _, g in pairs(groups) do series[#series + 1] = g end
  table.sort(series, function(a, b) return a.k < b.k end)
  local function axis(i) return ("component %d: %.1f %%"):format(i, 100 * (explained[i] or 0)) end
  local page = chart.scatter(series, {title = o.title, x = axis(1), y = axis(2), width = 560, height = 420})
  return picture {
    panels = {{canvas = page}}, map = points, shown = points, values = values, directions = directions,
    explained = explained, layer = path,
    caption = ("%d samples by %d features%s, principal components: %.1f %% of the variance"):format(values.shape[1],
      values.shape[2], path and path ~= "" and " of " .. path or "", 100 * ((explained[1] or 0) + (explained[2] or 0))),
  }
end

return embed
