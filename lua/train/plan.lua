--- plan: what training would take, before it is spent.
local core = require "suture.core"
local beforehand = require "suture.train.beforehand"
local journal = require "suture.base.journal"
local losses = require "suture.train.loss"
local measure = require "suture.train.evaluate"
local mode = require "suture.train.mode"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local text = require "suture.base.text"
local trunk = require "suture.train.trunk"
local graph = core.graph

local Plan = {__name = "training plan", __tostring = function(r)
  local lines = {}
  local function line(label, ...) lines[#lines + 1] = ("%-10s"):format(label) .. string.format(...) end
  line("trains", "%d of %d parameters, in %d of %d tensors", r.trainable, r.parameters, r.trainable_tensors, r.tensors)
  line("backward", "%s", r.first and "stops at " .. r.first .. (r.frozen_modules > 0 and
    (": nothing before it is differentiated") or "") or "nothing to do")
  line("cache", "%s", r.cache)
  if r.drop_last then line("batches", "%s", r.drop_last) end
  line("memory", "%.0f MB a step of %d (%.0f MB of it kept for backward)", r.memory / 1e6, r.batch, r.saved / 1e6)
  line("time", "%s an epoch of %d steps%s", progress.seconds_text(r.seconds), r.steps,
    r.cached_seconds and ("; %s from epoch %d on"):format(progress.seconds_text(r.cached_seconds), r.cached_from) or "")
  return text.safe(table.concat(lines, "\n"))
end}

local read = options.named("plan", "batch:count=32 cache:any=true cache_mb:rate=2048 threads:natural=nil " ..
  "loss:any=nil drop_last:bool=nil")

local function planned(m, ds, opts)
  measure.check_model("plan", m)
  ds = measure.check_dataset("plan", ds)
  opts = read(opts)
  trunk.check("plan", opts.cache)
  local objective = losses.objective("plan", opts.loss, 0)
  local batch = math.min(opts.batch, #ds)
  local r = setmetatable({batch = batch, steps = math.ceil(#ds / batch), parameters = 0, trainable = 0, tensors = 0,
    trainable_tensors = 0,
    frozen_modules = 0}, Plan)
  for _, p in m:named_parameters() do
    r.parameters, r.tensors = r.parameters + p:numel(), r.tensors + 1
    if p.requires_grad then r.trainable, r.trainable_tensors = r.trainable + p:numel(), r.trainable_tensors + 1 end
  end
  for module in m:modules() do if module._frozen then r.frozen_modules = r.frozen_modules + 1 end end
  if r.trainable == 0 then
    r.cache, r.memory, r.saved, r.seconds = "nothing trains: m:unfreeze(path) or a new head", 0, 0, 0
    return r
  end
  local drop, said = beforehand.drop_last("plan", m, ds, batch, opts.drop_last, objective.train)
  if drop then r.steps, r.drop_last = #ds // batch, said end
  local back <close> = mode.kept(m)
  local places = {}
  for i = 1, batch do places[i] = i - 1 end
  local x, y = ds:batch(places)
  local start = core.engine.clock()
  ds:batch(places) -- again, for its time: the first waits for files and fresh memory
  local loading = core.engine.clock() - start
  local cache = trunk.new(ds, opts, ds.random)
  local function loss_of() return (objective.train(m, x, y, ds)) end
  local loss
  do
    local watch <close> = cache:watch(x)
    loss = loss_of()
  end
  local cost = graph.cost({loss}, true)
  r.memory, r.saved = cost.arena + cost.outputs, cost.saved
  for _, node in ipairs(graph.walk({loss})) do
    if node.requires_grad and node.op then
      r.first = node.path ~= "" and node.path or node.op
      break
    end
  end
  cache:look(loss, x)
  r.cache = cache:text()
  local function timed(give)
    local l = loss_of()
    local at = core.engine.clock()
    if give then graph.eval(graph.frontier({l}, x)) at = core.engine.clock() end
    l:backward()
    return core.engine.clock() - at
  end
  timed(false)
  r.seconds = (timed(false) + loading) * r.steps -- the workers that load have no cores of their own
  if not cache.why then r.cached_seconds, r.cached_from = timed(true) * r.steps, cache.views + 1 end
  return r
end

--- plan(m, ds[, {batch = 32, cache = true, cache_mb = 2048, loss = …}]): where backward stops, what fit would keep
-- between epochs, memory, and seconds per epoch, from one measured step (the model stays as it is). Returns a table
-- that prints itself: `first`, `cache`, `memory`, `saved`, `seconds`, `steps`, and where something is kept
-- `cached_seconds`, `cached_from` (epoch).
local function plan(m, ds, opts)
  return journal.rehearse(planned, m, ds, opts) -- what a forward keeps in its modules is put back too
end

return plan
