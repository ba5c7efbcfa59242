--- Pictures in idx files, as MNIST and its kin are published.
local core = require "suture.core"
local fault = require "suture.base.fault"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"
local image = core.image

local idx = {}

--- The dataset in the folder `path`: the files train-images-idx3-ubyte, train-labels-idx1-ubyte and the t10k- ones, as
-- they are or with .gz. name: of the reader, without "data."; classes: ten names; usual: what augment = true means;
-- opts: the user's.
function idx.open(name, path, opts, classes, usual)
  path = source.path("data." .. name, path)
  local where = ("data.%s %s"):format(name, source.quoted(path))
  local view, given = source.read(where, opts, usual, {split = true})
  local split = source.train_or_test(where, given)
  local prefix = split == "train" and "train" or "t10k"
  local function find(what, idx)
    local usual_name = ("%s/%s-%s-%s-ubyte"):format(path, prefix, what, idx)
    local unpacked = ("%s/%s-%s.%s-ubyte"):format(path, prefix, what, idx) -- as some archives name them
    for _, file in ipairs {usual_name, usual_name .. ".gz", unpacked, unpacked .. ".gz"} do
      if source.exists(file) then return file end
    end
    fault("%s: %s (or .gz) is missing", where, usual_name)
  end
  local samples = image.mnist(find("images", "idx3"), find("labels", "idx1"))
  if view.core.mean and #view.core.mean == 3 and not view.core.channels then view.core.channels = 3 end
  local from = source.samples(samples, name .. " " .. image.full(path) .. " " .. split, true)
  from.channels = 1 -- as they lie in the file
  from.opened = source.opened(name, image.full(path), given)
  return Dataset.new(where .. " " .. split, from, source.all(#samples), classes, view, usual)
end

return idx
