--- data.dataset: a reader of one's own.
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local custom = require "suture.data.custom"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"

local fields = source.own("data.dataset", {
  n = true, get = true, target = true, labels = true, classes = true, name = true, key = true, random = true,
  where = true})

--- A dataset of what a function gives: `data.dataset{n = 100, get = function(i) return x, y end}`, i from 0 to n - 1.
-- Or of an object with methods, as PyTorch's Dataset: `data.dataset(object[, options])` calls object:len() (or
-- #object) and object:get(i), object:target(i) and object:name(i) where it has them, and reads object.classes,
-- object.labels, object.random; fit, evaluate, confusion and plan take such an object as it is.
-- x is a tensor, or the path of a picture; y a class index (a whole number), a number, or a tensor. Those of a batch
-- must have one shape. It has all that other datasets have: batches, split, take, shuffle, and fit, evaluate, plan.
--   n, get      how many samples there are; gives one
--   target      function(i) → y, for when y is known without x; or
--   labels      an array of all class indices. Without either get is asked for each y when classes are counted
--   classes     their names; default: "0", "1", …
--   name        function(i) → the name of sample i (a path, say)
--   random      true: get gives another x each time (then nothing frozen is kept between epochs)
--   key         a string that is equal for readers of the same samples; default: no other has it
--   where       the reader's name in messages; default "data.dataset"
-- Where x is a picture, a path or a tensor (1 or 3, H, W) of values from 0 to 1, the options of `data` are taken too
-- (resize, mean, transform, augment …), and tensors then go through 8 bits. A reader of one's own is a function that
-- returns data.dataset{…}.
local function dataset(opts, more)
  if custom.fits(opts) then
    local given = custom.table_of(opts)
    if more ~= nil and type(more) ~= "table" then fault("data.dataset expects options in a table, got %s",
      options.shown(more)) end
    for name, v in pairs(more or {}) do given[name] = v end
    opts = given
  end
  local where = type(opts) == "table" and type(opts.where) == "string" and opts.where or "data.dataset"
  if type(opts) ~= "table" or getmetatable(opts) then
    fault("%s expects {n = how many, get = function(i) return x, y end} or an object with methods len and get, got %s",
      where, options.shown(opts))
  end
  local view, given = source.read(where, opts, {flip = true}, fields)
  local n = options.whole(where, "n", given.n, 1)
  for field, kind in pairs {get = "function", target = "function", name = "function", labels = "table",
    classes = "table",
    random = "boolean", key = "string", where = "string"} do
    local v = given[field]
    if v ~= nil and type(v) ~= kind or v == nil and field == "get" then
      fault("%s: %s is a %s%s, got %s", where, field, kind, field == "get" and ", function(i) return x, y end" or "",
        options.shown(v))
    end
  end
  if given.labels and given.target then fault("%s: labels and target say the same; give one", where) end
  if given.labels then
    if #given.labels ~= n then fault("%s: labels has %d entries for n = %d samples", where, #given.labels, n) end
    for i, k in ipairs(given.labels) do options.whole(where, ("labels[%d]"):format(i), k, 0) end
  end
  local from = source.items(where, {n = n, get = given.get, target = given.target, labels = given.labels,
    name = given.name,
    random = given.random}, given.key and "dataset " .. given.key or source.unique "dataset",
    view)
  local classes = given.classes
  if classes then
    classes = Dataset.names(where, classes, given.labels)
  elseif given.labels then
    classes = Dataset.names(where, nil, given.labels)
  end
  return Dataset.new(where, from, source.all(n), classes, next(view.say) and view or nil, {flip = true})
end

return dataset
