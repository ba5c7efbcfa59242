--- A teacher: the student learns a trained model's probabilities beside the labels. Hinton, Vinyals, Dean 2015,
-- arXiv:1503.02531: (1 - w) loss + w T² KL(softmax(teacher / T) ‖ softmax(student / T)), the mean over samples; T is
-- the temperature, w teacher_weight. The teacher is in eval, and nothing of it moves. What it says of a sample is
-- kept where the sample's picture is the same each time.
local core = require "suture.core"
local fault = require "suture.base.fault"
local F = require "suture.nn.functional"
local mode = require "suture.train.mode"
local tensor = require "suture.tensor"
local graph, rows = core.graph, core.rows
local Teacher = {}
Teacher.__index = Teacher

-- The teacher's logits for x, computed.
function Teacher:_asked(x)
  return mode.eval(self.model, function()
    return tensor.no_grad(function()
      local t = self.model(x)
      if not core.tensor.is(t) or #t.shape ~= 2 then
        fault("%s: teacher gives %s, logits of shape (N, classes) are expected", self.what,
          core.tensor.is(t) and "shape " .. tostring(t.shape) or type(t))
      end
      graph.eval {t}
      return t:detach()
    end)
  end)
end

-- The teacher's logits for the batch x; at: {view, places, from_cache} where an epoch is. The trunk says whether
-- pictures come again. nil: they are not kept, and x is but a stand-in.
function Teacher:_logits(t, x, at)
  local kept = t._session and t._session.kept
  if not at or not kept or not kept.cache or kept.views == 0 or kept.never then return self:_asked(x) end
  local shelf = self.shelves[at.view]
  local have = shelf ~= nil
  for _, place in ipairs(have and at.places or {}) do have = have and shelf.have[place] end
  if have and (at.from_cache or not self.random) then return rows.take(shelf.logits, at.places) end
  if at.from_cache then return nil end
  local logits = self:_asked(x)
  if not shelf then
    shelf = {have = {}, logits = rows.new(logits, self.n)}
    self.shelves[at.view] = shelf
  end
  rows.put(shelf.logits, at.places, logits)
  for _, place in ipairs(at.places) do shelf.have[place] = true end
  return logits
end

function Teacher:seen(t, x, at) self:_logits(t, x, at) end

-- The logits of all samples.
function Teacher:shares() return self.shelves[0] and self.shelves[0].logits end
function Teacher:shared(_, logits)
  local shelf = {have = {}, logits = logits}
  for place = 0, self.n - 1 do shelf.have[place] = true end
  self.shelves[0] = shelf
end

function Teacher:loss(trainer, loss, logits, x, at)
  local t = self:_logits(trainer, x, at)
  if not t then return nil end
  if not core.tensor.is(logits) or logits.shape ~= t.shape then
    fault("%s: teacher gives %s, the model %s: of the same samples and classes both are expected", self.what,
      tostring(t.shape), core.tensor.is(logits) and tostring(logits.shape) or "no logits (its loss returns none)")
  end
  local T = self.temperature
  local log_p, log_q = F.log_softmax(t / T, 1), F.log_softmax(logits / T, 1)
  local kl = (log_p:exp() * (log_p - log_q)):sum() / t.shape[1]
  return (1 - self.weight) * loss + self.weight * T * T * kl
end

return {
  options = "teacher:module=nil temperature:positive=4 teacher_weight:prob=0.9",
  new = function(t)
    local o = t.options
    if o.teacher == nil then
      for _, name in ipairs {"temperature", "teacher_weight"} do
        if t._given[name] ~= nil then fault("%s: %s goes with a teacher: teacher = m2", t.what, name) end
      end
      return nil
    end
    if o.teacher == t.model then fault("%s: teacher is the model that learns · m:clone() is another", t.what) end
    return setmetatable({what = t.what, model = o.teacher, temperature = o.temperature, weight = o.teacher_weight,
      n = #t.data, random = t.data.random, shelves = {}}, Teacher)
  end,
}
