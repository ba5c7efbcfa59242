--- Which architecture a file of tensors is of. A variant's fingerprint, the names and shapes of its parameters, is
-- compared with the file's. It is made by building the model without numbers, and kept; what is built first is what the
-- family's declared numbers of tensors and parameters make likely, so that it is nearly always the model that is
-- wanted.
local catalogue = require "suture.zoo.common.catalogue"
local fit = require "suture.zoo.common.fit"
local init = require "suture.nn.initialize"
local make = require "suture.zoo.common.make"
local options = require "suture.base.options"

-- How many of a model's parameters a file may lack or have in another shape, and how many tensors it may have that the
-- model has not, of n: a tenth (a head is lacking, or there is one more), in small networks two.
local function forgiven(n) return math.max(n / 10, math.min(2, n / 4)) end
-- Files whose number of tensors is beyond these parts of a variant's are none of it (older files lack a sixth of them:
-- counters).
local FEWEST, MOST = 0.75, 1.34

-- plan's name and options → {sizes = {parameter's name → shape}, n = (of those), buffers, spare}
local fingerprints = {}

-- The options that a file tells. → them, whether the shapes tell any of the family's own
local function told(family, spec, seen, given)
  local head, stem = family.head .. ".weight", family.stem .. ".weight"
  local opts, own = {}, false
  for k, v in pairs(family.settings and family.settings(given) or {}) do opts[k] = v end
  for k, v in pairs(make.told(family, spec, seen)) do opts[k], own = v, true end
  local outputs = seen:rank(head) == 2 or seen:rank(head) == 4 -- else the weight is no linear map's or convolution's
  local classes = outputs and seen:dim(head, 1) ~= 0 and seen:dim(head, 1) or seen:dim(family.head .. ".bias", 1)
  opts.num_classes = classes and classes > 0 and classes or nil
  local channels = seen:rank(stem) == 4 and seen:dim(stem, 2)
  opts.in_chans = channels and channels > 0 and channels or nil
  return opts, own
end

-- Variants that the file may be of, the likeliest first.
local function candidates(given)
  local list, tensors = {}, 0
  for _ in pairs(given) do tensors = tensors + 1 end
  for _, family in catalogue.families() do
    local seen = fit.shapes(family, given)
    local own = seen.list
    if own[family.stem .. ".weight"] or own[family.head .. ".weight"] then
      local outputs = seen:dim(family.head .. ".weight", 1)
      local head = seen:numel(family.head .. ".weight")
      local body = math.max(1, seen:total() - head)
      local features = outputs and outputs > 0 and head // outputs or 0
      for name, spec in pairs(family.variants) do
        local opts, other = told(family, spec, seen, given)
        local counted = (family.counted or {})[name]
        local ratio = counted and tensors / counted[2] or 1
        if other or ratio > FEWEST and ratio < MOST then
          local size = counted and math.max(1, counted[1] - family.classes * features) or body
          list[#list + 1] = {name = name, opts = opts, own = own, bare = not (spec.weights and spec.weights[1]),
            far = math.abs(math.log(ratio)) + math.abs(math.log(body / size))}
        end
      end
    end
  end
  table.sort(list, function(a, b)
    if a.far ~= b.far then return a.far < b.far end
    if a.bare ~= b.bare then return b.bare end
    return a.name < b.name
  end)
  return list
end

local function key_of(plan)
  local list = {}
  for k, v in pairs(plan.args) do list[#list + 1] = k .. "=" .. options.show(v) end
  table.sort(list)
  return plan.name .. " " .. table.concat(list, " ")
end

-- A plan's fingerprint, and the model where it had to be built for that.
local function fingerprint(plan)
  local key = key_of(plan)
  if fingerprints[key] then return fingerprints[key] end
  local m = init.skip(make.build, plan)
  local print = {sizes = {}, buffers = {}, spare = fit.spare(m), n = 0}
  for name, t in m:state_dict() do print.buffers[name] = t.shape end
  for name in m:named_parameters() do
    print.sizes[name], print.buffers[name], print.n = print.buffers[name], nil, print.n + 1
  end
  fingerprints[key] = print
  return print, m
end

local function numel(shape)
  local n = 1
  for _, d in ipairs(shape) do n = n * d end
  return n
end

-- Which part of a fingerprint's parameters and of the file's tensors (the lesser of both) is the other's, how many are,
-- and whether they are enough.
local function alike(print, own)
  local fits, theirs = 0, 0
  for name, shape in pairs(own) do
    local want = print.sizes[name]
    -- The same numbers in another shape can mostly be adapted (a linear map kept as a 1 × 1 convolution).
    if want and numel(want) == numel(shape) then fits = fits + 1 end
    if not print.buffers[name] and not print.spare[name:match "^[^.]*"] then theirs = theirs + 1 end
  end
  local most = math.max(1, print.n, theirs)
  return fits / most, fits, most - fits <= forgiven(most)
end

--- recognise(given[, path]): given: {name = shape}, by the file's own names. → the architecture's plan (see make.plan;
-- its args are what the file tells and what must be assumed), the options that the file tells, those that were assumed,
-- and the model where one was built; or nil and the nearest variant {name =, fits = (how many of its parameters the
-- file has), n = (of how many)}, nil where none is near.
return function(given, path)
  local best, near
  for _, c in ipairs(candidates(given)) do
    local plan = make.plan(c.name, c.opts, path)
    local assumed = make.believe(plan, given)
    local print, m = fingerprint(plan)
    local share, fits, enough = alike(print, c.own)
    if enough and share > (best and best.share or 0) then
      best = {share = share, plan = plan, opts = c.opts, assumed = assumed, model = m}
    end
    if share == 1 then break end
    if fits > (near and near.fits or 0) then near = {name = c.name, fits = fits, n = print.n} end
  end
  if not best then return nil, near end
  return best.plan, best.opts, best.assumed, best.model
end
