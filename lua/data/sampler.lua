--- The option sampler of batches and of fit: how often each sample is drawn.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local sampler = {}

-- A weight a sample, so that the classes that have samples come equally often.
local function balanced(where, ds)
  local labels, counts, weights = ds:labels(), {}, {}
  if not labels then
    fault('%s: sampler = "balanced": these samples have no classes · give a weight for each', where)
  end
  for _, k in ipairs(labels) do counts[k] = (counts[k] or 0) + 1 end
  for i, k in ipairs(labels) do weights[i] = 1 / counts[k] end
  return weights
end

--- sampler.weights(where, ds, given): what `sampler = given` says as a weight for each sample of ds; nil: nothing is
-- drawn. where: the function that errors name.
function sampler.weights(where, ds, given)
  if given == nil or given == false then return nil end
  if given == "balanced" then return balanced(where, ds) end
  if core.tensor.is(given) then given = given:reshape(-1):tolist() end
  if type(given) ~= "table" or getmetatable(given) and #given == 0 then
    fault('%s: sampler is "balanced" or a list of weights, one for each of %d samples, got %s', where, #ds,
      options.shown(given))
  end
  if #given ~= #ds then fault("%s: sampler has %d weights for %d samples", where, #given, #ds) end
  local sum = 0
  for i, w in ipairs(given) do
    if type(w) ~= "number" or not (w >= 0 and w < math.huge) then
      fault("%s: sampler: weights are numbers of 0 or above, got %s at place %d", where, options.shown(w), i)
    end
    sum = sum + w
  end
  if not (sum > 0) then fault("%s: sampler: all weights are 0", where) end
  return given
end

return sampler
