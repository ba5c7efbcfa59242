--- What happens when a module is called: the modules that run, their paths, recordings of calls, hooks.
local core = require "suture.core"
local gradients = require "suture.tensor.gradients"
local journal = require "suture.base.journal"
local kept = require "suture.nn.kept"
local may_keep = kept.may
local stray = require "suture.base.stray"
local takes = stray.takes
local graph, raw = core.graph, core.tensor
local is = raw.is
local enter, leave = graph.enter, graph.leave
local trace = {}

local function tensors(list, v)
  if is(v) then list[#list + 1] = v
  elseif type(v) == "table" and not getmetatable(v) then
    for _, x in ipairs(v) do tensors(list, x) end
  end
end

-- Goes up whenever a module is registered, renamed or removed anywhere: paths are worked out anew then.
trace.structure = 0

-- The state of running forwards, one table that scopes replace for a while (trace.with):
--   depth, stack     how many calls are open, and their modules (1: the outermost)
--   paths            of the modules under the outermost one
--   failed           the innermost module of the error that is on its way out
--   recorder         {list = records, times = {module → calls}, top = the open record} while calls are recorded
--   dry              no traces are left: see trace.dry
--   outline          a graph is drawn: what only training does is in it, dry or not
--   still            only the cost of training is asked: nothing moves
--   skipping         random initialisation is off: see nn.init.skip
--   seen             tensors that somebody can look at when the call is over: what a forward keeps in its module, what
--                    hooks see
--   users            {module = forward} of those that ran whose forward a user wrote: they may keep values elsewhere
--   cut              {target = module} of the innermost call that is to end early
local function fresh() return {depth = 0, stack = {}} end
local context = fresh()

local closes = {__close = function(scope)
  context = scope.context
  graph.grad_mode(scope.grad)
end}

--- trace.with(state, f, …): calls f(…) with these fields of the running state (and grad = on or off); what it returns.
function trace.with(state, f, ...)
  local mine = {}
  for k, v in next, context do mine[k] = v end
  for k, v in next, state do mine[k] = v end
  local grad = graph.grad_mode()
  local scope <close> = setmetatable({context = context, grad = grad}, closes)
  if state.grad ~= nil then graph.grad_mode(state.grad) end
  context = mine
  return f(...)
end

--- trace.dry(f, …): calls f(…) without leaving traces: no gradients, BatchNorm and dropout as in eval, no statistics
-- moved.
function trace.dry(f, ...) return trace.with({dry = true, grad = false}, f, ...) end

--- trace.outlined(f, …): calls f(…) dry, as a graph is drawn.
function trace.outlined(f, ...) return trace.with({dry = true, outline = true, grad = false}, f, ...) end

--- trace.stilled(f, …): calls f(…) as training would, but nothing moves: no statistics, no counts.
function trace.stilled(f, ...) return trace.with({still = true}, f, ...) end

--- trace.skipped(f, …): calls f(…) with random initialisation off.
function trace.skipped(f, ...) return trace.with({skipping = true}, f, ...) end

--- trace.is_dry(), is_outline(), is_still(), is_skipping(): whether code runs inside such a scope.
function trace.is_dry() return context.dry or false end
function trace.is_outline() return context.outline or false end
function trace.is_still() return context.still or false end
function trace.is_skipping() return context.skipping or false end

--- trace.running(): whether a module runs.
function trace.running() return context.depth > 0 end

--- trace.see(v): the tensor v, or those in a list or table v, outlive the call that runs: somebody may look at them
-- later.
function trace.see(v)
  local c = context
  if c.depth == 0 or c.dry or c.still then return end
  c.seen = c.seen or {}
  tensors(c.seen, v)
end

--- trace.current(): the module that runs now and its path, or nil.
function trace.current()
  local m = context.stack[context.depth]
  if m and context.depth > 0 then return m, context.paths[m] or "" end
end

--- trace.reset(): no module runs, nothing is recorded, gradients are on. An interrupt can strike between any two
-- instructions, between a mark and the call that would have cleared it too; so the shell begins each line with this.
function trace.reset()
  context = fresh()
  leave(0)
  graph.grad_mode(true)
end

-- ---- paths ----

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

-- The record of the call of m that begins, at the depth it has.
local function begin_record(recorder, m, depth, path)
  local times = (recorder.times[m] or 0) + 1
  recorder.times[m] = times
  local parent = recorder.top
  local record = {module = m, path = path, nth = times, inputs = {}, outputs = {}, parent = parent,
    depth = parent and parent.depth + 1 or 0, first_node_order = graph.order() + 1}
  recorder.list[#recorder.list + 1] = record
  recorder.at[record] = depth -- before it is the top one: there may be no memory for it
  recorder.top = record
  return record
end

-- The open records of calls deeper than `depth` end, by an error: err; a cut ends them well.
local function end_records(recorder, depth, err)
  while recorder.top and recorder.at[recorder.top] > depth do
    local record = recorder.top
    record.failed = err ~= context.cut or nil
    record.last_node_order = record.last_node_order or graph.order()
    recorder.top = record.parent
  end
end

local function recorded(record, ...)
  for i = 1, select("#", ...) do tensors(record.outputs, (select(i, ...))) end
  record.last_node_order = graph.order()
  return ...
end

--- trace.record(f, …): calls f(…) and returns the list of module calls it made, in the order they began, then f's
-- results. A record: module, path, nth (call of this module), depth, parent (record), inputs, outputs (tensors),
-- first_node_order and last_node_order (graph nodes made inside, see suture.core.graph.walk), failed (an error ended
-- it).
function trace.record(f, ...)
  local recorder = {list = {}, times = {}, at = {}}
  return recorder.list, trace.with({recorder = recorder}, f, ...)
end

-- ---- one call ----

local function forward_of(m) return rawget(m, "_fields").forward or getmetatable(m).forward end

-- m:cut(path): a call of m ends when the module at path has given its result.
local function until_cut(m, ...)
  local path, target = rawget(m, "_cut"), m
  for name in path:gmatch "[^.]+" do target = target and target._children[name] end
  if not target then
    error(("cut: %s has no module '%s' any more (m:cut(nil) lets it run to its end)"):format(class_name(m), path), 0)
  end
  local mine, outer = {target = target}, context.cut
  context.cut = mine
  local ok, err = pcall(forward_of(m), m, ...)
  context.cut = outer
  if ok then error(("cut: '%s' does not run, so %s cannot stop there"):format(path, class_name(m)), 0) end
  if err ~= mine then error(err, 0) end
  context.failed = nil
  return table.unpack(mine.values, 1, mine.values.n)
end

local function plain(m, ...)
  local forward = rawget(m, "_fields").forward or getmetatable(m).forward
  local most = takes[forward]
  if most == nil then most = stray.most(forward) end
  if may_keep(forward) then
    local c = context
    c.users = c.users or {}
    c.users[m] = forward
  end
  if most and select("#", ...) >= most then stray.refuse(class_name(m) .. ":forward", most - 1, ...) end
  if rawget(m, "_cut") then return until_cut(m, ...) end
  return forward(m, ...)
end

-- The values after a hook has seen them: nil from it leaves them, a list or one value takes their place. A hook that
-- never replaced anything only looks, and nobody looks at numbers while a graph is drawn: then it is not called.
local function asked(hook, values, m, ...)
  if context.dry and not hook.replaces then return values end
  for i = 1, select("#", ...) do trace.see((select(i, ...))) end
  local given = hook.f(m, ...)
  hook.replaces = given ~= nil or hook.replaces or false
  if given == nil then return values end
  if type(given) ~= "table" or getmetatable(given) then return {n = 1, given} end
  if #given == 0 then
    local words = "a %s hook of %s returns an empty list: values, or nothing to leave them"
    error(words:format(hook.kind, class_name(m)), 0)
  end
  return {n = #given, table.unpack(given)}
end

-- The watch over gradients for m's backward hooks, or nil.
local function watched(m, hooks)
  local list = {}
  for _, hook in ipairs(hooks) do if hook.kind == "backward" then list[#list + 1] = hook.f end end
  if #list == 0 then return nil end
  return gradients.watch(function(inputs, outputs)
    local given
    for _, f in ipairs(list) do
      local back = f(m, inputs, outputs)
      if back ~= nil then
        given = is(back) and {back} or back
        inputs = given
      end
    end
    return given
  end)
end

-- With what hooks see and change; see nn/hooks.lua.
local function hooked(m, hooks, ...)
  local inputs = table.pack(...)
  for _, hook in ipairs(hooks) do
    if hook.kind == "pre" then inputs = asked(hook, inputs, m, {table.unpack(inputs, 1, inputs.n)}) end
  end
  local watch = graph.grad_mode() and watched(m, hooks)
  if watch then inputs = watch.enter(inputs) end
  local outputs = table.pack(plain(m, table.unpack(inputs, 1, inputs.n)))
  for _, hook in ipairs(hooks) do
    if hook.kind == "forward" then
      local seen = outputs.n == 1 and outputs[1] or {table.unpack(outputs, 1, outputs.n)}
      outputs = asked(hook, outputs, m, {table.unpack(inputs, 1, inputs.n)}, seen)
    end
  end
  if watch then outputs = watch.leave(outputs) end
  return table.unpack(outputs, 1, outputs.n)
end

local function run(m, ...)
  local hooks = rawget(m, "_hooks")
  if hooks then return hooked(m, hooks, ...) end
  return plain(m, ...)
end

local function run_recorded(m, ...)
  local depth = context.depth
  local record = begin_record(context.recorder, m, depth, context.paths[m] or "")
  for i = 1, select("#", ...) do tensors(record.inputs, (select(i, ...))) end
  local recorder = context.recorder
  local function done(...)
    recorder.top = record.parent
    return recorded(record, ...)
  end
  return done(run(m, ...))
end

-- Modules sewn in around m pass the first value on: {name =, module =}.
local function around(list, x, ...)
  for _, inserted in ipairs(list) do x = inserted.module(x) end
  return x, ...
end

local function parts(m, ...)
  local one = context.recorder and run_recorded or run
  local before, after = rawget(m, "_before"), rawget(m, "_after")
  if not before and not after then return one(m, ...) end
  local function main(...)
    if after then return around(after, one(m, ...)) end
    return one(m, ...)
  end
  if before then return main(around(before, ...)) end
  return main(...)
end

local function reached(mine, ...)
  mine.values = table.pack(...)
  error(mine, 0)
end

local function through(m, ...)
  local cut = context.cut
  if cut and cut.target == m then return reached(cut, parts(m, ...)) end
  if context.recorder or rawget(m, "_hooks") or rawget(m, "_before") or rawget(m, "_after") then
    return parts(m, ...)
  end
  return plain(m, ...) -- most calls: nothing is around it
end

-- A call ends: by its result, by an error, by an error that the forward around it catches.
local leaving = setmetatable({}, {__close = function(_, err)
  local c = context
  local depth = c.depth - 1
  if err == nil then c.failed = nil
  else
    c.failed = c.failed or c.stack[depth + 1]
    if c.recorder then end_records(c.recorder, depth, err) end
  end
  c.depth = depth
  if depth == 0 then journal.running(false) end
  leave(depth)
end})

local function outermost(m, ...)
  local c = context
  c.paths, c.depth, c.stack[1], c.failed, c.users = trace.paths(m), 1, m, nil, nil
  local here <close> = leaving
  journal.running(true)
  local x = ...
  if is(x) and not c.dry and not c.still then
    rawset(m, "_last_input", raw.shape(x))
    trace.before_run(m)
  end
  enter("", class_name(m))
  return through(m, ...)
end

--- Called as f(m) before the outermost module m runs for its numbers.
function trace.before_run() end

-- The message of an error with the module it came from, where it does not say so itself.
local function in_module(m, message)
  if type(message) ~= "string" or message:find("interrupted!", 1, true) then return message end
  local failed = context.failed
  local path = failed and context.paths and context.paths[failed] or ""
  if not failed or path ~= "" and message:find(path .. ":", 1, true) then return message end
  if path == "" and getmetatable(failed)._builtin then return message end
  return ("%s (in %s%s)"):format(message, path ~= "" and path .. ", a " or "", class_name(failed))
end

local function named(...)
  local seen = context.seen
  if seen then
    context.seen = nil
    for _, v in ipairs(seen) do raw.name(v) end
  end
  if context.users then kept.name(context.users) end
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if is(v) then raw.name(v)
    elseif type(v) == "table" and not getmetatable(v) then
      for _, x in ipairs(v) do if is(x) then raw.name(x) end end
    end
  end
  return ...
end

local function outer_done(m, ok, ...)
  local c = context
  if not ok then
    local message = in_module(m, (...))
    c.depth, c.paths, c.stack, c.failed, c.seen, c.users = 0, nil, {}, nil, nil, nil
    leave(0)
    error(message, 0)
  end
  if c.dry or c.still then return ... end -- nobody looks at the numbers
  return named(...)
end

-- m:head(): where the part `head` of a model has the name of a method, a call with the model in front means the method.
local function method_of(owner, m)
  for name, child in next, rawget(owner, "_children") do
    if child == m then
      local f = getmetatable(owner)[name]
      if type(f) == "function" then return f end
    end
  end
end

--- trace.call(m, …): what m(…) does.
function trace.call(m, ...)
  local first = ...
  if type(first) == "table" and rawget(first, "_children") then
    local method = method_of(first, m)
    if method then return method(...) end
  end
  local c = context
  local depth = c.depth
  if depth == 0 then return outer_done(m, pcall(outermost, m, ...)) end
  local paths = c.paths
  local path = paths[m]
  if not path then -- made on the way, registered nowhere
    path = (paths[c.stack[depth]] or "") .. "(" .. class_name(m) .. ")"
    if rawget(m, "_names") then paths[m] = path end
  end
  c.depth, c.stack[depth + 1] = depth + 1, m
  local here <close> = leaving
  enter(path, class_name(m))
  return through(m, ...)
end

table.insert(require("suture.base.lines").before, function() trace.reset() end)

return trace
