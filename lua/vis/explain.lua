local anatomy = require "suture.vis.common.anatomy"
local core = require "suture.core"
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local found = require "suture.vis.common.found"
local looked = require "suture.vis.common.looked"
local matrices = require "suture.vis.common.matrices"
local moves = require "suture.vis.common.moves"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local place = require "suture.vis.common.place"
local tensor = require "suture.tensor"
local text = require "suture.base.text"
local trace = require("suture.model.trace").trace

local read = options.named("explain", "at:any=nil unit:any=nil run:count=nil channels:count=nil")

-- The rules, by operation: one file each in lua/vis/explain.
local rules
local function rule_of(op)
  if not rules then
    rules = {}
    for _, path in ipairs(embedded.list()) do
      local name = path:match "^lua/vis/explain/([%w_]+)%.lua$"
      if name then
        local rule = require("suture.vis.explain." .. name)
        for one in rule.ops:gmatch "%S+" do rules[one] = rule.take end
      end
    end
  end
  return rules[op]
end

local function explained()
  rule_of ""
  local list = {}
  for op in pairs(rules) do list[#list + 1] = op end
  table.sort(list)
  return table.concat(list, ", ")
end

-- What a rule is given: the node, the index in it, its inputs' values.
local function position(node, index, p)
  return {
    node = node, index = index, place = p,
    input = function(_, i) return node.inputs[i] and node.inputs[i].value or nil end,
  }
end

-- Whether a node is of the module at path, or of a part of it.
local function within(node, path)
  return path == "" or node.path == path or node.path:sub(1, #path + 1) == path .. "."
end

-- The numbers of a module's value may only have been moved since they were computed in it: back to where that was, at
-- most to the node `last`.
local function followed(node, index, path, last)
  while node ~= last and moves[node.op] and node.op ~= "concat" do
    local which, from = moves[node.op](node, index)
    local before = from and node.inputs[which]
    if not before or not before.op or not within(before, path) then break end
    node, index = before, from
  end
  return node, index
end

-- The steps of a chain whose first number was made by a chain in the same module, made one.
local function joined(field, index, p, path)
  local function first()
    local s = #field.summands == 1 and field.summands[1].steps[1]
    return s and s.node
  end
  while field.family == "chain" and not field.around and first() do
    local before = first()
    if not before.op or before.path ~= path or #before.shape ~= #index or moves[before.op] then break end
    local rule = rule_of(before.op)
    local inner = rule and rule(position(before, index, p))
    if not inner or inner.family ~= "chain" or inner.around then break end
    if #inner.summands == 2 and #inner.summands[2].steps == 1 and not inner.summands[2].minus then
      -- a sum: its second number is one more step
      local second = inner.summands[2].steps[1]
      inner.summands = {{steps = {inner.summands[1].steps[1],
        {sign = "+", title = second.title, v = second.v}}}}
    end
    if #inner.summands ~= 1 then break end
    local steps = {}
    for _, s in ipairs(inner.summands[1].steps) do steps[#steps + 1] = s end
    for i = 2, #field.summands[1].steps do steps[#steps + 1] = field.summands[1].steps[i] end
    field.summands[1].steps, field.joined = steps, true
  end
  return field
end

-- What is added up, as it is shown: rows {sign, label, number}, the last one the sum of the others as they are shown;
-- then that sum, and the model's own number to as many digits as both agree to (the last ones are rounding's).
local function added(a, value)
  local list, rows, total = anatomy.summands(a), {}, 0.0
  local d = anatomy.decimals(list)
  local function form(v, k) return v ~= v and "nan" or ("%." .. k .. "f"):format(v) end
  for i, s in ipairs(list) do
    local shown = form(s.value, d)
    total = total + (tonumber(shown) or s.value)
    rows[i] = {i == 1 and " " or "+", s.label, shown}
  end
  local shown, own
  for k = d, math.max(0, d - 2), -1 do
    local here, there = form(total, k), form(value, k)
    if not shown or here == there then shown, own = here, there end
    if here == there then break end
  end
  if #rows == 1 then rows = {{"=", list[1].label, shown}} else rows[#rows + 1] = {"=", "the sum", shown} end
  return rows, total, own
end

-- These rows as lines of so many columns.
local function added_lines(rows, own, width)
  local wide, names, lines = 0, 0, {}
  for _, row in ipairs(rows) do
    wide, names = math.max(wide, #row[3]), math.max(names, text.columns(row[2]))
  end
  for i, row in ipairs(rows) do
    lines[i] = ("%s %s  %s"):format(row[1], text.pad(row[2], names), text.pad(row[3], wide, "right"))
  end
  local last = "the model's own: " .. own
  if text.columns(lines[#lines]) + 3 + #last <= width then lines[#lines] = lines[#lines] .. "   " .. last
  else lines[#lines + 1] = "  " .. last end
  return lines
end

-- The head: which operation, which number.
local function title_of(path, field, p, index, node, value, classes)
  local name = classes and classes[index[p.unit + 1] + 1]
  return {
    ("%s · %s"):format(path == "" and "the model" or path, field.said),
    ("%s%s of %s is %s"):format(place.words(p, index), name and (" (%s)"):format(name) or "", tostring(node.shape),
      value ~= value and "nan" or ("%.6g"):format(value)),
  }
end

-- Computes in one run what will be looked at: the node's value and what it was made of, in its module and one step
-- before it.
local function computed(node, path)
  local list, seen = {node.value}, {}
  local function go(n, depth)
    if seen[n] then return end
    seen[n] = true
    for _, input in ipairs(n.inputs) do
      if input then
        if input.op then list[#list + 1] = input.value end
        if depth < 6 and input.op and within(input, path) and path ~= "" then go(input, depth + 1) end
      end
    end
  end
  go(node, 1)
  core.graph.eval(list)
end

local function checked_input(m, x)
  x = looked.input("explain", m, x)
  if x.shape[1] ~= 1 then fault("explain: expects one picture, got %d · x[0] is the first of them", x.shape[1]) end
  return x
end

--- vis.explain(m, picture, path[, {at = {y, x}, unit = k, run =, channels =}]): why one number is what it is: the
-- number of one operation, taken apart. A convolution: the patch it sees, the kernel, their products for each channel,
-- the bias; BatchNorm, LayerNorm, activations, pools, linear layers, softmax, a squeeze-and-excitation gate, one row of
-- attention, a residual sum. path: a module, or what is no module by where it runs and its name, as "layer1.0.add",
-- "encoder.layers.encoder_layer_0.self_attention.attention" (m:graph() has the names). at: the place {y, x} (of tokens
-- also one number), unit: the channel, counted from 0; by default where the greatest number is. run: which run of a
-- module that runs several times (default: the last). channels: how many are spelled out, the strongest (3; of large
-- kernels 1). m runs as in eval mode, frozen or not, and nothing of it changes. picture: one, see ?vis.gradcam.
-- Returns a picture that the terminal shows as coloured matrices: .value, the model's own number; .terms, a tensor of
-- all that is added up to it; .shown, the sum of the numbers as they are shown; .index, .unit, .op, .path.
-- e:save("x.html") writes a page on which a window slides over the input, after CNN Explainer (Wang et al. 2020,
-- arXiv:2004.15004); .png, .svg, .pdf too.
-- Examples: vis.explain(m, "bee.jpg", "conv1", {at = {10, 12}, unit = 3})
--           vis.explain(m, x, "layer1.0.add"):save("why.html")
local function explain(m, x, path, opts, ...)
  if select("#", ...) > 0 then fault "explain: expects a model, a picture, a path and options, got more" end
  local o = read(opts)
  x = checked_input(m, x)
  local t = looked.still(trace, m, x)
  local node, call = found.node("explain", t, path, o.run)
  path = call and call.path or path
  computed(node, call and node.path or path)
  local p = place.of(t, node)
  local index = place.index("explain", p, node, path == "" and "the output" or path, o.at, o.unit)
  local value = place.read(node.value, index)
  local own, own_index = node, index
  if call then own, own_index = followed(node, index, path) end
  local rule = rule_of(own.op)
  local inner = own == node and p or place.of(t, own)
  local field = rule and rule(position(own, own_index, inner))
  if not field then
    fault("explain: %s is %s: there is no explanation of that · there are explanations of %s", path, own.op,
      explained())
  end
  if call then field = joined(field, own_index, inner, own.path) end
  if field.joined then
    local class = getmetatable(call.module).__name
    field.said, field.summands[1].label = ("%s, step by step"):format(class), class
  end
  local a = anatomy.of(field, own_index, o.channels or field.tall and 1 or 3)
  local rows, shown, digits = added(a, value)
  local s = node.shape
  local named = #s == 2 and rawequal(node.value, t.output) and type(m.classes) == "table" and #m.classes == s[2]
  local classes = named and m.classes or nil
  local head = title_of(path, field, p, index, node, value, classes)
  if call and #call.module._names > 0 then
    local beside = found.beside(t, path, own)
    head[#head + 1] = ("%s made it%s"):format(found.label(own), #beside > 0 and "; also here: "
      .. table.concat(beside, ", ", 1, math.min(6, #beside)) or "")
  end
  local function page()
    return require "suture.vis.common.sliding" {
      field = field, node = node, index = index, place = p, own_index = own_index, head = head, path = path,
      classes = classes,
      back = function(i)
        if own == node then return i end
        local _, from = followed(node, i, path, own)
        return from
      end,
    }
  end
  return picture {
    panels = {{canvas = matrices.page(head, a.bands, rows, digits)}}, value = value, terms = tensor.tensor(a.terms),
    shown = shown, op = own.op, path = path, index = index, unit = p.unit and index[p.unit + 1],
    map = node.value:detach(),
    page = page,
    text = function(width)
      local out = {}
      for i, line in ipairs(head) do out[i] = text.wrap(text.plain(line), width, 2) end
      for _, line in ipairs(matrices.lines(a.bands, width)) do out[#out + 1] = line end
      for _, line in ipairs(added_lines(rows, digits, width)) do out[#out + 1] = text.plain(line) end
      return table.concat(out, "\n")
    end,
  }
end

return explain
