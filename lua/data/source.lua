--- What readers share: options, paths, and the sources that datasets draw from.
-- A source has: key (one string for what it holds), in_memory, noun ("image", "sample"); labels(index) → an array of
-- class indices or nil; one(ds, sample) → x, y, remarks; name(sample); loader(ds, order, set) → a function that gives
-- the next batch x, y, remarks, and a value to be closed; random, true where x may differ from time to time; augments,
-- where it draws at random by itself when set.augment says so; opaque, where a function of the user's stands between
-- the pictures and x; pictures, true where options of pictures may be given later; channels, 1 where its pictures are
-- grey; parts, the data sets it joins; label_names, of labels that may come together; content(sample) → a text equal
-- for equal contents (nil: nobody knows) and targets(index), the same of targets that are no classes; opened, how to
-- read it again (data/reopen.lua). Remarks about what was odd in files are an array of {kind =, text =}, or nil.
local base = require "suture.base.options"
local core = require "suture.core"
local fault = require "suture.base.fault"
local note = require "suture.base.note"
local options = require "suture.data.options"
local text = require "suture.base.text"
local tensor = require "suture.tensor"
local digest, image = core.digest, core.image

local source = {}

--- source.own(where, names): a reader's options beside those of pictures, as options.known has them.
function source.own(where, names)
  local all = {}
  for _, set in ipairs {options.picture, names} do
    for name, default in next, set do all[name] = default end
  end
  base.known(where, all)
  return names
end

--- The options of a reader, checked: those of pictures and `more` (a set). Returns the view and the options as given.
function source.read(where, opts, usual, more)
  opts = opts or {}
  local known = {}
  for k in pairs(options.picture) do known[k] = true end
  for k in pairs(more or {}) do known[k] = true end
  options.check(where, opts, known)
  return options.read(where, opts, usual), opts
end

--- 0 to n - 1.
function source.all(n)
  local index = {}
  for i = 1, n do index[i] = i - 1 end
  return index
end

--- Tells what was odd in files, each kind once for a key.
function source.tell(key, remarks)
  for _, r in ipairs(remarks or {}) do note.once(("%s odd %d"):format(key, r.kind), r.text) end
end

--- Tells, once, of pictures that found no room among those that are kept.
function source.tell_kept(ds, samples)
  local count, bytes, refused, limit = image.kept(samples)
  if refused == 0 then return end
  note.once("kept " .. ds.source.key, ("%s: %d of %d pictures are kept (%s, keep allows %s), the others are read " ..
    "each time"):format(ds.where, count, #samples, text.bytes(bytes), text.bytes(limit)))
end

--- "path" in quotes.
function source.quoted(path) return '"' .. path .. '"' end

--- The path that was given, or an error.
function source.path(where, path)
  if type(path) ~= "string" then fault("%s expects a path, got %s", where, options.shown(path)) end
  return path
end

--- Whether a file can be read.
function source.exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

--- The option split: "train" (default) or "test".
function source.train_or_test(where, opts)
  local split = opts.split or "train"
  if split ~= "train" and split ~= "test" then
    fault('%s: split is "train" or "test", got %s', where, options.shown(split))
  end
  return split
end

local HEAD = 64 << 10 -- bytes of a file that tell it from others

--- A source of the core's samples: pictures in files or in memory, decoded and transformed ahead on worker threads.
function source.samples(samples, key, in_memory)
  local self = {key = key, in_memory = in_memory, noun = "image"}
  function self.content(sample)
    if in_memory then return digest.tensor((image.get(samples, sample, {}))) end
    return digest.file(image.name(samples, sample), HEAD)
  end
  function self.labels(index) return image.labels(samples, index) end
  function self.name(sample) return image.name(samples, sample) end
  function self.one(ds, sample)
    local x, remarks = image.get(samples, sample, ds.view.core)
    return x, image.labels(samples, {sample})[1], remarks
  end
  function self.loader(ds, order, set)
    local loader = image.loader(samples, order, ds.view.core, set)
    local keep = ds.view.core.keep
    return function()
      local x, y, remarks = image.next(loader, samples)
      if not x and keep then source.tell_kept(ds, samples) end
      return x, y, remarks
    end, loader
  end
  return self
end

--- A loader: calls make(rows of the batch) for one batch of `order` after another.
function source.in_batches(order, set, make)
  local from = 1
  return function()
    local to = math.min(from + set.batch - 1, #order)
    if to < from or (set.drop_last and to - from + 1 < set.batch) then return nil end
    local rows = table.move(order, from, to, 1, {})
    from = to + 1
    return make(rows)
  end
end

--- How a reader can read the same again: its name, its path or nil, and its options but for those of pictures.
function source.opened(reader, path, opts)
  local own = {}
  for k, v in pairs(opts) do if not options.picture[k] then own[k] = v end end
  return {reader = reader, path = path, opts = own}
end

local sets = 0

--- A key that no other source has.
function source.unique(kind)
  sets = sets + 1
  return kind .. " " .. sets
end

-- The class indices in a list of numbers; nil where one is none.
local function classes_in(values)
  local out = {}
  for i, v in ipairs(values) do
    local k = math.tointeger(v)
    if not k or k < 0 then return nil end
    out[i] = k
  end
  return out
end

local function part_of(labels, index)
  if not labels then return nil end
  local some = {}
  for i, k in ipairs(index) do some[i] = labels[k + 1] end
  return some
end

--- A source of the rows of two tensors.
function source.tensors(x, y, key)
  local self = {key = key, in_memory = true, noun = "sample"}
  local labels = #y.shape == 1 and classes_in(y:tolist()) or nil
  if labels then y = y:long() end -- class indices, as losses take them
  function self.labels(index) return part_of(labels, index) end
  function self.content(sample) return digest.tensor(x[sample]) end
  function self.targets(index) return not labels and digest.tensor(image.gather(y, index)) or nil end
  function self.name(sample) return "row " .. sample end
  function self.one(_, sample) return x[sample], labels and labels[sample + 1] or y[sample] end
  function self.loader(_, order, set)
    return source.in_batches(order, set, function(rows) return image.gather(x, rows), image.gather(y, rows) end)
  end
  return self
end

local function shape_text(t) return "(" .. table.concat(t.shape, ", ") .. ")" end

--- One batch of the tensors that items gave, `name(i)` each; they must have one shape. where, what: for messages.
function source.stacked(where, what, list, name)
  for i, t in ipairs(list) do
    if t.shape ~= list[1].shape then
      fault("%s: %s of %s has shape %s, that of %s %s; those of a batch must have the same", where, what, name(i),
        shape_text(t), name(1),
        shape_text(list[1]))
    end
  end
  local batch = tensor.stack(list, 0)
  core.graph.eval {batch}
  return batch:detach()
end

--- Targets of a batch: class indices, numbers, or tensors.
function source.targets(where, list, name)
  if type(list[1]) ~= "userdata" then
    for i, v in ipairs(list) do
      if type(v) ~= "number" then fault("%s: the target of %s is %s, that of %s a number", where, name(i),
        options.shown(v), name(1)) end
    end
    return tensor.tensor(list)
  end
  for i, v in ipairs(list) do
    if type(v) ~= "userdata" then fault("%s: the target of %s is %s, that of %s a tensor", where, name(i),
      options.shown(v), name(1)) end
  end
  return source.stacked(where, "the target", list, name)
end

--- A source of what functions of the user give. items: n; get(i) → x, y; target(i) → y or nil; labels (an array) or
-- nil; name(i) or nil; random.
function source.items(where, items, key, view)
  if view and view.core.keep then
    fault("%s: keep is for pictures in files of the library's readers (data.folder, data.csv)", where)
  end
  local self = {key = key, in_memory = false, noun = "sample", random = items.random, pictures = true}
  local labels, looked = items.labels, items.labels ~= nil

  local function target(i)
    if items.labels then return items.labels[i + 1] end
    if items.target then return items.target(i) end
    return select(2, items.get(i))
  end

  -- What get gave for sample i as a tensor, through the view (a number seed: with its random part too).
  local function sample(view, i, seed, epoch)
    local x, y = items.get(i)
    if items.labels or items.target then y = target(i) end
    local path = type(x) == "string"
    if not path and not core.tensor.is(x) then
      fault("%s: get(%d) gave %s for x; a tensor or the path of a picture is expected", where, i, options.shown(x))
    end
    if type(y) ~= "number" and not core.tensor.is(y) then
      fault("%s: the target of sample %d is %s; a class index, a number or a tensor is expected", where, i,
        options.shown(y))
    end
    local remarks
    if path or view then x, remarks = image.preprocess(x, view and view.core or {}, 3, seed, epoch, i) end
    return x, y, remarks
  end

  function self.labels(index)
    if not looked then -- once, and no further than to the first that is no class
      looked = true
      local all = {}
      for i = 0, items.n - 1 do
        local y = target(i)
        if core.tensor.is(y) and y.dtype == "int64" and #y.shape == 0 then y = math.tointeger(y:item()) end
        if math.type(y) ~= "integer" or y < 0 then return nil end
        all[i + 1] = y
      end
      labels = all
    end
    return part_of(labels, index)
  end
  function self.name(i) return items.name and tostring(items.name(i)) or "sample " .. i end
  function self.one(ds, i) return sample(ds.view, i) end
  function self.loader(ds, order, set)
    return source.in_batches(order, set, function(rows)
      local xs, ys, remarks = {}, {}, nil
      for k, i in ipairs(rows) do
        local x, y, more = sample(ds.view, i, set.augment and set.seed or nil, set.epoch)
        xs[k], ys[k] = x:detach(), core.tensor.is(y) and y:detach() or y
        remarks = remarks or more
      end
      local function name(k) return self.name(rows[k]) end
      return source.stacked(where, "x", xs, name), source.targets(where, ys, name), remarks
    end)
  end
  return self
end

return source
