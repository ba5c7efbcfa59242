--- Several processes train one model (make MPI=1, then mpirun -n 4 suture train.lua): each rank computes its share of
-- every batch, gradients are summed over all before the optimizer's step, and so are the figures. `batch` is what all
-- ranks take together, so that the losses are those of one process. Weights begin as rank 0 has them; BatchNorm
-- normalizes by the rank's own share, or with sync_bn by the whole batch; its running statistics are rank 0's. Li et
-- al. 2020, arXiv:2006.15704.
local core = require "suture.core"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local guard = require "suture.train.guard"
local interrupt = require "suture.base.interrupt"
local note = require "suture.base.note"
local ranks = require "suture.base.ranks"
local mpi = core.mpi

local Ranks = {}
Ranks.__index = Ranks

-- Nothing stops a rank by itself: all stop behind the same step (Trainer:_stop).
function Ranks:begin(t)
  self.whole = interrupt.defer()
  F._sync_bn(t.options.sync_bn)
end
function Ranks:close()
  if self.whole then getmetatable(self.whole).__close() end
  self.whole = nil
  F._sync_bn(false)
end

-- The places of an epoch's batches that are this rank's: as many as the others', or one more. Where there are fewer
-- samples than ranks some take one that counts nothing.
function Ranks:shard(_, pass)
  self.idle = {}
  for k, places in ipairs(pass.batches) do
    local each, more = #places // mpi.size, #places % mpi.size
    local from = mpi.rank * each + math.min(mpi.rank, more)
    local n = each + (mpi.rank < more and 1 or 0)
    self.idle[k] = n == 0
    pass.batches[k] = n == 0 and {places[1]} or table.move(places, from + 1, from + n, 1, {})
  end
  pass.set.batch = #pass.batches[1]
end

-- Samples to measure on are dealt out once, so that a frozen trunk is kept for those.
function Ranks:measured(t, ds)
  if #ds < mpi.size then
    fault("%s: %d samples of val for %d ranks: each needs one", t.what, #ds, mpi.size)
  end
  local k = -1
  return ds:filter(function()
    k = k + 1
    return k % mpi.size == mpi.rank
  end)
end

-- The pass that comes now: whether it counts; the last of a step sums its gradients while it runs.
function Ranks:share(t, at)
  local share = at and self.idle and self.idle[at.k] and 0 or 1
  mpi.counts(share)
  if at and at.last or (t._part and t._part.batches or 0) + 1 >= t.options.accumulate then
    local list = {}
    for p in t.model:parameters() do if p.requires_grad then list[#list + 1] = p end end
    mpi.early(list)
  end
  return share
end
function Ranks:sums(_, list) return {mpi.sums(table.unpack(list))} end

-- What all ranks must have as many numbers of.
local function agreed(t, list)
  local n = 0
  for _, x in ipairs(list) do n = n + core.tensor.numel(x) end
  if mpi.sums(n) ~= n * mpi.size then
    fault("%s: rank %d has gradients of %d numbers, other ranks have another count: the model takes another way " ..
      "from batch to batch", t.what, mpi.rank, n)
  end
end

-- Behind backward: gradients are summed in buckets of 4 MB, which backward has begun as they were whole (bind/mpi.c).
function Ranks:reduce(t)
  local list, stats = {}, {}
  for p in t.model:parameters() do list[#list + 1] = p.grad end
  agreed(t, list)
  mpi.sum(list)
  for sub in t.model:modules() do
    if sub._is_batchnorm and sub:is_training() then
      for _, b in pairs(rawget(sub, "_buffers")) do if b.dtype == "float32" then stats[b] = true end end
    end
  end
  local moving = {}
  for _, b in ipairs(t._guard.moving) do if stats[b] then moving[#moving + 1] = b end end
  if #moving > 0 then mpi.spread(moving) end
end

return {
  options = "sync_bn:bool=false",
  new = function(t)
    local o = t.options
    if not ranks.together() then
      if mpi.size == 1 and mpi.launched > 1 and mpi.rank == 0 then
        note.once("ranks", ("%s: %d processes were launched, but this suture is built without MPI: each trains " ..
          "alone, and the same · make MPI=1 builds one in which they train together"):format(t.what, mpi.launched))
      end
      return nil
    end
    if t.optimizer.closure then
      fault("%s: %s asks for the loss several times a step, which several ranks cannot share · mpirun -n 1, or " ..
        "another optimizer", t.what, t.optimizer.kind)
    end
    if o.batch < mpi.size then
      fault("%s: batch = %d for %d ranks: it is what all take together, each needs one sample at least", t.what,
        o.batch, mpi.size)
    end
    if mpi.rank > 0 then o.quiet = true end
    t.seed, o.batch = mpi.word(t.seed), mpi.word(o.batch)
    local list = guard.movable(t.model)
    mpi.spread(list)
    return setmetatable({}, Ranks)
  end,
}
