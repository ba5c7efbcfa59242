--- data.shapes: pictures drawn by the program.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"

local own = source.own("data.shapes", {
  domain = "source", n = "100", size = "32", seed = "0", split = "train"})
local image = core.image

local shape_splits = {train = 0, val = 1, test = 2}

--- Shapes drawn by the program, 8 classes: `data.shapes{domain = "outline", n = 20}`.
-- Domains: "source" (default; filled circles, crosses, hearts …), and targets for transfer: "classes" (other shapes),
-- "outline", "textured", "noisy". Options: `n` pictures of each class (default 100), `size` (drawn with so many pixels,
-- default 32), `seed` (default 0), `split` ("train", "val", "test": none shares a picture with another), and those of
-- `data`. The same options give the same pictures, on any machine.
local function shapes(opts)
  local where = "data.shapes"
  local usual = {flip = true}
  local given, rest = opts or {}, {}
  if type(given) == "table" then
    for k, v in pairs(given) do
      if k ~= "size" then rest[k] = v end
    end
  else rest = given end
  local view = source.read(where, rest, usual, own)
  local domain = given.domain or own.domain
  if type(domain) ~= "string" then fault("%s: domain is a name, got %s", where, options.shown(domain)) end
  local classes, domains = image.shape_classes(domain)
  if not classes then
    fault("%s: unknown domain %s%s", where, options.shown(domain), options.meant(domain, domains))
  end
  local split = given.split or own.split
  if not shape_splits[split] then
    fault('%s: split is "train", "val" or "test", got %s', where, options.shown(split))
  end
  local n = options.whole(where, "n", given.n or tonumber(own.n), 1)
  local size = options.whole(where, "size", given.size or tonumber(own.size), 8)
  if size > 1024 or n * size * size > 3e8 then
    fault("%s: %d pictures of %d×%d a class are too many to hold in memory", where, n, size, size)
  end
  local seed = options.whole(where, "seed", given.seed or tonumber(own.seed), 0)
  local samples = image.shapes(domain, n, size, seed, shape_splits[split])
  where = ('data.shapes "%s" %s'):format(domain, split)
  local from = source.samples(samples, ("shapes %s %d %d %d %s"):format(domain, n, size, seed, split), true)
  from.opened = {reader = "shapes", opts = {domain = domain, n = n, size = size, seed = seed, split = split}}
  return Dataset.new(where, from, source.all(#samples), classes, view, usual)
end

return shapes
