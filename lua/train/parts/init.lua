--- What training may do besides: each part is one file of this folder, found from it and named nowhere else. It returns
--   options   a signature of the options of fit that it reads
--   new       new(t) → the part for this trainer, or nil: not asked for. An error where options do not go together
-- and what new gives has of these functions what it needs; each is called with the trainer t behind the part itself:
--   mixes             words, no function: why nothing that depends on a batch's pictures can be kept between epochs
--   begin(t), close(t, err)   a session of training begins, has ended; err: by that error
--   opened(t)         all parts have begun, and the trunk is what it was
--   pass(t, set)      how an epoch goes over the samples: `set`, options of ds:batches, may be changed
--   shard(t, pass)    the same, of its batches: which places are this process's
--   measured(t, ds)   → the part of val that this process measures on
--   share(t, at)      → by how much the batch counts beside those of other processes
--   sums(t, {number …}) → their sums over all processes
--   reduce(t)         gradients become their sums over all processes
--   draws             true, no function: an epoch need not have all samples
--   starts(t, epoch)  an epoch begins
--   rates(t, epoch)   → true: the rates of this epoch are the part's, no schedule's
--   batch(t, x, y, at) → the batch to train on      at: where an epoch is, as Trainer:_step has it
--   loss(t, loss, logits, x, at) → what to lower instead of loss; nothing where kept values do not fit any more
--   gradients(t)      between backward and the optimizer's step
--   stepped(t)        behind the optimizer's step
--   ended(t, row)     an epoch has ended
--   judged(t, row)    the same, when it is known whether it is the best
--   average(t)        → tensors and the numbers they are measured with: {to …}, {from …}, or nil
--   trained(t)        a run has ended; the model has the weights of its last step
--   finish(t, best)   the same; best: the model has the weights of the best epoch
--   result(t, r)      what fit returns is made
--   state(t), load(t, state)   for another trainer that goes on
--   seen(t, x, at)    a pass over the data without training (train/refill.lua)
--   shares(t), shared(t, what)   what is kept of all samples, for another trainer over the same ones
local embedded = require "suture.embedded"

local parts = {_all = {}}

for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/train/parts/([%w_]+)%.lua$"
  if name and name ~= "init" then
    parts._all[#parts._all + 1] = {name = name, kind = require("suture.train.parts." .. name)}
  end
end
table.sort(parts._all, function(a, b) return a.name < b.name end)

--- The options of all parts, as a signature.
function parts.signature()
  local out = {}
  for i, p in ipairs(parts._all) do out[i] = p.kind.options or "" end
  return " " .. table.concat(out, " ") .. " "
end

--- The parts that a trainer's options ask for, in order.
function parts.of(t)
  local list = {}
  for _, p in ipairs(parts._all) do
    local made = p.kind.new(t)
    if made then
      made.name = p.name
      list[#list + 1] = made
    end
  end
  return list
end

--- parts.each(list, hook, t, …): calls that function of all that have it; the first result that is not nil or false.
function parts.each(list, hook, t, ...)
  local first
  for _, part in ipairs(list) do
    local f = part[hook]
    if f then
      local given = f(part, t, ...)
      first = first or given
    end
  end
  return first
end

return parts
