--- Graphs as files: a page that answers, pictures, Graphviz, JSON, plain text.
local drawing = require "suture.view.drawing"
local fault = require "suture.base.fault"
local page = require "suture.view.page"
local suggest = require "suture.base.suggest"
local text = require "suture.base.text"
local whole = require "suture.base.whole"

local function shape_text(s) return s and table.concat(s, "×") or "" end

-- ---- JSON, one node a line ----

local function quoted(s)
  if not utf8.len(s) then s = text.safe(s, true) end
  return '"' .. s:gsub(utf8.charpattern, function(c)
    if c == '"' or c == "\\" or text.safe(c, true) ~= c then return ("\\u%04x"):format(utf8.codepoint(c)) end
  end) .. '"'
end

local function json_value(v)
  if type(v) == "string" then return quoted(v) end
  if type(v) == "number" then return math.type(v) == "integer" and ("%d"):format(v) or ("%.17g"):format(v) end
  if type(v) == "table" then
    local out = {}
    for i, x in ipairs(v) do out[i] = json_value(x) end
    return "[" .. table.concat(out, ", ") .. "]"
  end
  return tostring(v)
end

local node_fields = {
  "id", "inputs", "path", "label", "op", "class", "input", "output", "functional", "shape", "params", "frozen_params",
  "macs", "frozen", "bn_eval", "run", "runs", "parameters", "kernel",
}

local function json(g)
  local lines = {}
  for i, n in ipairs(g.nodes) do
    local parts = {}
    for _, k in ipairs(node_fields) do
      if n[k] ~= nil then parts[#parts + 1] = ("%s: %s"):format(quoted(k), json_value(n[k])) end
    end
    lines[i] = "    {" .. table.concat(parts, ", ") .. "}"
  end
  return ('{\n  "model": %s,\n  "inputs": %s,\n  "params": %d,\n  "frozen_params": %d,\n  "macs": %d,\n'
    .. '  "nodes": [\n%s\n  ]\n}\n'):format(quoted(g.class), json_value(g.inputs), g.params, g.frozen_params, g.macs,
    table.concat(lines, ",\n"))
end

-- ---- Graphviz ----

local function dot(g)
  local out = {
    "digraph model {",
    '  rankdir = TB; node [shape = box, style = "rounded,filled", fillcolor = white, fontname = "sans-serif", '
      .. "fontsize = 10];",
  }
  local function esc(s) return (text.safe(s, true):gsub('[\\"]', "\\%0")) end
  for _, n in ipairs(g.drawn) do
    local style = n.input and "#e8f4e8" or n.frozen and "#dbe9f6" or n.functional and "#f4f0e0" or "white"
    local label = esc(n.path) .. (n.label ~= "" and "\\n" .. esc(n.label) or "") .. "\\n" .. shape_text(n.shape)
    out[#out + 1] = ('  n%d [label = "%s", fillcolor = "%s"];'):format(n.id, label, style)
  end
  for _, n in ipairs(g.drawn) do
    for _, i in ipairs(n.inputs) do out[#out + 1] = ("  n%d -> n%d;"):format(i, n.id) end
  end
  out[#out + 1] = "}\n"
  return table.concat(out, "\n")
end

-- ---- pictures ----

local LARGEST = 32766 -- pixels of a PNG's side, as Cairo has it

local function svg(g) return drawing.svg(drawing.of(g)) end

local function png(g)
  local drawn = drawing.of(g)
  local side = math.max(drawn.width, drawn.height)
  if side > LARGEST then
    fault("graph: save: %d rows make a picture of %d pixels, and a PNG takes %d · .svg has room, .html more, "
      .. "m:graph{depth = 1} and {fold = true} draw less", #g.drawn, side, LARGEST)
  end
  return drawn:render("png", 2 * side <= LARGEST and 2 or 1)
end

-- ---- the page ----

local function html(g) return page(text.safe(g.class, true), {models = {g:_facts()}}) end

local function in_unicode(f)
  return function(g)
    local before = text.unicode_set()
    text.unicode(true)
    local ok, s = pcall(f, g)
    text.unicode(before == nil and "auto" or before)
    if not ok then error(s, 0) end
    return s
  end
end

local writers = {
  json = json, dot = in_unicode(dot), svg = in_unicode(svg), png = in_unicode(png), html = in_unicode(html),
  txt = function(g) return g:text(math.huge) .. "\n" end,
}

--- export.svg(g): the still drawing as SVG text. export.html(g): the page.
local export = {svg = writers.svg, html = writers.html}

-- g:save(path): see view/graph.lua.
function export.save(g, path)
  if type(path) ~= "string" then fault('graph: save expects a path, as g:save "model.svg", got %s', type(path)) end
  local ending = path:match "%.(%w+)$"
  local write = writers[ending or ""]
  if not write then
    fault("graph: save: %s: the ending says the format (.html, .svg, .png, .dot, .json, .txt)%s", path,
      suggest.hint(ending or "", {"html", "svg", "png", "dot", "json", "txt"}))
  end
  local ok, why = whole(path, write(g))
  if not ok then fault("graph: save: %s", why) end
  return path
end

return export
