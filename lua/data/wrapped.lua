--- Sources made of other sources: labels renumbered, samples through a function, several data sets one after another.
-- What is not said here is the source's underneath. Sources: suture.data.source.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"
local tensor = require "suture.tensor"

local wrapped = {}

local function around(from, key) return setmetatable({key = key}, {__index = from}) end

-- A class index as a number of Lua's; nil for other targets.
local function class_index(y)
  if core.tensor.is(y) and y.dtype == "int64" and #y.shape == 0 then y = y:item() end
  return math.tointeger(y)
end

-- A loader whose batches go through f(x, y) → x, y.
local function through(next_batch, closing, f)
  return function()
    local x, y, remarks = next_batch()
    if not x then return nil end
    x, y = f(x, y)
    return x, y, remarks
  end, closing
end

--- A source whose class index k is map[k] of the one underneath, so that classes are numbered as in `names`.
function wrapped.relabelled(from, map, key, names)
  local self = around(from, key)
  if from.opened then
    self.opened = {align = names}
    for k, v in pairs(from.opened) do self.opened[k] = self.opened[k] or v end
  end
  local function renumbered(labels)
    local out = {}
    for i, k in ipairs(labels) do out[i] = map[math.tointeger(k)] end
    return out
  end
  function self.labels(index) return renumbered(from.labels(index)) end
  function self.one(ds, sample)
    local x, y, remarks = from.one(ds, sample)
    return x, map[class_index(y)], remarks
  end
  function self.loader(ds, order, set)
    local next_batch, closing = from.loader(ds, order, set)
    return through(next_batch, closing, function(x, y)
      return x, tensor.tensor(renumbered(y:tolist()), {dtype = "int64"})
    end)
  end
  return self
end

--- A source whose target of sample i is row i of y, in place of a class.
function wrapped.targeted(from, y, key)
  local self = around(from, key)
  function self.labels() return nil end
  function self.targets(index) return core.digest.tensor(core.image.gather(y, index)) end
  function self.one(ds, sample)
    local x, _, remarks = from.one(ds, sample)
    return x, y[sample], remarks
  end
  function self.loader(ds, order, set)
    local next_batch, closing = from.loader(ds, order, set)
    local at = 0
    return through(next_batch, closing, function(x)
      local rows = table.move(order, at + 1, at + x.shape[1], 1, {})
      at = at + #rows
      return x, core.image.gather(y, rows)
    end)
  end
  return self
end

--- A source whose samples have gone through f(x, y) → x and, where it is not nil, g(y) → y, a number or a tensor.
-- random: f gives another x from time to time.
function wrapped.mapped(from, f, g, random, key)
  local self = around(from, key)
  self.opaque, self.opened, self.content = true, false, false
  self.random = from.random or random
  self.in_memory = false
  local function sample(x, y, name)
    local new = f(x, y)
    if not core.tensor.is(new) then
      fault("ds:map: the function gave %s for %s; a tensor is expected%s", options.shown(new), name,
        new == nil and " (return x)" or "")
    end
    if g then
      y = g(y)
      if type(y) ~= "number" and not core.tensor.is(y) then
        fault("ds:map: target gave %s for %s; a class index, a number or a tensor is expected", options.shown(y), name)
      end
    end
    return new:detach(), core.tensor.is(y) and y:detach() or y
  end
  if g then
    function self.labels(index)
      local before, out = from.labels(index), {}
      if not before then return nil end
      for i, k in ipairs(before) do
        out[i] = class_index(g(k))
        if not out[i] or out[i] < 0 then return nil end
      end
      return out
    end
  end
  function self.one(ds, k)
    local x, y, remarks = from.one(ds, k)
    x, y = sample(x, class_index(y) or y, self.name(k))
    return x, y, remarks
  end
  function self.loader(ds, order, set)
    local next_batch, closing = from.loader(ds, order, set)
    local at = 0
    return through(next_batch, closing, function(x, y)
      local xs, ys, n = {}, {}, x.shape[1]
      local function name(i) return self.name(order[at + i]) end
      tensor.no_grad(function()
        for i = 1, n do
          local target = y[i - 1]
          xs[i], ys[i] = sample(x[i - 1], class_index(target) or target, name(i))
        end
        xs = source.stacked("ds:map", "x", xs, name)
        ys = g and source.targets("ds:map", ys, name) or y
      end)
      at = at + n
      return xs, ys
    end)
  end
  return self
end

--- A source of the samples of several data sets, one after another. where: its name in messages.
function wrapped.joined(where, parts)
  local who, at, keys = {}, {}, {}
  local self = {noun = parts[1].source.noun, in_memory = false, random = false, augments = false, parts = parts}
  for p, ds in ipairs(parts) do
    for _, sample in ipairs(ds.index) do who[#who + 1], at[#at + 1] = p, sample end
    keys[p] = ds.key
    self.random, self.augments = self.random or ds.random, self.augments or ds.augments
    self.opaque = self.opaque or ds.source.opaque
  end
  self.key = "joined " .. table.concat(keys, " + ")
  function self.labels(index)
    local out, all = {}, {}
    for p, ds in ipairs(parts) do
      all[p] = {}
      local labels = ds:labels()
      if not labels then return nil end
      for i, sample in ipairs(ds.index) do all[p][sample] = labels[i] end
    end
    for i, k in ipairs(index) do out[i] = all[who[k + 1]][at[k + 1]] end
    return out
  end
  function self.name(k) return parts[who[k + 1]].source.name(at[k + 1]) end
  function self.one(_, k)
    local ds = parts[who[k + 1]]
    return ds.source.one(ds, at[k + 1])
  end
  function self.loader(_, order, set)
    local orders, next_of, open = {}, {}, {}
    for p in ipairs(parts) do orders[p] = {} end
    for _, k in ipairs(order) do table.insert(orders[who[k + 1]], at[k + 1]) end
    for p, ds in ipairs(parts) do -- each gives its own one by one, ahead of time where it has workers
      next_of[p], open[p] = ds.source.loader(ds, orders[p], {batch = 1, drop_last = false, seed = set.seed + p - 1,
        epoch = set.epoch, augment = set.augment and ds.augments,
        threads = set.threads > 0 and math.max(1, set.threads // #parts) or 0})
    end
    local closing = setmetatable({}, {__close = function()
      for p in ipairs(parts) do local _ <close> = open[p] end
    end})
    return source.in_batches(order, set, function(rows)
      local xs, ys, remarks = {}, {}, nil
      local function name(i) return self.name(rows[i]) end
      for i, k in ipairs(rows) do
        local x, y, more = next_of[who[k + 1]]()
        xs[i], ys[i], remarks = x[0], y[0], remarks or more
      end
      return source.stacked(where, "x", xs, name), source.stacked(where, "the target", ys, name), remarks
    end), closing
  end
  return self
end

return wrapped
