--- data.tensors: tensors as a dataset.
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"

local own = source.own("data.tensors", {classes = "nil"})

--- A dataset of tensors: x with one row for each sample, y with one class index, from 0 (or target), for each.
-- Option `classes`: names; without, classes are "0", "1", … when y holds class indices. Where x holds pictures (N, 1 or
-- 3, H, W) of values from 0 to 1, the options of `data` are taken too, augment among them; the pictures then go through
-- 8 bits.
local function tensors(x, y, opts)
  local where = "data.tensors"
  local view, given = source.read(where, opts, {flip = true}, own)
  local function check(name, t)
    if type(t) ~= "userdata" then fault("%s expects tensors x and y, got %s for %s", where, options.shown(t), name) end
  end
  check("x", x)
  check("y", y)
  local n, m = x.shape[1], y.shape[1]
  if not n or not m then fault(where .. ": x and y need a first dimension that counts the samples") end
  if n ~= m then fault("%s: x has %d rows but y has %d (it is of shape %s)", where, n, m, tostring(y.shape)) end
  if n == 0 then fault(where .. ": x has no rows") end
  x, y = x:detach(), y:detach()
  local from = source.tensors(x, y, source.unique "tensors")
  if not next(view.say) then view = nil end
  if #x.shape == 4 and (x.shape[2] == 1 or x.shape[2] == 3) then
    local plain = from
    from = source.items(where, {n = n, get = function(i) return plain.one(nil, i) end,
      labels = plain.labels(source.all(n)),
      name = plain.name}, plain.key, view)
    local viewed = from.loader
    function from.loader(ds, ...) return (ds.view and viewed or plain.loader)(ds, ...) end
    from.in_memory = true
    from.channels = x.shape[2] == 1 and 1 or nil
  elseif view then
    fault("%s: options of pictures need x of shape (N, 1 or 3, H, W), got %s", where, tostring(x.shape))
  end
  return Dataset.new(where, from, source.all(n), Dataset.names(where, given.classes, from.labels(source.all(n))), view,
    {flip = true})
end

return tensors
