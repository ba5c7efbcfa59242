--- Data: labelled pictures and tensors, in batches.
-- Every constructor gives a dataset: `#ds`, `ds.classes`, `ds[i]`, `ds:batches(n)`, `ds:split(f)`, `ds:take(n)`,
-- `ds:shuffle(seed)`, `ds:with(opts)`. Those of pictures take the same options, all of them optional:
--
--   resize         n: the shorter side becomes n; {h, w}: exactly that (torchvision's Resize on PIL images)
--   crop           n or {h, w}: from the middle
--   size           n: resize = n and crop = n; {h, w}: resize to that
--   mean, std      one number, or one for each channel; values are in 0 … 1 before
--   interpolation  "bilinear" (default), "bicubic", "lanczos", "box", "nearest"
--   transform      a model: all of the above that belongs to its weights; what is also given explicitly wins
--   augment        true, or {flip = true or probability, random_crop = true, crop_pad = n, rotate = degrees,
--                  random_resized_crop = true or {scale = {lo, hi}, ratio = {lo, hi}},
--                  jitter = n or {brightness =, contrast =, saturation =, hue =}}
--   channels       1 (grey) or 3 (colour)
--   exif           false: leave photographs as they are stored (torchvision does); default: turn them upright
--   draft          true: a JPEG that resize will shrink to less than half is decoded at 1/2, 1/4 or 1/8 of its size, which
--                  takes less time and memory (12 megapixels: 43 ms in place of 69). Differs from the exact result, the
--                  default, by 0.4 of 255 on average. Pillow's Image.draft; not before random_resized_crop
--
-- Without resize, crop or size pictures keep their size, and those of a batch must have the same.
require "suture.tensor"
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local Dataset = require "suture.data.dataset"
local image = core.image

local data = {}

-- The checked options of a constructor: those of pictures and `more`.
local function read(where, opts, usual, more)
  opts = opts or {}
  local known = {}
  for k in pairs(options.picture) do known[k] = true end
  for k in pairs(more or {}) do known[k] = true end
  options.check(where, opts, known)
  return options.read(where, opts, usual), opts
end

local function all(n)
  local index = {}
  for i = 1, n do index[i] = i - 1 end
  return index
end

-- A source of the core's samples.
local function pictures(samples, key, in_memory)
  local source = {key = key, in_memory = in_memory}
  function source.labels(index) return image.labels(samples, index) end
  function source.name(sample) return image.name(samples, sample) end
  function source.one(ds, sample)
    return image.get(samples, sample, ds.view.core), image.labels(samples, {sample})[1]
  end
  function source.loader(ds, order, set)
    local loader = image.loader(samples, order, ds.view.core, set)
    return function() return image.next(loader) end, loader
  end
  return source
end

local function quoted(path) return '"' .. path .. '"' end

local function path_of(where, path)
  if type(path) ~= "string" then fault("%s expects a path, got %s", where, options.shown(path)) end
  return path
end

-- Names in a folder, sorted by bytes: folders, files. Hidden ones are passed over.
local function list(where, path)
  local entries, why = image.list(path)
  if not entries then fault("%s: cannot open the folder %s: %s", where, quoted(path), why) end
  local folders, files = {}, {}
  for _, e in ipairs(entries) do
    if e[1]:sub(1, 1) ~= "." and e[1] ~= "__MACOSX" then table.insert(e[2] == "folder" and folders or files, e[1]) end
  end
  table.sort(folders)
  table.sort(files)
  return folders, files
end

local kinds = {jpg = true, jpeg = true, png = true}
local function is_picture(name) return kinds[(name:match "%.(%w+)$" or ""):lower()] end

-- Adds to `found` the folder `path` and those inside it: {path =, the names of its pictures …}.
local function gather(where, path, found, depth)
  local folders, files = list(where, path)
  local here = {path = path}
  for _, name in ipairs(files) do
    if is_picture(name) then here[#here + 1] = name end
  end
  found[#found + 1] = here
  if depth > 16 then fault("%s: folders in %s are nested too deeply (a link to itself?)", where, quoted(path)) end
  for _, name in ipairs(folders) do gather(where, path .. "/" .. name, found, depth + 1) end
  return found
end

-- Adds the pictures in `path` and in folders inside it, in torchvision's order: by folder, then by name. Returns how many.
local function add_pictures(where, path, paths)
  local found, n = gather(where, path, {}, 0), 0
  table.sort(found, function(a, b) return a.path < b.path end)
  for _, folder in ipairs(found) do
    for _, name in ipairs(folder) do paths[#paths + 1] = folder.path .. "/" .. name end
    n = n + #folder
  end
  return n
end

local splits = {train = true, val = true, valid = true, validation = true, test = true}

--- Photographs in folders, one folder for each class: `data.folder("flowers/train", {transform = m})`.
-- PNG and JPEG files of any kind are read as colour; classes are the folders' names in alphabetical order. Options: see
-- `data`. `augment = true` means a random horizontal flip. Raises when the folder is missing, empty or has no classes.
function data.folder(path, opts)
  path = path_of("data.folder", path)
  local trimmed = path:match "^(.-)/+$"
  if trimmed and trimmed ~= "" then path = trimmed end
  local where = "data.folder " .. quoted(path)
  local view = read(where, opts, {flip = true})
  local folders, files = list(where, path)
  if #folders == 0 then
    local n = 0
    for _, name in ipairs(files) do n = n + (is_picture(name) and 1 or 0) end
    fault(n > 0 and ("%s has %s but no class folders; expected %s/CLASS/IMAGE.jpg"):format(where, n == 1 and "1 image" or n .. " images", path)
      or #files == 0 and where .. " is empty; expected one folder for each class"
      or where .. " has no class folders; expected one folder for each class, with PNG or JPEG files")
  end
  local paths, labels, all_splits, direct = {}, {}, true, 0
  for k, class in ipairs(folders) do
    local before = #paths
    local n = add_pictures(where, path .. "/" .. class, paths)
    if n == 0 then
      fault("%s: class folder '%s' has no PNG or JPEG files", where, class)
    end
    for i = before + 1, #paths do
      labels[i] = k - 1
      if not paths[i]:find("/", #path + #class + 3, true) then direct = direct + 1 end
    end
    all_splits = all_splits and splits[class:lower()]
  end
  if all_splits and direct == 0 then
    fault("%s holds %s, not classes · try data.folder(%s)", where, table.concat(folders, " and "),
      quoted(path .. "/" .. folders[1]))
  end
  local source = pictures(image.files(paths, labels), "folder " .. image.full(path), false)
  return Dataset.new(where, source, all(#paths), folders, view, {flip = true})
end

local function exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

local cifar_classes = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

-- train (default) or test, from the options.
local function train_or_test(where, opts)
  local split = opts.split or "train"
  if split ~= "train" and split ~= "test" then
    fault('%s: split is "train" or "test", got %s', where, options.shown(split))
  end
  return split
end

--- CIFAR-10 from its published binary version: `data.cifar10("cifar-10-batches-bin", {split = "test"})`.
-- The folder holds data_batch_1.bin … data_batch_5.bin, test_batch.bin and batches.meta.txt. `split` is "train" (default)
-- or "test". Other options: see `data`. `augment = true` means a flip and a random crop of the picture with 4 black pixels around.
function data.cifar10(path, opts)
  path = path_of("data.cifar10", path)
  local where = "data.cifar10 " .. quoted(path)
  local usual = {flip = true, crop_pad = 4}
  local view, given = read(where, opts, usual, {split = true})
  local split = train_or_test(where, given)
  if not exists(path .. "/test_batch.bin") and exists(path .. "/cifar-10-batches-bin/test_batch.bin") then
    path = path .. "/cifar-10-batches-bin"
  end
  local files = {}
  for i = 1, split == "train" and 5 or 1 do
    files[i] = split == "train" and ("%s/data_batch_%d.bin"):format(path, i) or path .. "/test_batch.bin"
    if not exists(files[i]) then
      fault("%s: %s is missing%s", where, files[i],
        exists(path .. "/test_batch") and " · this is the Python version; the binary version is needed"
        or " · unpack cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html")
    end
  end
  local classes, meta = {}, io.open(path .. "/batches.meta.txt")
  if meta then
    for line in meta:lines() do
      if line:match "%S" then classes[#classes + 1] = line:match "^%s*(.-)%s*$" end
    end
    meta:close()
  end
  if #classes ~= 10 then classes = {table.unpack(cifar_classes)} end
  local samples = image.cifar(files)
  local source = pictures(samples, "cifar10 " .. image.full(path) .. " " .. split, true)
  return Dataset.new(where .. " " .. split, source, all(#samples), classes, view, usual)
end

--- MNIST from its published files: `data.mnist("mnist", {split = "test"})`.
-- The folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the t10k- ones, as they are or with .gz. Pictures
-- have 1 channel; `channels = 3` repeats it. `split` is "train" (default) or "test". Other options: see `data`.
-- `augment = true` means a random crop of the picture with 2 black pixels around (a digit in a mirror is none).
function data.mnist(path, opts)
  path = path_of("data.mnist", path)
  local where = "data.mnist " .. quoted(path)
  local usual = {crop_pad = 2}
  local view, given = read(where, opts, usual, {split = true})
  local split = train_or_test(where, given)
  local prefix = split == "train" and "train" or "t10k"
  local function find(what, idx)
    local usual_name = ("%s/%s-%s-%s-ubyte"):format(path, prefix, what, idx)
    local unpacked = ("%s/%s-%s.%s-ubyte"):format(path, prefix, what, idx) -- as some archives name them
    for _, file in ipairs {usual_name, usual_name .. ".gz", unpacked, unpacked .. ".gz"} do
      if exists(file) then return file end
    end
    fault("%s: %s (or .gz) is missing", where, usual_name)
  end
  local samples = image.mnist(find("images", "idx3"), find("labels", "idx1"))
  local classes = {}
  for i = 0, 9 do classes[i + 1] = tostring(i) end
  if view.core.mean and #view.core.mean == 3 and not view.core.channels then view.core.channels = 3 end
  local source = pictures(samples, "mnist " .. image.full(path) .. " " .. split, true)
  return Dataset.new(where .. " " .. split, source, all(#samples), classes, view, usual)
end

local shape_splits = {train = 0, val = 1, test = 2}

--- Shapes drawn by the program, 8 classes: `data.shapes{domain = "outline", n = 20}`.
-- Domains: "source" (default; filled circles, crosses, hearts …), and targets for transfer: "classes" (other shapes),
-- "outline", "textured", "noisy". Options: `n` pictures of each class (default 100), `size` (drawn with so many pixels,
-- default 32), `seed` (default 0), `split` ("train", "val", "test": none shares a picture with another), and those of `data`.
-- The same options give the same pictures, on any machine.
function data.shapes(opts)
  local where = "data.shapes"
  local usual = {flip = true}
  local given, rest = opts or {}, {}
  if type(given) == "table" then
    for k, v in pairs(given) do
      if k ~= "size" then rest[k] = v end
    end
  else rest = given end
  local view = read(where, rest, usual, {domain = true, n = true, size = true, seed = true, split = true})
  local domain = given.domain or "source"
  if type(domain) ~= "string" then fault("%s: domain is a name, got %s", where, options.shown(domain)) end
  local classes, domains = image.shape_classes(domain)
  if not classes then
    fault("%s: unknown domain %s%s", where, options.shown(domain), options.meant(domain, domains))
  end
  local split = given.split or "train"
  if not shape_splits[split] then
    fault('%s: split is "train", "val" or "test", got %s', where, options.shown(split))
  end
  local n = options.whole(where, "n", given.n or 100, 1)
  local size = options.whole(where, "size", given.size or 32, 8)
  if size > 1024 or n * size * size > 3e8 then
    fault("%s: %d pictures of %d×%d a class are too many to hold in memory", where, n, size, size)
  end
  local seed = options.whole(where, "seed", given.seed or 0, 0)
  local samples = image.shapes(domain, n, size, seed, shape_splits[split])
  where = ('data.shapes "%s" %s'):format(domain, split)
  local source = pictures(samples, ("shapes %s %d %d %d %s"):format(domain, n, size, seed, split), true)
  return Dataset.new(where, source, all(#samples), classes, view, usual)
end

local tensor_sets = 0

--- A dataset of tensors: x with one row for each sample, y with one class index (or target) for each.
-- Option `classes`: names; without, classes are "0", "1", … when y holds class indices.
function data.tensors(x, y, opts)
  local where = "data.tensors"
  opts = opts or {}
  options.check(where, opts, {classes = true})
  local function check(name, t)
    if type(t) ~= "userdata" then fault("%s expects tensors x and y, got %s for %s", where, options.shown(t), name) end
  end
  check("x", x)
  check("y", y)
  local n, m = x.shape[1], y.shape[1]
  if not n or not m then fault(where .. ": x and y need a first dimension that counts the samples") end
  if n ~= m then fault("%s: x has %d rows but y has %d", where, n, m) end
  if n == 0 then fault(where .. ": x has no rows") end
  local labels, most = nil, -1
  if #y.shape == 1 then
    labels = {}
    for i, v in ipairs(y:tolist()) do
      local k = math.tointeger(v)
      if not k or k < 0 then labels = nil; break end
      labels[i], most = k, math.max(most, k)
    end
    if labels then y = y:long() end -- class indices, as losses take them
  end
  local classes = opts.classes or {}
  if type(classes) ~= "table" then fault("%s: classes is an array of names, got %s", where, options.shown(classes)) end
  if opts.classes and labels and most >= #classes then
    fault("%s: y holds class %d but there are %d names (classes count from 0)", where, most, #classes)
  end
  if not opts.classes and labels and most < 10000 then
    for k = 0, most do classes[k + 1] = tostring(k) end
  end
  tensor_sets = tensor_sets + 1
  local source = {key = "tensors " .. tensor_sets, in_memory = true, noun = "sample"}
  function source.labels(index)
    if not labels then return nil end
    local some = {}
    for i, k in ipairs(index) do some[i] = labels[k + 1] end
    return some
  end
  function source.name(sample) return "row " .. sample end
  function source.one(_, sample) return x[sample], labels and labels[sample + 1] or y[sample] end
  function source.loader(_, order, set)
    local from = 1
    return function()
      local to = math.min(from + set.batch - 1, #order)
      if to < from or (set.drop_last and to - from + 1 < set.batch) then return nil end
      local rows = table.move(order, from, to, 1, {})
      from = to + 1
      return image.gather(x, rows), image.gather(y, rows)
    end
  end
  return Dataset.new(where, source, all(n), classes)
end

return data
