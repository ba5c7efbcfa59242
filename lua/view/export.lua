--- Graphs as files: JSON, Graphviz, SVG, HTML, plain text.
local fault = require "suture.base.fault"
local lanes = require "suture.view.lanes"
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

-- ---- SVG ----

local ROW, LANE, LEFT, TOP = 22, 18, 24, 58
local colours = {"#3b6ea5", "#b5651d", "#4f8a4f", "#8a4f8a", "#a53b3b", "#3b8a8a"}

local function xml(s)
  return (text.safe(s, true):gsub("[&<>\"]", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}))
end

local function svg(g)
  local by, outputs = {}, {}
  for i, n in ipairs(g.drawn) do
    by[i] = {id = n.id, inputs = n.inputs}
    if n.output then outputs[n.id] = true end
  end
  local drawn, width = lanes(by, outputs, 40)
  local row_of, lane_of, count = {}, {}, 0
  for _, l in ipairs(drawn) do
    if l.row then
      row_of[l.row.id], lane_of[l.row.id] = count, l.here
      count = count + 1
    end
  end
  local text_x = LEFT + width * LANE + 8
  local path_w, label_w, shape_w = 0, 0, 0
  for _, n in ipairs(g.drawn) do
    path_w = math.max(path_w, text.columns(n.path))
    label_w = math.max(label_w, text.columns(n.label) + (n.run > 1 and 10 or 0) + (n.bn_eval and 5 or 0))
    shape_w = math.max(shape_w, text.columns(shape_text(n.shape)))
  end
  local char = 7.3
  local x_label = text_x + path_w * char + 24
  local x_shape = x_label + label_w * char + 20
  local x_params = x_shape + shape_w * char + 90
  local total = math.ceil(x_params + 90)
  local height = TOP + count * ROW + 46
  local function xy(id) return LEFT + (lane_of[id] - 1) * LANE, TOP + row_of[id] * ROW end
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
      .. 'font-family="DejaVu Sans Mono, Menlo, monospace" font-size="12">'):format(total, height, total, height),
    ('<rect width="%d" height="%d" fill="white"/>'):format(total, height),
    ('<text x="%d" y="24" font-size="15" font-weight="bold">%s</text>'):format(LEFT, xml(g.class)),
    ('<text x="%g" y="24" fill="#555">output</text><text x="%g" y="24" text-anchor="end" fill="#555">params</text>'
      .. '<text x="%g" y="24" text-anchor="end" fill="#555">MACs</text>'):format(x_shape, x_params, total - 16),
  }
  -- Edges below nodes: straight down, or along the lane that is free of nodes and in at the end.
  for _, n in ipairs(g.drawn) do
    local x2, y2 = xy(n.id)
    for _, i in ipairs(n.inputs) do
      local x1, y1 = xy(i)
      local far = row_of[n.id] - row_of[i] > 1
      local lane = math.max(lane_of[i], lane_of[n.id])
      if far then
        local taken = {} -- lanes with nodes between the two
        for id = i + 1, n.id - 1 do
          if lane_of[id] then taken[lane_of[id]] = true end
        end
        while taken[lane] do lane = lane + 1 end
      end
      local x = LEFT + (lane - 1) * LANE
      local colour = far and colours[(lane - 1) % #colours + 1] or "#777"
      local d
      if not far or (x == x1 and x == x2) then
        d = ("M%g %g C%g %g %g %g %g %g"):format(x1, y1, x1, (y1 + y2) / 2, x2, (y1 + y2) / 2, x2, y2)
      else
        d = ("M%g %g C%g %g %g %g %g %g L%g %g C%g %g %g %g %g %g"):format(x1, y1, x1, y1 + ROW / 2, x, y1 + ROW / 2,
          x, y1 + ROW, x, y2 - ROW, x, y2 - ROW / 2, x2, y2 - ROW / 2, x2, y2)
      end
      out[#out + 1] = ('<path d="%s" fill="none" stroke="%s" stroke-width="1.6"/>'):format(d, colour)
    end
  end
  for _, n in ipairs(g.drawn) do
    local x, y = xy(n.id)
    local fill = n.functional and "white" or n.frozen and "#8db9e0" or n.input and "#4f8a4f" or "#333"
    out[#out + 1] = ('<circle cx="%g" cy="%g" r="5" fill="%s" stroke="%s" stroke-width="1.5">'
      .. "<title>%s</title></circle>"):format(x, y, fill, n.frozen and "#3b6ea5" or "#333",
      xml(n.path .. " " .. n.label))
    local label = n.label .. (n.bn_eval and " eval" or "") .. (n.run > 1 and (" (run %d)"):format(n.run) or "")
    out[#out + 1] = ('<text x="%g" y="%g">%s</text><text x="%g" y="%g" fill="#333">%s</text>'
      .. '<text x="%g" y="%g" fill="#555">%s</text>'):format(
      text_x, y + 4, xml(n.path), x_label, y + 4, xml(label), x_shape, y + 4, shape_text(n.shape))
    if n.params > 0 then
      local p = text.count(n.params)
      out[#out + 1] = ('<text x="%g" y="%g" text-anchor="end">%s</text>'):format(x_params, y + 4,
        n.frozen_params == n.params and "(" .. p .. ")" or p)
    end
    if n.macs > 0 then
      out[#out + 1] = ('<text x="%g" y="%g" text-anchor="end">%s</text>'):format(total - 16, y + 4, text.short(n.macs))
    end
  end
  out[#out + 1] = ('<text x="%d" y="%g" fill="#333">%s</text>'):format(LEFT, TOP + count * ROW + 10, xml(g:totals()))
  out[#out + 1] = ('<text x="%d" y="%g" fill="#777" font-size="11">white: functional, runs but is no module; '
    .. "blue: frozen</text>"):format(LEFT, TOP + count * ROW + 30)
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

local function html(g)
  return ('<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>%s</title></head>\n'
    .. '<body style="margin: 1em; background: white">\n%s</body>\n</html>\n'):format(xml(g.class), svg(g))
end

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
  json = json, dot = in_unicode(dot), svg = in_unicode(svg), html = in_unicode(html),
  txt = function(g) return g:text(math.huge) .. "\n" end,
}

-- g:save(path): see view/graph.lua.
return function(g, path)
  if type(path) ~= "string" then fault('graph: save expects a path, as g:save "model.svg", got %s', type(path)) end
  local ending = path:match "%.(%w+)$"
  local write = writers[ending or ""]
  if not write then
    fault("graph: save: %s: the ending says the format (.svg, .html, .dot, .json, .txt)%s", path,
      suggest.hint(ending or "", {"svg", "html", "dot", "json", "txt"}))
  end
  local ok, why = whole(path, write(g))
  if not ok then fault("graph: save: %s", why) end
  return path
end
