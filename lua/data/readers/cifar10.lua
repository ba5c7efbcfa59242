--- data.cifar10: CIFAR-10's published binary version.
local core = require "suture.core"
local fault = require "suture.base.fault"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"

local own = source.own("data.cifar10", {split = "train"})
local image = core.image

local cifar_classes = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

--- CIFAR-10 from its published binary version: `data.cifar10("cifar-10-batches-bin", {split = "test"})`.
-- The folder holds data_batch_1.bin … data_batch_5.bin, test_batch.bin and batches.meta.txt. `split` is "train"
-- (default) or "test". Other options: see `data`. `augment = true` means a flip and a random crop of the picture with 4
-- black pixels around.
local function cifar10(path, opts)
  path = source.path("data.cifar10", path)
  local where = "data.cifar10 " .. source.quoted(path)
  local usual = {flip = true, crop_pad = 4}
  local view, given = source.read(where, opts, usual, own)
  local split = source.train_or_test(where, given)
  if not source.exists(path .. "/test_batch.bin") and source.exists(path .. "/cifar-10-batches-bin/test_batch.bin") then
    path = path .. "/cifar-10-batches-bin"
  end
  local files = {}
  for i = 1, split == "train" and 5 or 1 do
    files[i] = split == "train" and ("%s/data_batch_%d.bin"):format(path, i) or path .. "/test_batch.bin"
    if not source.exists(files[i]) then
      fault("%s: %s is missing%s", where, files[i],
        source.exists(path .. "/test_batch") and " · this is the Python version; the binary version is needed"
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
  local from = source.samples(samples, "cifar10 " .. image.full(path) .. " " .. split, true)
  from.opened = source.opened("cifar10", image.full(path), given)
  return Dataset.new(where .. " " .. split, from, source.all(#samples), classes, view, usual)
end

return cifar10
