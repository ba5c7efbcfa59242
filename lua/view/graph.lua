--- The graph that runs, as rows with lanes; prints itself, saves itself.
local fault = require "suture.base.fault"
local fold = require "suture.view.fold"
local kernels = require "suture.view.kernels"
local lanes = require "suture.view.lanes"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local rows = require "suture.view.rows"
local suggest = require "suture.base.suggest"
local text = require "suture.base.text"
local trace = require "suture.model.outline"

local Graph = {__name = "graph"}
Graph.__index = Graph

-- The first call at a path, or an error with the nearest that runs.
local function call_at(t, path)
  local paths = {}
  for _, call in ipairs(t.calls) do
    if call.path == path and call.depth > 0 then return call end
    if call.path ~= "" then paths[#paths + 1] = call.path end
  end
  local ok = pcall(t.model.at, t.model, path)
  local other = t.model:_recorded_as(path)
  if other then fault("graph: '%s' is the same module as '%s': ask for that name", path, other) end
  if ok then fault("graph: '%s' does not run (m:audit() lists what does not)", path) end
  fault("graph: no module '%s' in %s%s", path, t.class, suggest.hint(path, paths))
end

local known = options.known("graph", {depth = "nil", input = "nil", kernels = "false", at = "nil", fold = "nil"})

local MANY = 100 -- rows; of graphs with more, repeats are folded unless said otherwise

local function plain_shape(s)
  if not s then return nil end
  return table.move(s, 1, #s, 1, {})
end

-- m:graph(…): see view/init.lua.
local function graph(m, ...)
  local opts = trace.arguments("graph", known, ...)
  if opts.fold ~= nil and type(opts.fold) ~= "boolean" then
    fault("graph: fold expects true or false, got %s", options.show(opts.fold))
  end
  local t = trace.run(m, opts.input, "graph")
  local within = opts.at and opts.at ~= "" and call_at(t, opts.at) or nil
  local depth = opts.depth
  if within and depth then depth = depth + within.depth end
  local list, outputs, times = rows.of(t, {depth = depth, within = within})
  local total, still = require("suture.view.counts").all(within and within.module or m)
  local g = setmetatable({
    class = within and within.path .. ": " .. getmetatable(within.module).__name or t.class,
    inputs = {}, nodes = {}, params = total, frozen_params = still, macs = 0, error = t.error,
  }, Graph)
  for i, s in ipairs(within and {within.input_shape} or t.shapes) do g.inputs[i] = plain_shape(s) end
  local ops = 0
  for _, row in ipairs(list) do
    g.macs = g.macs + row.macs
    if not row.input then ops = ops + 1 end
    g.nodes[row.id] = {
      id = row.id, inputs = row.inputs, path = row.path, label = row.label,
      op = row.op or (row.leaf and row.nodes[1].op) or nil,
      class = row.module and getmetatable(row.module).__name or nil,
      functional = row.functional or false, input = row.input or false,
      shape = plain_shape(row.shape), params = row.params, frozen_params = row.frozen_params, macs = row.macs,
      frozen = row.frozen or false, bn_eval = row.bn_eval or false, run = row.nth or 1,
      runs = row.module and times[row.module] or 1, output = outputs[row.id] or false, parameters = row.tensors,
    }
  end
  g.ops = ops
  if opts.kernels and not t.error then
    g.kernels = kernels(t, within)
    for _, row in ipairs(list) do g.nodes[row.id].kernel = row.input and "" or g.kernels:of(row) end
  end
  function g._facts() return require("suture.view.facts").of(g, t, list, within) end
  local drawn = opts.fold ~= false and (opts.fold or #list > MANY) and fold(list, outputs)
  g.drawn, g.folded = g.nodes, false -- folded: to how many rows
  if drawn then
    g.drawn, g.folded = {}, 0
    for i, d in ipairs(drawn) do
      local n = type(d) == "table" and d or g.nodes[d]
      n.output = outputs[n.id] or false
      if not n.input then g.folded = g.folded + 1 end
      g.drawn[i] = n
    end
  end
  return g
end

-- What stands behind an operation's name.
local function label_of(n)
  local s = n.label
  if n.functional then s = s .. text.sign "sep" .. "functional" end
  if n.bn_eval then s = s .. " eval" end
  if n.run > 1 then s = ("%s (%s run)"):format(s, rows.ordinal(n.run)) end
  return s
end

local function params_of(n)
  if n.params == 0 then return "" end
  local s = text.count(n.params)
  return n.frozen_params == n.params and "(" .. s .. ")" or s
end

--- g:totals(): the graph's sums on one line: rows, parameters and how many do not train, multiply-adds (MACs).
function Graph.totals(g)
  local parts = {
    text.plural(g.ops, "row"), text.plural(g.params, "parameter"), text.short(g.macs) .. " MACs",
  }
  if g.folded then parts[1] = ("%s, folded to %d"):format(parts[1], g.folded) end
  if g.frozen_params > 0 then parts[2] = ("%s (%s do not train)"):format(parts[2], text.count(g.frozen_params)) end
  return table.concat(parts, text.sign "sep")
end

--- g:text([width]): the graph as lines of text for a terminal of so many columns (default: this one).
function Graph.text(g, width)
  width = width or text.width()
  if type(width) ~= "number" then fault("text: width expects a number of columns, got %s", options.show(width)) end
  local frozen, functional = false, false
  local by = {}
  for i, n in ipairs(g.drawn) do
    by[i] = {id = n.id, inputs = n.inputs, mark = n.functional and "functional" or "op"}
    frozen = frozen or n.frozen
    functional = functional or n.functional
  end
  local outputs = {}
  local by_id = {}
  for _, n in ipairs(g.drawn) do
    by_id[n.id] = n
    if n.output then outputs[n.id] = true end
  end
  local cells = {}
  for i, l in ipairs(lanes(by, outputs)) do
    local n = l.row and by_id[l.row.id]
    if not n then cells[i] = {l.text, "", "", "", "", "", "", ""}
    else
      cells[i] = {
        l.text, n.frozen and (text.unicode() and "❄" or "f") or "", n.path, n.input and n.label or label_of(n),
        n.shape and text.shape(n.shape) or "", params_of(n), n.macs > 0 and text.short(n.macs) or "", n.kernel or "",
      }
    end
  end
  local columns = {
    {}, {}, {title = "", cut = "left"}, {title = "operation"}, {title = "output"}, {title = "params", align = "right"},
    {title = "MACs", align = "right"}, {title = "runs as"},
  }
  local lines, w = text.table(cells, columns)
  local function total()
    local sum, n = 0, 0
    for _, x in ipairs(w) do if x > 0 then sum, n = sum + x, n + 1 end end
    return sum + 2 * math.max(0, n - 1)
  end
  if total() > width then -- first shorten operations, then paths, then leave MACs and parameters out
    columns[4].max = math.max(18, w[4] - (total() - width))
    lines, w = text.table(cells, columns)
    if total() > width then
      columns[3].max = math.max(14, w[3] - (total() - width))
      lines, w = text.table(cells, columns)
    end
    for _, c in ipairs {7, 6, 5} do
      if total() <= width then break end
      for _, cell in ipairs(cells) do cell[c] = "" end
      lines, w = text.table(cells, columns)
    end
    if total() > width then
      for i, l in ipairs(lines) do lines[i] = text.cut(l, width) end
    end
  end
  local input = {}
  for i, s in ipairs(g.inputs) do input[i] = text.shape(s) end
  table.insert(lines, 1, ("%s%sinput %s"):format(g.class, text.sign "sep", table.concat(input, " and ")))
  if g.error then lines[#lines + 1] = (text.unicode() and "✗ " or "x ") .. g.error:gsub("^%S-:%d+: ", "") end
  lines[#lines + 1] = g:totals()
  local legend = {}
  if frozen then legend[#legend + 1] = (text.unicode() and "❄" or "f") .. " frozen: nothing in it changes" end
  if functional then legend[#legend + 1] = (text.unicode() and "○" or "o") .. " functional: runs, but is no module" end
  if g.folded then legend[#legend + 1] = text.sign "times" .. " so many alike, in a row (fold = false draws each)" end
  if #legend > 0 then lines[#lines + 1] = table.concat(legend, text.sign "sep") end
  if g.kernels then lines[#lines + 1] = g.kernels:totals() end
  return text.safe(table.concat(lines, "\n"))
end

function Graph.__tostring(g) return g:text() end
function Graph.__len(g) return #g.nodes end

--- g:save(PATH): writes the graph as the ending says. .html: one page that needs no network, to walk through: it
-- zooms, searches, folds modules and unfolds them, and tells of each operation its attributes, shapes, cost, and how
-- the numbers of its weights are spread; frozen parts, BatchNorm in eval, modules that never run and where backward
-- stops are marked. .svg, .png: the still drawing; .dot: for Graphviz; .json: for scripts; .txt: as it prints.
function Graph.save(g, path) return require("suture.view.export").save(g, path) end

-- The still drawing as SVG text, for pages.
function Graph._svg(g) return require("suture.view.export").svg(g) end

--- What a notebook shows: the page; the still drawing where it shows none.
function Graph.__rich(g)
  local html = require("suture.view.export").html(g)
  return {["text/html"] = require("suture.base.markup").frame(html), ["image/svg+xml"] = g:_svg()}
end

require "suture.base.stray".guard(Graph, "graph:", true)

return graph
