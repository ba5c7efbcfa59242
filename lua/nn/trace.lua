--- What happens when a module is called: the stack of running modules, their paths, and recordings of calls.
local core = require "suture.core"
local graph, raw = core.graph, core.tensor
local is = raw.is
local enter, leave = graph.enter, graph.leave
local trace = {}

-- Goes up whenever a module is registered, renamed or removed anywhere: paths are worked out anew then.
trace.structure = 0

-- Above 0 while random initialisation is off: see nn.init.skip.
trace.skipping = 0

local current, paths          -- the module that runs, and the paths of the modules under the outermost one
local depth = 0
local recorder                -- list of records being made, or nil
local dry = 0

local cache = setmetatable({}, {__mode = "k"})

--- trace.paths(root): map from each module under root to its path ("" for root itself); the first one where a module
-- is registered twice. Read only.
function trace.paths(root)
  local entry = cache[root]
  if entry and entry.structure == trace.structure then return entry.map end
  local map = setmetatable({}, {__mode = "k"})
  local function walk(m, path)
    if map[m] then return end
    map[m] = path
    local children, prefix = m._children, path == "" and "" or path .. "."
    for _, name in ipairs(m._names) do walk(children[name], prefix .. name) end
  end
  walk(root, "")
  cache[root] = {structure = trace.structure, map = map}
  return map
end

local function class_name(m) return getmetatable(m).__name end

-- ---- recording ----

local function tensors(list, v)
  if is(v) then list[#list + 1] = v
  elseif type(v) == "table" and getmetatable(v) == nil then
    for _, x in ipairs(v) do tensors(list, x) end
  end
end

local function recorded(record, parent, ...)
  for i = 1, select("#", ...) do tensors(record.outputs, (select(i, ...))) end
  record.last_node_order = graph.order()
  recorder.parent = parent
  return ...
end

local run, run_until

local function with_record(m, ...)
  local times = (recorder.times[m] or 0) + 1
  recorder.times[m] = times
  local record = {
    module = m, path = paths[m] or "", nth = times, inputs = {}, outputs = {}, parent = recorder.parent,
    depth = recorder.parent and recorder.parent.depth + 1 or 0, first_node_order = graph.order() + 1,
  }
  for i = 1, select("#", ...) do tensors(record.inputs, (select(i, ...))) end
  recorder.list[#recorder.list + 1] = record
  local parent = recorder.parent
  recorder.parent = record
  return recorded(record, parent, run(m, ...))
end

--- trace.record(f, …): calls f(…) and returns the list of module calls it made, in the order they began, then f's
-- results. A record: module, path, nth (call of this module), depth, parent (record), inputs, outputs (tensors),
-- first_node_order and last_node_order (graph nodes made inside, see suture.core.graph.walk).
function trace.record(f, ...)
  local before = recorder
  recorder = {list = {}, times = {}}
  local mine = recorder
  local function done(ok, ...)
    recorder = before
    if not ok then error((...), 0) end
    return mine.list, ...
  end
  return done(pcall(f, ...))
end

--- trace.dry(f, …): calls f(…) without leaving traces: no gradients, BatchNorm and dropout as in eval, no statistics moved.
function trace.dry(f, ...)
  local mode = graph.grad_mode(false)
  dry = dry + 1
  local function done(ok, ...)
    dry = dry - 1
    graph.grad_mode(mode)
    if not ok then error((...), 0) end
    return ...
  end
  return done(pcall(f, ...))
end

-- True while a graph is drawn: what only training does (dropout, auxiliary heads) is in it, dry or not.
trace.outline = false

--- trace.outlined(f, …): calls f(…) dry, as a graph is drawn.
function trace.outlined(f, ...)
  local before = trace.outline
  trace.outline = true
  local function done(ok, ...)
    trace.outline = before
    if not ok then error((...), 0) end
    return ...
  end
  return done(pcall(trace.dry, f, ...))
end

-- True while only the cost of training is asked: BatchNorm's statistics stay as they are.
trace.still = false

--- trace.stilled(f, …): calls f(…) as training would, but nothing moves: no statistics, no counts.
function trace.stilled(f, ...)
  local before = trace.still
  trace.still = true
  local function done(ok, ...)
    trace.still = before
    if not ok then error((...), 0) end
    return ...
  end
  return done(pcall(f, ...))
end

--- trace.is_dry(): whether code runs inside trace.dry.
function trace.is_dry() return dry > 0 end

--- trace.current(): the module that runs now and its path, or nil.
function trace.current()
  if depth > 0 then return current, paths[current] or "" end
end

-- ---- calls ----

-- Modules sewn in around m pass the first value on: {name =, module =}.
local function around(m, list, x, ...)
  for _, inserted in ipairs(list) do x = inserted.module(x) end
  return x, ...
end

function run(m, ...)
  local forward = m._fields.forward or getmetatable(m).forward
  if rawget(m, "_cut") then return run_until(m, forward, ...) end
  return forward(m, ...)
end

-- m:cut(path): a call of m ends when the module at path has given its result.
local cut -- {target = module} of the innermost call that is to end early

local function reached(mine, ...)
  mine.values = table.pack(...)
  error(mine, 0)
end

function run_until(m, forward, ...)
  local target = m
  for name in rawget(m, "_cut"):gmatch "[^.]+" do target = target and target._children[name] end
  if not target then error(("cut: %s has no module '%s' any more (m:cut(nil) lets it run to its end)"):format(class_name(m), m._cut), 0) end
  local mine = {target = target}
  local outer, around_it, at_depth, parent = cut, current, depth, recorder and recorder.parent
  local first = recorder and #recorder.list
  cut = mine
  local function done(ok, ...)
    cut = outer
    if ok then
      error(("cut: '%s' does not run, so %s cannot stop there"):format(m._cut, class_name(m)), 0)
    elseif (...) ~= mine then error((...), 0) end
    current, depth = around_it, at_depth
    leave(depth, paths[current] or "", class_name(current))
    if recorder then -- calls that were cut short end here
      recorder.parent = parent
      for i = first + 1, #recorder.list do
        local r = recorder.list[i]
        r.last_node_order = r.last_node_order or graph.order()
      end
    end
    return table.unpack(mine.values, 1, mine.values.n)
  end
  return done(pcall(forward, m, ...))
end

local through_parts

local function through(m, ...)
  if cut and cut.target == m then return reached(cut, through_parts(m, ...)) end
  return through_parts(m, ...)
end

function through_parts(m, ...)
  local before, after = rawget(m, "_before"), rawget(m, "_after")
  if not before and not after then return (recorder and with_record or run)(m, ...) end
  local function main(...)
    if after then return around(m, after, (recorder and with_record or run)(m, ...)) end
    return (recorder and with_record or run)(m, ...)
  end
  if before then return main(around(m, before, ...)) end
  return main(...)
end

local function inner_done(before, ...)
  current = before
  depth = depth - 1
  leave(depth, paths[before] or "", class_name(before))
  return ...
end

local function named(...)
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if is(v) then raw.name(v)
    elseif type(v) == "table" and getmetatable(v) == nil then
      for _, x in ipairs(v) do if is(x) then raw.name(x) end end
    end
  end
  return ...
end

local function in_module(message)
  if type(message) ~= "string" or message:find("interrupted!", 1, true) then return message end
  local path = current and paths and paths[current] or ""
  if not current or path ~= "" and message:find(path .. ":", 1, true) then return message end
  if path == "" and getmetatable(current)._builtin then return message end
  return ("%s (in %s%s)"):format(message, path ~= "" and path .. ", a " or "", class_name(current))
end

-- The outermost call's beginning, inside the protected call: whatever is raised from here on is cleared up behind it.
local function outermost(m, ...)
  current, paths, depth = m, trace.paths(m), 1
  local x = ...
  if is(x) and dry == 0 and not trace.still then rawset(m, "_last_input", raw.shape(x)) end
  enter("", class_name(m))
  return through(m, ...)
end

local function outer_done(ok, ...)
  local message
  if not ok then message = in_module((...)) end
  depth, current, paths = 0, nil, nil
  leave(0)
  if not ok then error(message, 0) end
  if dry > 0 or trace.still then return ... end -- nobody looks at the numbers
  return named(...)
end

--- trace.call(m, …): what m(…) does.
function trace.call(m, ...)
  if depth == 0 then
    return outer_done(pcall(outermost, m, ...))
  end
  local before = current
  local path = paths[m]
  if not path then -- made on the way, registered nowhere
    path = (paths[before] or "") .. "(" .. class_name(m) .. ")"
    if rawget(m, "_names") then paths[m] = path end
  end
  current = m
  depth = depth + 1
  enter(path, class_name(m))
  return inner_done(before, through(m, ...))
end

--- trace.reset(): no module runs, nothing is recorded, gradients are on. An interrupt can strike between any two
-- instructions, between a mark and the call that would have cleared it too; so the shell begins each line with this.
function trace.reset()
  depth, current, paths, recorder, dry, cut = 0, nil, nil, nil, 0, nil
  trace.outline, trace.still = false, false
  trace.skipping = 0
  leave(0)
  graph.grad_mode(true)
end

local suture = require "suture"
suture._before_line = suture._before_line or {}
table.insert(suture._before_line, function() trace.reset() end)

return trace
