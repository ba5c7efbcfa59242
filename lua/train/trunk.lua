--- The frozen trunk: what comes before the first thing that trains is computed once per sample and kept.
-- The graph says where that is (core/graph.h, graph_frontier): values that depend on the sample alone, through nothing
-- that requires a gradient, is random, or mixes samples. Later epochs give those values to the traced graph, and what
-- came before them is dead code. Where augmentation draws each epoch's pictures anew, several views of a sample may be
-- kept.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local text = require "suture.base.text"
local graph, rows = core.graph, core.rows
local trunk = {}
trunk.__index = trunk

--- The option `cache` as users give it: an error names the function `what`.
function trunk.check(what, cache)
  if type(cache) == "boolean" or math.type(cache) == "integer" and cache > 0 then return end
  fault("%s: cache expects true, false or how many augmented views of each sample to keep (a whole number above 0), " ..
    "got %s%s", what,
    options.show(cache), type(cache) == "number" and " · a bound in MB is cache_mb" or "")
end

--- A cache for the samples of ds, which augmentation changes from epoch to epoch when `random`. opts.cache: true,
-- false, or the number of augmented views; opts.cache_mb: the most that is kept.
function trunk.new(ds, opts, random)
  return setmetatable({n = #ds, cache = opts.cache, views = not random and 1 or math.tointeger(opts.cache) or 0,
    mb = opts.cache_mb,
    shelves = {}}, trunk)
end

-- The values at the frozen frontier under `want`, their names as one string, what stopped it there, and a number for
-- the way that leads there.
local function frontier(want, x)
  local values, why, way = graph.frontier({want}, x)
  local names = {}
  for i, v in ipairs(values) do
    local path = graph.path(v)
    names[i] = path ~= "" and path or graph.op_of(v)
  end
  return values, table.concat(names, ", "), why, way
end

--- Looks where the frozen part of what makes `want` from the batch x ends, and settles whether its values are kept:
-- sets `names`, `bytes` a view of all samples takes, and `why` when nothing is kept (`never`: words why nothing can
-- be). What was kept before, from elsewhere, is dropped.
function trunk:look(want, x)
  local values, names, why, way = frontier(want, x)
  if names == self.names and way == self.way then return end
  self:clear()
  self.way = way
  self.names, self.bytes, self.like = names, 0, rows.new(x, 1)
  for _, v in ipairs(values) do self.bytes = self.bytes + 4 * core.tensor.numel(v) // core.tensor.size(v,
    0) * self.n end
  if self.never then self.why = self.never
  elseif self.asked then self.why = "numbers are asked for while the model or its loss runs, as by :item() (loss = …)"
  elseif #values == 0 then self.why = why ~= "" and why or "nothing before the first trained layer is frozen"
  elseif not self.cache then self.why = "cache = false"
  elseif self.views == 0 then
    self.why = ("the augmentation is random, each epoch sees other pictures · cache = K keeps K views of each " ..
      "(%s a view)")
      :format(text.bytes(self.bytes))
  elseif self.views * self.bytes > self.mb * 1e6 then
    self.why = ("%s for %s at %s, the bound is %s: cache_mb = N raises it"):format(text.bytes(self.views * self.bytes),
      self:what(), names,
      text.bytes(self.mb * 1e6))
  end
end

function trunk:what() return (self.views > 1 and self.views .. " views of " or "") .. self.n .. " samples" end

--- The view that an epoch (from 1) draws or takes.
function trunk:view(epoch)
  self.now = epoch
  return (epoch - 1) % math.max(self.views, 1)
end

--- Which epochs filled each view: {[view] = {epoch …}}.
function trunk:filled()
  local out = {}
  for view, shelf in pairs(self.shelves) do out[view] = {table.unpack(shelf.epochs)} end
  return out
end

--- Keeps the frontier's values under `want` for these places, and their targets y. Call after look, and before want is
-- computed.
function trunk:keep(view, want, x, places, y)
  if self.why then return end
  local values, names, _, way = frontier(want, x)
  if names ~= self.names or way ~= self.way then
    self.shelves, self.why = {}, "the model takes another way, or other constants, from batch to batch"
    return
  end
  local shelf = self.shelves[view]
  if not shelf then
    shelf = {have = {}, count = 0, y = rows.new(y, self.n), epochs = {}}
    for i, v in ipairs(values) do shelf[i] = rows.new(v, self.n) end
    self.shelves[view] = shelf
  end
  if shelf.epochs[#shelf.epochs] ~= self.now then shelf.epochs[#shelf.epochs + 1] = self.now end
  graph.eval(values)
  for i, v in ipairs(values) do rows.put(shelf[i], places, v) end
  rows.put(shelf.y, places, y)
  for _, place in ipairs(places) do
    if not shelf.have[place] then shelf.have[place], shelf.count = true, shelf.count + 1 end
  end
end

--- Is every sample's value here?
function trunk:full(view) return self.shelves[view] ~= nil and self.shelves[view].count == self.n end

--- Gives the kept values to a freshly traced `want`, so that what is before them is not computed. False when they are
-- of another place: something was frozen or thawed since.
function trunk:give(view, want, x, places)
  local values, names, _, way = frontier(want, x)
  if names ~= self.names or self.way and way ~= self.way then return false end
  self.way = way
  for i, v in ipairs(values) do graph.set_value(v, rows.take(self.shelves[view][i], places)) end
  return true
end

--- A tensor of the shape of a batch of n whose numbers nobody will look at.
function trunk:stand_in(n)
  self.blank = self.blank or {}
  self.blank[n] = self.blank[n] or rows.new(self.like, n)
  return self.blank[n]
end

--- The targets at these places, as a batch's y. Call where the view is full.
function trunk:targets(view, places) return rows.take(self.shelves[view].y, places) end

--- One line for the user.
function trunk:text()
  if self.why then return "the frozen part is not kept between epochs: " .. self.why end
  return ("frozen up to %s: kept for %s (%s), %s start there"):format(self.names, self:what(),
    text.bytes(self.views * self.bytes),
    self.views > 1 and ("epochs from %d on"):format(self.views + 1) or "later epochs")
end

--- A value to be closed when the graph is traced: where numbers made of the batch x are asked for on the way
-- (by :item(), by statistics that a forward moves), they are those of another batch later, and nothing is kept.
-- `stray` is true then.
function trunk:watch(x)
  self.stray = nil
  graph.watch(x)
  return setmetatable({}, {__close = function()
    if not graph.watch() then return end
    self:clear()
    self.stray, self.asked = true, true
  end})
end

--- What is kept of a view of all samples as a table, for another trunk over the same samples under the same frozen
-- modules: {names, bytes, like (a tensor), y, values …}; nil where not all is there.
function trunk:given()
  if self.why or not self:full(0) then return nil end
  local shelf = self.shelves[0]
  local out = {names = self.names, bytes = self.bytes, like = self.like, y = shelf.y, values = {}}
  for i, v in ipairs(shelf) do out.values[i] = v end
  return out
end

--- Takes over what given() gave.
function trunk:take(given)
  self:clear()
  self.names, self.bytes, self.like, self.way = given.names, given.bytes, given.like, nil
  local shelf = {have = {}, count = self.n, y = given.y, epochs = {0}}
  for i, v in ipairs(given.values) do shelf[i] = v end
  for place = 0, self.n - 1 do shelf.have[place] = true end
  self.shelves[0] = shelf
end

--- Drops what is kept.
function trunk:clear() self.shelves, self.names, self.why = {}, nil, nil end

return trunk
