--- trace(m, x): a model run once, with everything in between within reach: values, attributes, gradients.
local core = require "suture.core"
local fault = require "suture.base.fault"
local gradients = require "suture.tensor.gradients"
local Module = require "suture.nn.module"
local nn_trace = require "suture.nn.trace"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local suggest = require "suture.base.suggest"
local tensor = require "suture.tensor"
local graph, raw = core.graph, core.tensor
local is = raw.is

local Trace = {__name = "trace"}
Trace.__index = Trace

-- Runs f(…) where nothing that is made or pushed is taken for a value somebody waits for.
local function unnamed(f, ...)
  local depth = graph.depth()
  graph.enter("", "")
  local back <close> = setmetatable({}, {__close = function() graph.leave(depth) end})
  return f(...)
end

-- An input that gradients flow to, whatever it was: so every value stays part of the graph until somebody looks. One
-- that is made of what gradients flow to is so already, and they go on to that.
local function watched(x)
  if not is(x) or raw.dtype(x) ~= "float32" then return x end
  if raw.requires_grad(x) and not raw.is_leaf(x) then return x end
  local y = raw.detach(x)
  raw.requires_grad(y, true)
  return y
end

-- The nodes under the outputs, in order, as tables; by: map from order to node.
local function nodes_of(t, outputs)
  local rows = unnamed(graph.walk, outputs, false, true)
  local by = {}
  local names = {}
  for name, p in t.model:named_parameters() do names[p] = name end
  for name, b in t.model:named_buffers() do names[b] = names[b] or name end
  for i, row in ipairs(rows) do
    local node = {
      index = i, op = row.op, path = row.path, shape = row.shape, dtype = raw.dtype(row.tensor),
      attrs = row.attrs or {}, macs = row.macs or 0, value = row.tensor, inputs = {},
      name = not row.op and names[row.tensor] or nil,
    }
    by[row.order], rows[i] = node, node
    for k, order in ipairs(row.inputs) do node.inputs[k] = order and by[order] or false end
  end
  return rows
end

local function tensors_of(list, v)
  if is(v) then list[#list + 1] = v
  elseif type(v) == "table" and not getmetatable(v) then for _, x in ipairs(v) do tensors_of(list, x) end end
end

--- trace(m, x, …): runs m on x once, as m(x) would (its modes, its hooks, its statistics), and returns what ran,
-- frozen or not, inside no_grad too:
--   t.output            what m gave (t.outputs: all its values)
--   t:value(path)       what the module at path gave, a tensor; of a module that ran several times the last:
--   t:value(path, 1)
--                       is the first, and so on; a list where it gave several tensors
--   t:input(path[, n])  what went into it
--   t:grad(y, what)     the gradient of y, a number or (summed) a tensor made of the values here, with respect to
--   `what`: a path,
--                       a tensor of the trace, or a list of them; whether or not anything requires a gradient.
--                       Nothing is added to x.grad. false where there is no path
--   t.nodes             every operation that ran, in order: {op (nil: an input, a parameter, a buffer), path (the
--   module's),
--                       name (a parameter's or buffer's), shape, dtype, attrs, macs, inputs (nodes), value (a tensor)}
--   t.calls             every call of a module, in order: {path, module, nth, depth, inputs, outputs}
-- Values cost nothing until somebody looks. Grad-CAM in ten lines: examples/gradcam.lua.
local function trace(m, ...)
  if not Module.is_module(m) then fault("trace: expects a model, got %s", options.show(m)) end
  local args = table.pack(...)
  if args.n == 0 or not is(args[1]) then
    fault("trace: expects an input to run with, as trace(m, x), got %s", options.show(args[1]))
  end
  for i = 1, args.n do args[i] = watched(args[i]) end
  local results = table.pack(tensor.enable_grad(nn_trace.record, m, table.unpack(args, 1, args.n)))
  local t = setmetatable({model = m, inputs = {table.unpack(args, 1, args.n)}, calls = results[1], outputs = {}}, Trace)
  for i = 2, results.n do tensors_of(t.outputs, results[i]) end
  if #t.outputs == 0 then fault("trace: %s gives back no tensor", getmetatable(m).__name) end
  t.output = t.outputs[1]
  return t
end

function Trace.__index(t, key)
  if key == "nodes" then
    local nodes = nodes_of(t, t.outputs)
    rawset(t, "nodes", nodes)
    return nodes
  end
  return Trace[key]
end

-- The call of the module at path: its nth, or the last.
local function call_of(t, what, path, nth)
  if type(path) ~= "string" then fault('%s: expects a path like "layer4.1.conv1", got %s', what, options.show(path)) end
  if nth ~= nil and (math.type(nth) ~= "integer" or nth < 1) then
    fault("%s: expects which call of %s, a whole number from 1, got %s", what, path, options.show(nth))
  end
  local found, n, names = nil, 0, {}
  for _, c in ipairs(t.calls) do
    names[#names + 1] = c.path
    if c.path == path then
      n = n + 1
      if nth == nil or n == nth then found = c end
    end
  end
  if found then return found end
  if n > 0 then fault("%s: %s ran %d time%s, not %d", what, path, n, n == 1 and "" or "s", nth) end
  local there = pcall(Module.at, t.model, path)
  local other = t.model:_recorded_as(path)
  if other then
    fault("%s: '%s' is the same module as '%s': ask for that name, and which call of it", what, path, other)
  end
  fault("%s: %s%s", what,
    there and ("'%s' did not run"):format(path) or ("no module '%s' in %s"):format(path, getmetatable(t.model).__name),
    there and "" or suggest.hint(path, names))
end

local function one_or_all(list)
  for _, x in ipairs(list) do raw.name(x) end
  if #list == 1 then return list[1] end
  return {table.unpack(list)}
end

--- t:value(path[, n]): what the module at path gave in its nth call (default: the last); see trace.
function Trace:value(path, n) return one_or_all(call_of(self, "value", path, n).outputs) end

--- t:input(path[, n]): what went into the module at path in its nth call (default: the last); see trace.
function Trace:input(path, n) return one_or_all(call_of(self, "input", path, n).inputs) end

--- t:grad(y, what): the gradient of y with respect to a path's value, a tensor, or a list of them; see trace.
function Trace:grad(y, what, ...)
  if select("#", ...) > 0 then fault "grad: several things go in a list: t:grad(y, {\"layer3\", \"layer4\"})" end
  if not is(y) then
    fault("grad: expects a tensor made of the trace's values, as t.output[0][3], got %s", options.show(y))
  end
  local list = (is(what) or type(what) == "string") and {what} or what
  if type(list) ~= "table" or #list == 0 then
    fault("grad: with respect to what? a path, a tensor, or a list of them, got %s", options.show(what))
  end
  local wrt = {}
  for i, w in ipairs(list) do
    if type(w) == "string" then w = self:value(w) end
    if not is(w) then
      fault("grad: expects paths or tensors, got %s at place %d",
        type(w) == "table" and "several values (name one of them)" or options.show(w), i)
    end
    wrt[i] = w
  end
  local found = gradients.of(y, wrt)
  for i, g in ipairs(found) do if g then raw.name(g) end end
  return table.unpack(found, 1, #wrt)
end

function Trace:__tostring()
  local text = require "suture.base.text"
  local lines = {
    ("%s: %s, %s"):format(getmetatable(self.model).__name, text.plural(#self.calls, "call"),
      text.plural(#self.nodes, "value")),
  }
  for i, c in ipairs(self.calls) do
    if i > 20 then
      lines[#lines + 1] = ("  … %d more: t.calls"):format(#self.calls - 20)
      break
    end
    local shapes = {}
    for k, x in ipairs(c.outputs) do shapes[k] = tostring(raw.shape(x)) end
    lines[#lines + 1] = ("  %s%s  %s"):format(c.path ~= "" and c.path or "(model)",
      c.nth > 1 and (" #%d"):format(c.nth) or "", table.concat(shapes, " "))
  end
  lines[#lines + 1] = "t:value(path), t:grad(y, path), t.nodes: ?trace"
  return text.safe(table.concat(lines, "\n"))
end

require "suture.base.method"(Trace, {
  is = function(t) return getmetatable(t) == Trace end, what = "a trace", name = "t",
})

return {trace = trace}
