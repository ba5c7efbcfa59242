--- The modes of a module: training and evaluation, freezing, BatchNorm's statistics.
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local journal = require "suture.base.journal"
local Module = require "suture.nn.module"
local note = require "suture.base.note"
local options = require "suture.base.options"
local stray = require "suture.base.stray"
local trace = require "suture.nn.trace"
local core = require "suture.core"
local raw = core.tensor
local is = raw.is
local set, chosen, shown = Module._set, Module._chosen, Module._shown

-- Several globs given side by side are one list of them.
local function globs(...)
  local pattern = ...
  if select("#", ...) > 0 and pattern == nil then
    fault 'expects patterns of names, as "layer1.*", or nothing for all of the model, got nil (a name that nobody set?)'
  end
  if select("#", ...) < 2 then return pattern end
  return {...}
end

-- Each of several globs names something: one that does not is a slip, which the others would hide.
local function each_hits(m, what, pattern, hits)
  if type(pattern) ~= "table" then return end
  for _, one in ipairs(pattern) do
    if not hits(one) then m:_no_match(what, one) end
  end
end

local function set_training(m, what, pattern, on)
  local list = chosen(m, what, pattern)
  each_hits(m, what, pattern, function(one) return #chosen(m, what, one) > 0 end)
  if #list == 0 then m:_no_match(what, pattern) end
  journal.change(nil, function() for _, sub in ipairs(list) do set(sub, "_training", on) end end)
  return m
end

--- m:train([glob]): training mode (BatchNorm uses and moves batch statistics, dropout drops); with a glob only for the
-- modules it names and all beneath. train(false) is eval(). Frozen modules stay as they are: see freeze.
function Module.train(m, ...)
  if type((...)) == "boolean" then
    stray.refuse("train", 1, ...)
    return set_training(m, "train", nil, (...))
  end
  return set_training(m, "train", globs(...), true)
end

--- m:eval([glob]): the mode for use (BatchNorm's running statistics, no dropout), of all or of what the glob names.
function Module.eval(m, ...) return set_training(m, "eval", globs(...), false) end

-- Whether m, which is frozen, and all beneath it are: something thawed in it trains as m's mode says.
function Module._stands(m)
  if not rawget(m, "_frozen") then return false end
  for _, part in next, rawget(m, "_children") do if not Module._stands(part) then return false end end
  return true
end

--- m:is_training(): whether m behaves as in training now: its mode, unless it is frozen.
function Module.is_training(m) return m._training and not m._frozen and not trace.is_dry() end

-- Whether m does what only training does (drops at random, runs an auxiliary head) now: in training, and in the
-- drawing of a graph that trains.
function Module._as_in_training(m) return m:is_training() or trace.is_outline() and m._training and not m._frozen end

-- Whether the auxiliary heads of m (parts of it, nil for none) run now: in training, of a frozen model too where one
-- of them has something to learn.
function Module._aux_runs(m, ...)
  if not rawget(m, "_training") or trace.is_dry() and not trace.is_outline() then return false end
  if not rawget(m, "_frozen") then return true end
  for i = 1, select("#", ...) do
    local head = select(i, ...)
    if head and not Module._stands(head) then return true end
  end
  return false
end

--- Module._held(m, f, …): calls f(…), and puts every module's mode back after, by an error too: nothing of it is a
-- change.
function Module._held(m, f, ...)
  local was = {}
  for sub in m:modules() do was[sub] = rawget(sub, "_training") end
  local back <close> = setmetatable({}, {__close = function()
    for sub, on in pairs(was) do rawset(sub, "_training", on) end
  end})
  return f(...)
end

--- Module._mode(m, on): all of m in training or not, for the inside of _held.
function Module._mode(m, on) for sub in m:modules() do rawset(sub, "_training", on) end end

local zero_args = options.arguments("zero_grad", "set_to_none:bool=true")

--- m:zero_grad([set_to_none (true)]): forgets all gradients: p.grad is nil until the next backward. They are not kept
-- as zeros, so set_to_none = false is refused.
function Module.zero_grad(m, ...)
  if not zero_args(...) then
    fault("zero_grad: gradients are forgotten (p.grad is nil), set_to_none = false would keep zeros: " ..
      "p.grad:zero_() does")
  end
  for p in m:parameters() do raw.grad(p, nil) end
end

--- m:requires_grad_([on]): sets requires_grad of all parameters (default true); statistics of BatchNorm go on moving.
function Module.requires_grad_(m, ...)
  local on = ...
  stray.refuse("requires_grad_", 1, ...)
  if select("#", ...) > 0 and on == nil then
    fault "requires_grad_: expects true or false, got nil (Lua writes true and false)"
  end
  if on ~= nil and type(on) ~= "boolean" then fault("requires_grad_: expects true or false, got %s", shown(on)) end
  journal.change(nil, function() for p in m:parameters() do p.requires_grad = on ~= false end end)
  return m
end

-- ---- freezing ----

local function freeze_tensor(t, on)
  if raw.requires_grad(t) == not on and raw.frozen(t) == on then return end
  journal.marks(t)
  raw.requires_grad(t, not on)
  raw.frozen(t, on)
  if on then raw.grad(t, nil) end
end

-- A parameter that is also one of a module outside the list goes with it: said, for that module's path does not show
-- it.
local function say_tied(m, list, on)
  local inside = {}
  for _, sub in ipairs(list) do inside[sub] = true end
  for _, sub in ipairs(list) do
    for _, name in ipairs(sub._pnames) do
      for _, other in ipairs(journal.owners(sub._params[name])) do
        if not inside[other] then
          local paths = trace.paths(m)
          local as = "another"
          for n, p in pairs(other._params) do
            if rawequal(p, sub._params[name]) then as = Module._join(paths[other] or getmetatable(other).__name, n) end
          end
          note.remark(("%s is %s too: it is %s there as well"):format(Module._join(paths[sub] or "", name), as,
            on and "frozen" or "unfrozen"))
        end
      end
    end
  end
end

local function freeze(m, what, pattern, on)
  local list = chosen(m, what, pattern)
  local hit = #list > 0
  local match = pattern ~= nil and glob(pattern, what)
  each_hits(m, what, pattern, function(one)
    local named, found = glob(one, what), #chosen(m, what, one) > 0
    if not found then
      Module._walk_tensors(m, "_pnames", "_params", function(_, name) found = found or named(name) end)
    end
    return found
  end)
  journal.change(nil, function()
    for _, sub in ipairs(list) do
      set(sub, "_frozen", on)
      for _, name in ipairs(sub._pnames) do freeze_tensor(sub._params[name], on) end
    end
    if match then
      Module._walk_places(m, function(sub, path)
        for _, name in ipairs(sub._pnames) do
          if match(Module._join(path, name)) then
            freeze_tensor(sub._params[name], on)
            hit = true
          end
        end
      end)
    end
  end)
  if not hit then m:_no_match(what, pattern) end
  say_tied(m, list, on)
  return m
end

--- m:freeze([glob, …]): nothing in m (or in what the globs name and all beneath) changes any more: no gradient is
-- computed or kept, no optimizer moves it, BatchNorm statistics stand still, dropout is off; m:train() does not undo
-- it, unfreeze does. A glob that names parameters ("*.bias") freezes those alone. A parameter that another module
-- shares is frozen there too, and a line says so. Returns m.
function Module.freeze(m, ...) return freeze(m, "freeze", globs(...), true) end

--- m:unfreeze([glob, …]): the opposite of freeze; all parameters there require gradients again. Returns m.
function Module.unfreeze(m, ...) return freeze(m, "unfreeze", globs(...), false) end

--- m:freeze_to(path[, input]): freezes every module that runs before `path` in the real graph, that of training. input:
-- a tensor or a shape to run with (default m.input_shape). Returns m.
function Module.freeze_to(m, path, input)
  local target = m:_at("freeze_to", path)
  if not Module.is_module(target) then fault("freeze_to: '%s' is no module", path) end
  m:_single("freeze_to", path, target)
  input = input or m.input_shape
  if not input then
    fault("freeze_to: needs an input to run with: m:freeze_to(%q, {1, 3, 224, 224}), or set m.input_shape", path)
  end
  local x = is(input) and input or raw.full(input, 0)
  local seed = core.engine.seed()
  local records = journal.rehearse(Module._held, m, function()
    if not m._training then Module._mode(m, true) end
    return (trace.record(trace.outlined, m, x))
  end)
  core.engine.seed(seed)
  local before, found = {}, false
  for _, r in ipairs(records) do
    if r.module == target then
      found = true
      break
    end
    before[#before + 1] = r
  end
  if not found then fault("freeze_to: '%s' does not run", path) end
  journal.change(nil, function()
    for _, r in ipairs(before) do
      if not Module._contains(r.module, target) then freeze(r.module, "freeze", nil, true) end
    end
  end)
  return m
end

--- m:bn_eval([on]): BatchNorm modules in m use and keep their running statistics, also after m:train(); their weights
-- still learn. m:bn_eval(false) undoes it. Returns m.
function Module.bn_eval(m, on)
  if on ~= nil and type(on) ~= "boolean" then fault("bn_eval: expects true or false, got %s", shown(on)) end
  journal.change(nil, function()
    for sub in m:modules() do if sub._is_batchnorm then set(sub, "_bn_eval", on ~= false or nil) end end
  end)
  return m
end

-- Said once: requires_grad = false does not stop statistics.
function Module._statistics_move(m, path)
  note.once("statistics", ("%s: its weight requires no gradient, but in train mode its running statistics go on "
    .. "moving; m:freeze() stops both, m:eval() or m:bn_eval() the statistics"):format(
      path ~= "" and path or getmetatable(m).__name))
end

--- m:float(), m:cpu(), m:to("cpu"), m:to("float32"): as in PyTorch; everything here is float32 on the CPU, so they
-- return m, and other devices and types are refused.
function Module.float(m) return m end

--- m:cpu(): see float.
function Module.cpu(m) return m end

--- m:to(device or type): see float.
function Module.to(m, ...)
  for _, what in ipairs {...} do
    if what ~= "cpu" and what ~= "float32" and what ~= "float" then
      fault('to: everything here is float32 on the CPU ("cpu", "float32"), got %s', shown(what))
    end
  end
  return m
end

-- Announces to the journal that all of m that is not frozen may change: its states, its numbers, its statistics.
function Module._announce(m)
  for sub in m:modules() do journal.touch(Module._state, sub, true) end
  for p in m:parameters() do if not raw.frozen(p) then journal.writes(p) end end
  for b in m:buffers() do journal.writes(b, true) end
end

Module._methods()

return Module
