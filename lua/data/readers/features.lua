--- data.features: what features(m, ds, {save = "bees.safetensors"}) wrote.
local checkpoint = require "suture.model.checkpoint"
local core = require "suture.core"
local fault = require "suture.base.fault"
local made = require "suture.data.features"
local options = require "suture.data.options"
local source = require "suture.data.source"

--- Features as a data set: `data.features("bees.safetensors")`, a file that features(m, ds, {save =}) wrote: x what the
-- model made of each sample, y, classes and names those of the samples. A table of your own with tensors x and y, saved
-- by save(), is read too.
local function features(path, opts)
  path = source.path("data.features", path)
  local where = "data.features " .. source.quoted(path)
  options.check(where, opts or {}, {})
  local held = checkpoint.open(path, {state = "all"})
  local is = core.tensor.is
  if type(held) ~= "table" or not is(held.x) or not is(held.y) or #held.x.shape == 0 or #held.y.shape == 0 or
    held.x.shape[1] ~= held.y.shape[1] then
    fault("%s: it holds no features: tensors x and y with a row for each sample", where)
  end
  local function list(name)
    local out = {}
    for i, v in ipairs(type(held[name]) == "table" and held[name] or {}) do out[i] = v end
    return #out > 0 and out or nil
  end
  local ds = made(where, {x = held.x, y = held.y, names = list "names", classes = list "classes",
    label_names = list "label_names"})
  ds.source.opened = source.opened("features", core.image.full(path), {})
  return ds
end

return features
