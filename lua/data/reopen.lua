--- Data sets that are read again, from what is written down of them.
local data = require "suture.data"
local Dataset = require "suture.data.dataset"
local reopen = {}

local function copy(v)
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = copy(x) end
  return out
end

--- reopen.recipe(ds): what it takes to read ds again, a table of plain values; nil where nobody can: it was made of
-- tensors, or by functions.
function reopen.recipe(ds)
  local opened = ds.source.opened
  if not opened then return nil end
  local out = copy(opened)
  out.view, out.n = ds.view and copy(ds.view.say), #ds
  for place, sample in ipairs(ds.index) do
    if sample ~= place - 1 or #ds ~= #ds.source.whole then out.index = copy(ds.index) break end
  end
  return out
end

--- reopen.open(recipe): the data set.
function reopen.open(recipe)
  local opts = copy(recipe.opts)
  for k, v in pairs(recipe.view or {}) do opts[k] = copy(v) end
  local read = data[recipe.reader]
  local ds = recipe.path and read(recipe.path, opts) or not recipe.path and read(opts)
  if recipe.align then ds = ds:align(recipe.align) end
  if not recipe.index then return ds end
  return Dataset.new(ds.where, ds.source, recipe.index, ds.classes, ds.view, ds.usual)
end

return reopen
