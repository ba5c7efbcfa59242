--- The kept trunk filled by passes over the data alone, without training: where a run goes on, as the epochs before
-- had filled it, in the same batches, so that the bits are the same; and in the samples' order where each epoch draws
-- but some of them.
local core = require "suture.core"
local journal = require "suture.base.journal"
local nn_trace = require "suture.nn.trace"
local refill = {}

-- One pass, in the order of an epoch (0: as they lie), whose values are kept for a view. False where nothing is kept.
local function pass(trainer, view, epoch)
  local m, ds, kept = trainer.model, trainer.data, trainer._session.kept
  local objective = trainer:_objective()
  kept.now = epoch
  local first = true
  for x, y, places in ds:_go(trainer:_pass(epoch)) do
    local loss
    do
      local watch <close> = kept:watch(x)
      loss = journal.rehearse(nn_trace.stilled, objective.train, m, x, y)
    end
    if first or kept.stray then kept:look(loss, x) end
    if kept.why then return false end
    kept:keep(view, loss, x, places, y)
    trainer:_each("seen", x, {view = view, places = places})
    first = false
  end
  return true
end

-- The trunks of a session, for train and val, from a store that trials share, or into it: {get = f() → {train =, val
-- =}, false (nothing can be kept) or nil (nobody has looked yet), put = f(that)}.
local function shared(trainer, store)
  local kept, kept_val = trainer._session.kept, trainer._session.kept_val
  local got = store.get()
  if got == nil then
    if kept.cache and kept.views == 1 and not trainer.data.random and pass(trainer, 0, 0) then
      if kept_val then trainer:_measure() end
      got = {train = kept:given(), val = kept_val and kept_val:given(), parts = {}}
      for _, part in ipairs(trainer._parts) do got.parts[part.name] = part.shares and part:shares(trainer) end
    end
    got = got and got.train and got or false
    store.put(got)
    return
  end
  if not got then return end
  kept:take(got.train)
  for _, part in ipairs(trainer._parts) do
    local its = got.parts and got.parts[part.name]
    if its and part.shared then part:shared(trainer, its) end
  end
  if kept_val and got.val then kept_val:take(got.val) end
end

--- Fills the trunk of a trainer's session: as `trainer._refill` says ({[view] = {epoch …}}, of trunk:filled()), or
-- once in order where an epoch draws but some samples.
function refill.begin(trainer)
  local wanted = trainer._refill
  local kept = trainer._session.kept
  local draws
  for _, part in ipairs(trainer._parts) do draws = draws or part.draws end
  if not wanted and draws and kept.cache and kept.views == 1 then wanted = {[0] = {0}} end
  trainer._refill = nil
  if not wanted and not trainer._shared then return end
  local seed = core.engine.seed()
  if trainer._shared then
    shared(trainer, trainer._shared)
    wanted = {}
  end
  for view, epochs in pairs(wanted) do
    for _, epoch in ipairs(epochs) do
      if not pass(trainer, view, epoch) then break end
    end
  end
  core.graph.drop_effects()
  core.engine.seed(seed)
end

return refill
