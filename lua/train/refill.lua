--- The kept trunk filled by passes over the data alone, without training: where a run goes on, as the epochs before
-- had filled it, in the same batches, so that the bits are the same; and in the samples' order where each epoch draws
-- but some of them (sampler).
local core = require "suture.core"
local journal = require "suture.base.journal"
local nn_trace = require "suture.nn.trace"
local refill = {}

-- One pass, in the order of an epoch (0: as they lie), whose values are kept for a view. False where nothing is kept.
local function pass(trainer, view, epoch)
  local m, o, ds, kept = trainer.model, trainer.options, trainer.data, trainer._session.kept
  local objective = trainer:_objective()
  kept.now = epoch
  local order = ds:_pass(o.batch, {shuffle = epoch > 0, seed = trainer.seed, epoch = epoch, threads = o.threads,
    drop_last = epoch > 0 and trainer._session.drop_last, sampler = epoch > 0 and o.sampler or nil,
    augment = epoch > 0 and ds.augments or nil})
  local first = true
  for x, y, places in ds:_go(order) do
    local loss
    do
      local watch <close> = kept:watch(x)
      loss = journal.rehearse(nn_trace.stilled, objective.train, m, x, y)
    end
    if first or kept.stray then kept:look(loss, x) end
    if kept.why then return false end
    kept:keep(view, loss, x, places, y)
    if trainer._teaching then trainer._teaching:logits(x, {view = view, places = places}, kept) end
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
      local taught = trainer._teaching and trainer._teaching.shelves[0]
      got = {train = kept:given(), val = kept_val and kept_val:given(), taught = taught and taught.logits}
    end
    got = got and got.train and got or false
    store.put(got)
    return
  end
  if not got then return end
  kept:take(got.train)
  if got.taught and trainer._teaching then trainer._teaching:take(got.taught) end
  if kept_val and got.val then kept_val:take(got.val) end
end

--- Fills the trunk of a trainer's session: as `trainer._refill` says ({[view] = {epoch …}}, of trunk:filled()), or
-- once in order where a sampler draws.
function refill.begin(trainer)
  local wanted = trainer._refill
  local kept = trainer._session.kept
  if not wanted and trainer.options.sampler and kept.cache and kept.views == 1 then wanted = {[0] = {0}} end
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
