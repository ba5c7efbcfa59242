--- features: what a model makes of each sample, as a data set of its own.
local core = require "suture.core"
local fault = require "suture.base.fault"
local measure = require "suture.train.evaluate"
local nn_trace = require "suture.nn.trace"
local options = require "suture.base.options"
local made = require "suture.data.features"
local suggest = require "suture.base.suggest"
local tables = require "suture.model.tables"

local read = options.named("features", "at:str=nil save:str=nil batch:count=64 threads:natural=nil")

-- The module whose output is asked for, or whose input: the head's.
local function place(m, at)
  if at == nil then
    local path, head = m:head()
    return head, "inputs", path
  end
  local names = {}
  for name, module in m:named_modules() do
    if name == at and name ~= "" then return module, "outputs", at end
    names[#names + 1] = name
  end
  fault("features: no module is called '%s'%s", at, suggest.hint(at, names))
end

-- What the place gives for the batch x.
local function value(m, x, module, side, path)
  local got
  for _, call in ipairs((nn_trace.record(m, x))) do -- the last call counts
    if call.module == module and not call.failed then got = call[side][1] end
  end
  if not got then fault("features: %s does not run, or gives no tensor", path) end
  if #got.shape < 2 or got.shape[1] ~= x.shape[1] then
    fault("features: %s has shape %s for %d samples: a row for each is expected", path, tostring(got.shape), x.shape[1])
  end
  core.graph.eval {got}
  return got:detach()
end

--- features(m, ds[, options]): what m makes of each sample of ds, once, in eval mode, as a data set of tensors with
-- ds's targets, classes and names: heads are trained on it in no time, and other programs can read it. The picture goes
-- its way without augmentation. Options:
--   at      the path of the module whose output is taken; default: what m:head() is given
--   save    a file (.safetensors, or .pth for torch.load) to write it to; data.features(file) reads it back
--   batch (64), threads
-- fit(head, features(m, train), {val = features(m, val)}) trains a head that m:replace(m:head(), head) puts in place.
local function features(m, ds, opts)
  measure.check_model("features", m)
  ds = measure.check_dataset("features", ds)
  local o = read(opts)
  local module, side, path = place(m, o.at)
  local xs, ys, n = nil, nil, #ds
  measure.each("features", m, ds, o, function(x, y, places)
    local v = value(m, x, module, side, path)
    xs, ys = xs or core.rows.new(v, n), ys or core.rows.new(y, n)
    core.rows.put(xs, places, v)
    core.rows.put(ys, places, y)
  end)
  local names = {}
  for i = 0, n - 1 do names[i + 1] = ds:name(i) end
  local held = {x = xs, y = ys, names = names, at = path, side = side, from = ds:fingerprint(),
    classes = #ds.classes > 0 and ds.classes or nil, label_names = ds.source.label_names or nil}
  if o.save then tables.save(held, o.save) end
  return made(("features of %s"):format(ds.where), held)
end

return features
