--- The frozen trunk: what comes before the first thing that trains is computed once per sample and kept.
-- The graph says where that is (core/graph.h, graph_frontier): values that depend on the sample alone, through nothing that
-- requires a gradient, is random, or mixes samples. Later epochs give those values to the traced graph, and what came
-- before them is dead code.
local core = require "suture.core"
local fault = require "suture.fault"
local options = require "suture.options"
local graph, rows = core.graph, core.rows
local trunk = {}
trunk.__index = trunk

local DEFAULT_MB = 2048

--- The option `cache` as users give it: an error names the function `what`.
function trunk.check(what, cache)
  if type(cache) == "boolean" or type(cache) == "number" and cache >= 0 then return end
  fault("%s: cache expects true, false or a bound in MB, got %s", what, options.show(cache))
end

--- A cache for the samples of ds. opts.cache: true (default), false, or a bound in MB (default 2048).
function trunk.new(ds, opts)
  local self = setmetatable({n = #ds, on = opts.cache ~= false, have = {}, count = 0, kept = nil}, trunk)
  self.bytes = (type(opts.cache) == "number" and opts.cache or DEFAULT_MB) * 1e6
  if opts.cache == false then self.why = "cache = false"
  elseif ds.random then self.on, self.why = false, "the augmentation is random: each epoch sees other pictures" end
  return self
end

local function names_of(values)
  local out = {}
  for i, v in ipairs(values) do
    local path = graph.path(v)
    out[i] = path ~= "" and path or graph.op_of(v)
  end
  return table.concat(out, ", ")
end

--- First epoch: keeps the frontier's values under `want` for these places. Call before want is computed.
function trunk:keep(want, x, places)
  if not self.on then return end
  local values, why = graph.frontier({want}, x)
  if #values == 0 then
    self.on, self.why = false, why and why ~= "" and why or "nothing before the first trained layer is frozen"
    return
  end
  local names = names_of(values)
  if not self.kept then
    local numbers = 0
    for _, v in ipairs(values) do numbers = numbers + core.tensor.numel(v) / core.tensor.size(v, 0) end
    if numbers * 4 * self.n > self.bytes then
      self.on = false
      self.why = ("%.1f GB for %d samples at %s, the bound is %.1f GB: cache = MB raises it"):format(numbers * 4 * self.n / 1e9, self.n, names,
        self.bytes / 1e9)
      return
    end
    self.names, self.numbers, self.kept, self.stopped_by = names, numbers, {}, why
    for i, v in ipairs(values) do self.kept[i] = rows.new(v, self.n) end
  elseif names ~= self.names then
    self.on, self.kept, self.why = false, nil, "the model takes another way for other samples"
    return
  end
  graph.eval(values)
  for i, v in ipairs(values) do rows.put(self.kept[i], places, v) end
  for _, place in ipairs(places) do
    if not self.have[place] then self.have[place], self.count = true, self.count + 1 end
  end
end

--- Is every sample's value here?
function trunk:full() return self.on and self.kept ~= nil and self.count == self.n end

--- Gives the kept values to a freshly traced `want`, so that what is before them is not computed.
function trunk:give(want, x, places)
  local values = graph.frontier({want}, x)
  if names_of(values) ~= self.names then
    self.on, self.kept = false, nil
    return false
  end
  for i, v in ipairs(values) do graph.set_value(v, rows.take(self.kept[i], places)) end
  return true
end

--- Notes what a batch looks like, for stand_in.
function trunk:shape(x) self.like = self.like or x end

--- A tensor of the batch's shape whose numbers nobody will look at.
function trunk:stand_in(n)
  self.blank = self.blank or {}
  self.blank[n] = self.blank[n] or rows.new(self.like, n)
  return self.blank[n]
end

--- The labels at these places, as a batch's y.
function trunk.labels(labels, places)
  local y = {}
  for i, place in ipairs(places) do y[i] = labels[place + 1] end
  return require("suture.tensor").tensor(y)
end

--- One line for the user.
function trunk:text()
  if self.kept then
    return ("frozen up to %s: kept for %d samples (%.1f MB), later epochs start there"):format(self.names, self.n, self.numbers * 4 * self.n / 1e6)
  end
  return "the frozen part is not kept between epochs: " .. (self.why or "nothing is frozen")
end

--- Drops what is kept (the frozen part changed).
function trunk:clear() self.have, self.count, self.kept = {}, 0, nil end

return trunk
