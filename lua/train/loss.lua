--- What training lowers: the cross entropy of a model's logits, and of its auxiliary heads'.
-- A model that gives back several logits in training, as GoogLeNet and Inception v3 do, has auxiliary heads: each one's cross
-- entropy counts m.aux_weight beside 1 for the first. Of a model without aux_weight the first result alone is trained.
local F = require "suture.nn.functional"
local loss = {}

--- Calls m(…) and returns a list of what is trained: the logits, then those of auxiliary heads, but of ones that no parameter
-- which trains can change.
function loss.heads(m, ...)
  local out = table.pack(m(...))
  local heads = {out[1]}
  for i = 2, (m.aux_weight or 0) ~= 0 and out.n or 1 do
    if out[i] and out[i].requires_grad then heads[#heads + 1] = out[i] end
  end
  return heads
end

--- The loss of these heads of m for the classes y. opts: those of F.cross_entropy.
function loss.of(m, heads, y, opts)
  local sum = F.cross_entropy(heads[1], y, opts)
  for i = 2, #heads do sum = sum + m.aux_weight * F.cross_entropy(heads[i], y, opts) end
  return sum
end

return loss
