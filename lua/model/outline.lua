--- What a model runs, found by running it without arithmetic: the graph's nodes, the module calls, and who made what.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local nn_trace = require "suture.nn.trace"
local options = require "suture.base.options"
local graph, raw = core.graph, core.tensor
local is = raw.is

local trace = {}

local function whole_numbers(t)
  if type(t) ~= "table" or getmetatable(t) and getmetatable(t).__name ~= "shape" or #t == 0 then return false end
  for _, d in ipairs(t) do
    if not math.tointeger(d) or d < 1 then return false end
  end
  return true
end

local function class_name(m) return getmetatable(m).__name end

--- The inputs to run m with: a list of shapes or tensors. `given`: numbers in a list (one shape), a tensor, or a list
-- of shapes and tensors; nil: m.input_shape, else what m was last called with, one sample. nil when nothing is known.
function trace.inputs(m, what, given)
  if given == nil then
    local known = m.input_shape or rawget(m, "_last_input")
    if not whole_numbers(known) then return nil end
    local shape = table.move(known, 1, #known, 1, {})
    if #shape > 1 then shape[1] = 1 end
    return {shape}
  end
  if is(given) or whole_numbers(given) then return {given} end
  if type(given) == "table" and type(given[1]) == "number" then
    fault("%s: a shape is made of whole numbers above 0, got %s", what, options.show(given))
  end
  if type(given) == "table" and #given > 0 then
    for i, v in ipairs(given) do
      if not is(v) and not whole_numbers(v) then
        fault("%s: input %d: expects a shape {N, C, H, W} or a tensor, got %s", what, i, options.show(v))
      end
    end
    return {table.unpack(given)}
  end
  fault("%s: input expects a shape {N, C, H, W}, a tensor, or a list of them, got %s", what, options.show(given))
end

--- trace.arguments(what, known, …): what a view was called with, as options: whole numbers are a shape; each tensor
-- or list of numbers is an input (several: those of a model that takes several), a string (where `at` is known) a
-- path, a table with names the options. known: {name = true}; what: the name in errors.
function trace.arguments(what, known, ...)
  local opts, shape, inputs, given = {}, {}, {}, table.pack(...)
  for i = 1, given.n do
    local v = given[i]
    if type(v) == "table" and not getmetatable(v) and v[1] ~= nil then
      -- {1, 3, 8, 8, depth = 1}: an input and options
      local list, named = {}, {}
      for k, x in pairs(v) do (type(k) == "number" and list or named)[k] = x end
      for k, x in pairs(options.check(what, named, known)) do opts[k] = x end
      v = list
    end
    if type(v) == "number" then shape[#shape + 1] = v
    elseif type(v) == "string" and known.at then
      if opts.at then fault("%s: expects one path, got %s and %s", what, options.show(opts.at), options.show(v)) end
      opts.at = v
    elseif options.is_options(v) then
      options.check(what, v, known)
      for k, x in pairs(v) do opts[k] = x end
    elseif is(v) or type(v) == "table" then inputs[#inputs + 1] = v
    elseif v ~= nil then
      fault("%s: expects an input shape (1, 3, 224, 224)%s or options {depth =, input = …}, got %s", what,
        known.at and ", a module's path" or ", a tensor", options.show(v))
    end
  end
  if #shape > 0 then inputs[#inputs + 1] = shape end
  if #inputs > 0 and opts.input ~= nil then fault("%s: the input is given twice", what) end
  if #shape > 0 and #inputs > 1 then
    fault("%s: several inputs are tensors or shapes in tables, as %s({1, 3, 8, 8}, {1, 4})", what, what)
  end
  if #inputs == 1 then opts.input = inputs[1] elseif #inputs > 1 then opts.input = inputs end
  if opts.depth ~= nil and not (math.tointeger(opts.depth) and opts.depth >= 0) then
    fault("%s: depth expects a whole number, 0 or above, got %s", what, options.show(opts.depth))
  end
  return opts
end

-- Runs f(…) where nothing it makes is named: nobody will look at the numbers.
local function unseen(f, ...)
  local depth = graph.depth()
  graph.enter("", "")
  local function done(ok, ...)
    graph.leave(depth)
    if not ok then error((...), 0) end
    return ...
  end
  return done(pcall(f, ...))
end
trace.unseen = unseen

-- The same where what is looked at on the way keeps what it was computed from, and is remembered.
local function kept(f)
  graph.keep(true)
  local over <close> = setmetatable({}, {__close = function() graph.keep(false) end})
  return unseen(f)
end

local function add_tensors(list, v)
  if is(v) then list[#list + 1] = v
  elseif type(v) == "table" and not getmetatable(v) then
    local keys = {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, k in ipairs(keys) do add_tensors(list, v[k]) end
  end
end

-- Which parameter or buffer a leaf is.
local function names_of(m)
  local names = {}
  for name, t in m:named_parameters() do names[t] = {name = name, parameter = true} end
  for name, t in m:named_buffers() do names[t] = names[t] or {name = name, parameter = false} end
  return names
end

--- trace.run(m[, given[, what]]): traces m. given: see trace.inputs; what: the name in errors ("graph").
-- Returns {model, shapes, inputs (orders), outputs (orders), nodes (in order), by (order → node), calls, owner (order →
-- call), names (tensor → {name, parameter}), error (when the model does not fit its input: what ran before is there)}.
-- A call: {module, path, nth, depth, parent, first, last, outputs (orders), inputs (orders)}.
function trace.run(m, given, what)
  what = what or "graph"
  local inputs = trace.inputs(m, what, given)
  if not inputs then
    fault("%s: what goes in? Give a shape: m:%s{input = {1, 3, 224, 224}}, or set m.input_shape", what, what)
  end
  for i, v in ipairs(inputs) do -- what an input was made of is no part of the model
    if is(v) then inputs[i] = raw.detach(v) end
  end
  return journal.rehearse(kept, function()
    local t = {model = m, class = class_name(m), names = names_of(m), shapes = {}, inputs = {}, by = {}, calls = {},
      owner = {}}
    local args = {}
    for i, v in ipairs(inputs) do
      args[i] = is(v) and v or raw.full(v, 0)
      t.shapes[i] = raw.shape(args[i])
      t.inputs[i] = graph.order(args[i])
    end
    local seed = core.engine.seed()
    local results
    local records = nn_trace.record(function()
      results = table.pack(pcall(nn_trace.outlined, m, table.unpack(args)))
    end)
    core.engine.seed(seed)
    local outputs, want = {}, {}
    if results[1] then
      for i = 2, results.n do add_tensors(outputs, results[i]) end
      if #outputs == 0 then fault("%s: %s gives back no tensor", what, t.class) end
      want = outputs
    else
      t.error = tostring(results[2])
      if t.error:find("interrupted!", 1, true) then error(results[2], 0) end
      for _, r in ipairs(records) do
        for _, x in ipairs(r.inputs) do want[#want + 1] = x end
        for _, x in ipairs(r.outputs) do want[#want + 1] = x end
      end
    end
    t.outputs, t.result = {}, outputs
    for i, x in ipairs(outputs) do t.outputs[i] = graph.order(x) end
    -- What somebody looked at on the way was computed, whatever became of it.
    local asked = graph.keep()
    t.nodes = graph.walk(table.move(want, 1, #want, #asked + 1, asked))
    for _, n in ipairs(t.nodes) do t.by[n.order] = n end
    local call_of = {}
    for i, r in ipairs(records) do
      local call = {
        module = r.module, path = r.path, nth = r.nth, depth = r.depth, parent = r.parent and call_of[r.parent],
        first = r.first_node_order, last = r.last_node_order, inputs = {}, outputs = {}, index = i,
        failed = r.failed, shape = r.outputs[1] and raw.shape(r.outputs[1]),
        input_shape = r.inputs[1] and raw.shape(r.inputs[1]),
      }
      for k, x in ipairs(r.inputs) do call.inputs[k] = graph.order(x) end
      for k, x in ipairs(r.outputs) do call.outputs[k] = graph.order(x) end
      call_of[r], t.calls[i] = call, call
      if call.module ~= m and call.input_shape then rawset(call.module, "_last_input", call.input_shape) end
    end
    -- The innermost call a node was made in: calls are in order of their beginnings, so the last that holds it.
    for _, call in ipairs(t.calls) do
      for order = call.first, math.min(call.last, t.nodes[#t.nodes] and t.nodes[#t.nodes].order or 0) do
        if t.by[order] then t.owner[order] = call end
      end
    end
    if t.error and not t.error:find("(from ", 1, true) then -- where the input that did not fit came from
      for i = #t.calls, 1, -1 do
        local call = t.calls[i]
        if call.failed then
          local n = call.path ~= "" and t.error:find(call.path .. ":", 1, true) and t.by[call.inputs[1] or 0]
          while n and n.op and n.path == "" do n = t.by[n.inputs[1] or 0] end
          if n and n.op then t.error = ("%s (from %s)"):format(t.error, n.path) end
          break
        end
      end
    end
    return t
  end)
end

return trace
