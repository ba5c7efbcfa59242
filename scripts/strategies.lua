#!/usr/bin/env suture
-- Does strategy choose well? For each trial (a model, a data set, how many pictures of each class) all four cases are
-- trained by their recipes, and what strategy chooses without being told is compared with the best of them.
--   suture scripts/strategies.lua [--data DIR] [--seeds N] [--only PATTERN] [--epochs N]
-- DIR: with weights/resnet20-12fca82f.th, hymenoptera/ and cifar10/; without it the trials on drawn shapes only.
local o = {seeds = "1", data = os.getenv "SUTURE_SHARED" and os.getenv "SUTURE_SHARED" .. "/data"}
for i = 1, #arg, 2 do
  local name = arg[i]:match "^%-%-(%a+)$"
  if not name or not arg[i + 1] or not ({data = 1, seeds = 1, only = 1, epochs = 1})[name] then
    io.stderr:write("usage: suture scripts/strategies.lua [--data DIR] [--seeds N] [--only PATTERN] [--epochs N]\n")
    os.exit(2)
  end
  o[name] = arg[i + 1]
end
local CASES = {{false, true, "little similar"}, {false, false, "little different"}, {true, true, "much similar"},
  {true, false, "much different"}}

-- ---- trials: {name, model(), train(seed), val} ----
local trials = {}

local home = arg[0]:match "^(.*)/scripts/[^/]*$" or "."
local function shapes_model() return open(home .. "/examples/shapes-resnet20.safetensors") end
for _, domain in ipairs {"classes", "outline", "textured", "noisy"} do
  for _, n in ipairs {10, 40} do
    trials[#trials + 1] = {("shapes %s, %d a class"):format(domain, n), shapes_model,
      function(s) return data.shapes {domain = domain, n = n, seed = 10 + s} end,
      function() return data.shapes {domain = domain, n = 50, split = "val", seed = 3} end}
  end
end
if o.data then
  local norm = {mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}
  local function cifar_model() return open(o.data .. "/weights/resnet20-12fca82f.th") end
  local view = {resize = 36, crop = 32, mean = norm.mean, std = norm.std}
  trials[#trials + 1] = {"hymenoptera", cifar_model, function()
    return data.folder(o.data .. "/hymenoptera/train", {resize = 36, crop = 32, mean = norm.mean, std = norm.std,
      augment = {flip = true}})
  end, function() return data.folder(o.data .. "/hymenoptera/val", view) end}
  for _, n in ipairs {20, 100, 400} do
    local function part(s)
      local all = data.folder(o.data .. "/cifar10", norm)
      local train, val = all:split(0.8, {seed = 7})
      return train:take {per_class = n, seed = s}, val
    end
    trials[#trials + 1] = {("cifar10, %d a class"):format(n), cifar_model, part, function() return select(2, part(0)) end}
  end
end

local hits, all = 0, 0
print(("%-24s %8s %8s %8s %8s  %-17s %s"):format("trial", "lit sim", "lit dif", "much sim", "much dif", "chosen", "off"))
for _, t in ipairs(trials) do
  if not o.only or t[1]:find(o.only, 1, true) then
    local val = t[4]()
    local sums, chosen = {0, 0, 0, 0}, {}
    for s = 1, tonumber(o.seeds) do
      local train = t[3](s)
      seed(s)
      local own = strategy(t[2](), train)
      chosen[own.case] = (chosen[own.case] or 0) + 1
      for i, case in ipairs(CASES) do
        seed(s)
        -- what was chosen as it was measured; the others as they are where the case is said
        local plan = case[3] == own.case and own or
          strategy(t[2](), train, {similar = case[2], much = case[1] and 1 or 1000000})
        local m = plan:apply()
        local recipe = plan.options
        recipe.seed, recipe.quiet = s, true
        recipe.epochs = tonumber(o.epochs) or recipe.epochs
        fit(m, train, recipe)
        sums[i] = sums[i] + evaluate(m, val).acc
      end
    end
    local best, pick = 0, nil
    for i = 1, 4 do
      sums[i] = sums[i] / tonumber(o.seeds)
      best = math.max(best, sums[i])
    end
    for i, case in ipairs(CASES) do
      if not pick or (chosen[case[3]] or 0) > (chosen[CASES[pick][3]] or 0) then pick = i end
    end
    local off = best - sums[pick]
    all, hits = all + 1, hits + (off <= 0.01 + 1e-9 and 1 or 0)
    print(("%-24s %8.3f %8.3f %8.3f %8.3f  %-17s %.3f"):format(t[1], sums[1], sums[2], sums[3], sums[4],
      CASES[pick][3], off))
    io.stdout:flush()
  end
end
print(("within a point of the best of the four in %d of %d trials"):format(hits, all))
