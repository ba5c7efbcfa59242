--- Linear probes: how well a linear classifier does on what a frozen network gives at several depths, found in one pass
-- over the data and by cross-validation. Alain & Bengio 2016, arXiv:1610.01644.
local core = require "suture.core"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local mode = require "suture.train.mode"
local nn_trace = require "suture.nn.trace"
local optim = require "suture.optim"
local outline = require "suture.model.outline"
local tensor = require "suture.tensor"
local raw = core.tensor
local probe = {}

-- ---- where ----

-- Whether a module only holds others in a row.
local function is_row(m)
  local name = getmetatable(m).__name
  return name == "Sequential" or name == "ModuleList"
end

-- The modules behind which features are looked at: of each group the last, or the parts of a row.
local function candidates(groups)
  local list = {}
  for i = 1, #groups - 1 do
    local g = groups[i]
    local last = g.modules[#g.modules]
    local inner = {}
    if #g.modules == 1 and is_row(last) then
      for name, child in last:named_children() do
        if #child:parameters() > 0 then inner[#inner + 1] = {path = g.paths[1] .. "." .. name, module = child} end
      end
    end
    if #inner == 0 then inner[1] = {path = g.paths[#g.modules], module = last} end
    for _, one in ipairs(inner) do
      one.group = i
      list[#list + 1] = one
    end
  end
  return list
end

-- Behind which module each candidate's features are whole: that which the next part takes them from, where it is a
-- module (an activation, a pool behind a convolution), else the candidate.
local function settle(list, m, input, head)
  local t = outline.run(m, input, "strategy")
  local made, first = {}, {}
  for _, call in ipairs(t.calls) do
    if call.outputs[1] and call.path ~= "" then made[call.outputs[1]] = made[call.outputs[1]] or call end
    first[call.module] = first[call.module] or call
  end
  local out, seen = {}, {}
  for i, one in ipairs(list) do
    local behind = list[i + 1] and list[i + 1].module or head
    local call = first[behind]
    local from = call and call.inputs[1] and made[call.inputs[1]]
    local own = first[one.module]
    if from and own and from.first >= own.first and m:at(from.path) == from.module then
      one.path, one.module = from.path, from.module
    end
    if own and not seen[one.path] then
      seen[one.path] = true
      out[#out + 1] = one
    end
  end
  return out
end

--- probe.points(m, groups, input): places in the order in which they run: {path =, module =, group = number} each.
function probe.points(m, groups, input)
  local list = candidates(groups)
  if #list == 0 then fault "strategy: there is nothing before the head to be looked at" end
  return settle(list, m, input, groups[#groups].modules[1])
end

--- probe.shape_behind(m, x, point): the shape of what the point's module gives for x, a list.
function probe.shape_behind(m, x, point)
  for _, call in ipairs(outline.run(m, x, "strategy").calls) do
    if call.module == point.module and call.shape then return {table.unpack(call.shape)} end
  end
  fault("strategy: '%s' does not run", point.path)
end

-- ---- features ----

--- probe.pooled(y): what a sample's features are: the means over places of (N, C, H, W), (N, H, W, C) and (N, L, C).
function probe.pooled(y)
  local s = y.shape
  if #s == 4 then
    if s[2] == s[3] and s[4] ~= s[3] then return y:mean {1, 2} end -- channels last, as Swin's
    return y:mean {2, 3}
  end
  if #s == 3 then return y:mean(1) end
  return #s == 2 and y or y:flatten(1)
end

--- probe.features(m, ds, points, opts): a tensor (N, features) for each point, and the targets, from one pass in eval.
function probe.features(m, ds, points, opts)
  local kept, ys, place = {}, {}, {}
  for i, point in ipairs(points) do kept[i], place[point.module] = {}, i end
  mode.eval(m, function()
    for x, y in ds:batches(opts.batch, {augment = false, threads = opts.threads}) do
      local made = {}
      tensor.no_grad(function()
        local records = nn_trace.record(m, x)
        for _, r in ipairs(records) do
          local i = place[r.module]
          if i and r.outputs[1] then made[i] = probe.pooled(r.outputs[1]):detach() end
        end
        core.graph.eval(made)
      end)
      for i, t in ipairs(made) do table.insert(kept[i], t) end
      ys[#ys + 1] = y
    end
  end)
  local out = {}
  for i, list in ipairs(kept) do
    out[i] = tensor.cat(list):detach()
    core.graph.eval {out[i]}
  end
  return out, tensor.cat(ys)
end

--- probe.shift(m, ds, opts): how far what comes into m's BatchNorm layers is from the statistics they have, on the
-- pictures of ds: the Kullback-Leibler divergence of a normal distribution from another, the mean over channels and
-- layers, after Li et al. 2017, arXiv:1603.04779. nil where m has none with statistics. Pictures
-- like those it was trained with are near 0.
function probe.shift(m, ds, opts)
  local sums, list = {}, {}
  for sub in m:modules() do
    if rawget(sub, "_buffers").running_var then
      sums[sub] = {n = 0}
      list[#list + 1] = sub
    end
  end
  if #list == 0 then return nil end
  mode.eval(m, function()
    for x in ds:batches(opts.batch, {augment = false, threads = opts.threads}) do
      tensor.no_grad(function()
        local made = {}
        for _, r in ipairs(nn_trace.record(m, x)) do
          local s, v = sums[r.module], r.inputs[1]
          if s and v and #v.shape >= 2 then
            local dims = {}
            for d = 0, #v.shape - 1 do if d ~= 1 then dims[#dims + 1] = d end end
            local n = v.shape[1]
            local mean, square = v:mean(dims) * n, (v * v):mean(dims) * n
            s.n, s.mean, s.square = s.n + n, s.mean and s.mean + mean or mean, s.square and s.square + square or square
            made[#made + 1], made[#made + 2] = s.mean, s.square
          end
        end
        core.graph.eval(made)
      end)
    end
  end)
  local total, ran = 0, 0
  for _, bn in ipairs(list) do
    local s = sums[bn]
    if s.n > 0 then
      local had, mean = bn.running_var + bn.eps, s.mean / s.n
      local var = (s.square / s.n - mean * mean):clamp(0) + bn.eps
      local off = mean - bn.running_mean
      total, ran = total + (((var + off * off) / had - 1 - (var / had):log()) / 2):mean():item(), ran + 1
    end
  end
  return ran > 0 and total / ran or nil
end

-- ---- classifiers ----

-- x with mean 0 and variance 1 of each feature in `of`.
local function scaled(x, of)
  local mean, spread = of:mean(0), of:std(0, false)
  return ((x - mean) / (spread + 1e-6)):detach()
end

-- The classes that logistic regression on (x, y) finds for z; decay: of the squares of its weights, as a part of one
-- sample's.
local function regress(x, y, z, classes, decay)
  local w = tensor.zeros(raw.size(x, 1), classes, {requires_grad = true})
  local b = tensor.zeros(classes, {requires_grad = true})
  local a, c = scaled(x, x), scaled(z, x)
  core.graph.eval {a, c}
  local n = raw.size(x, 0)
  local opt = optim.LBFGS({w, b}, {max_iter = 60, tolerance_grad = 1e-3, tolerance_change = 1e-6, history_size = 10,
    line_search_fn = "strong_wolfe"})
  opt:step(function()
    opt:zero_grad()
    local loss = F.cross_entropy(a:matmul(w) + b, y) + (w * w):sum() * (decay / (2 * n))
    loss:backward()
    return loss
  end)
  return tensor.no_grad(function() return (c:matmul(w) + b):argmax(1) end):tolist()
end

--- probe.folds(labels, k, seed): the numbers of k folds, for each place one, each class spread evenly.
function probe.folds(labels, k, seed)
  local by, fold = {}, {}
  for i, y in ipairs(labels) do
    by[y] = by[y] or {}
    table.insert(by[y], i)
  end
  local classes, at = {}, 0
  for y in pairs(by) do classes[#classes + 1] = y end
  table.sort(classes)
  for _, y in ipairs(classes) do
    for _, i in ipairs(core.image.shuffle(by[y], seed, y)) do
      fold[i] = at % k + 1
      at = at + 1
    end
  end
  return fold
end

--- probe.validated(x, labels, classes, o): whether each sample is classified rightly by those that have not seen it, a
-- list of 1 and 0. o: folds, seed, decay.
function probe.validated(x, labels, classes, o)
  local fold, right = probe.folds(labels, o.folds, o.seed), {}
  for k = 1, o.folds do
    local seen, other, ys = {}, {}, {}
    for i, y in ipairs(labels) do
      if fold[i] == k then other[#other + 1] = i - 1 else seen[#seen + 1], ys[#ys + 1] = i - 1, y end
    end
    if #other > 0 and #seen > 0 then
      local guesses = regress(core.rows.take(x, seen), tensor.tensor(ys):long(), core.rows.take(x, other), classes,
        o.decay)
      for i, place in ipairs(other) do right[place + 1] = guesses[i] == labels[place + 1] and 1 or 0 end
    end
  end
  return right
end

-- ---- comparing ----

--- probe.gain(a, b): by how much a is right more often than b on the same samples, and the standard error of that.
function probe.gain(a, b)
  local n, sum, squares = #a, 0, 0
  for i = 1, n do
    local d = a[i] - b[i]
    sum, squares = sum + d, squares + d * d
  end
  local mean = sum / n
  return mean, math.sqrt(math.max(0, squares / n - mean * mean) / n)
end

-- The normal distribution up to z (Abramowitz & Stegun 26.2.17).
local function normal(z)
  local t = 1 / (1 + 0.2316419 * math.abs(z))
  local tail = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * t * (0.319381530 + t * (-0.356563782 +
    t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return z > 0 and 1 - tail or tail
end

--- probe.sure(gain, error): how sure it is that a gain is one, 0 to 1.
function probe.sure(gain, error)
  if error == 0 then return gain > 0 and 1 or 0.5 end
  return normal(gain / error)
end

return probe
