-- Sweeps: what is tried, that trials are the same side by side and after a crash, that they share the frozen trunk.
local suture = require "suture"
suture.history(true)
local nn, data = suture.nn, suture.data
local kit = require "kit"
local fails, near = kit.fails, kit.near
local folder = kit.temp_folder()
teardown(function() kit.run("rm -rf " .. folder) end)

local train, val = kit.shapes("source", 3), kit.shapes("source", 2, "val")

local function net()
  suture.seed(3)
  return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    nn.Dropout(0.3), nn.Linear(4, 8))
end

local function recipe(more)
  local r = {model = net(), train = train, val = val, epochs = 3, batch = 8}
  for k, v in pairs(more or {}) do r[k] = v end
  return r
end

local function figures(s)
  local out = {}
  for _, one in ipairs(s) do out[one.number] = {one.val_loss, one.val_acc, one.epochs} end
  return out
end

describe("a sweep", function()
  it("tries all combinations, and its best model is what it says", function()
    local m = net()
    local before = kit.copies(m)
    local s = suture.sweep(recipe {model = m}, {lr = {0.3, 0.01}, freeze = {{"0", "1"}, false}}, {quiet = true})
    assert.equal(4, #s)
    assert.is_nil(kit.first_difference(before, kit.copies(m)))
    for i = 2, 4 do
      assert.is_true(s[i - 1].val_acc > s[i].val_acc or s[i - 1].val_acc == s[i].val_acc and
        s[i - 1].val_loss <= s[i].val_loss)
    end
    local r = suture.evaluate(s:model(), val)
    near(s.best.val_acc, r.acc)
    near(s.best.val_loss, r.loss, 1e-4)
    local text = tostring(s)
    for _, word in ipairs {"trial", "freeze", "lr", "val acc", "epochs"} do
      assert.is_truthy(text:find(word, 1, true), word)
    end
    assert.is_true(#suture.plot(s).panels >= 2)
    local alone = net() -- what a trial is: fit with these options
    alone:freeze("0", "1")
    suture.seed(0)
    local want = suture.fit(alone, train, {val = val, epochs = 3, batch = 8, lr = 0.3, seed = 0, best = "acc",
      quiet = true})
    near(want.history[want.best_epoch].val_loss, figures(s)[1][1], 1e-4)
  end)

  it("computes the frozen trunk once for all trials that freeze the same", function()
    local function reads_of(n) -- samples that are read
      local reads = 0
      local ds = data.dataset {n = 12, labels = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, get = function(i)
        reads = reads + 1
        return suture.full({3, 8, 8}, i / 12), i % 2
      end}
      local lrs = {}
      for i = 1, n do lrs[i] = i / 100 end
      local small = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 2))
      small:freeze "0"
      suture.sweep({model = small, train = ds, epochs = 3}, {lr = lrs}, {quiet = true})
      return reads
    end
    local few, many = reads_of(1), reads_of(6)
    assert.is_true(many - few <= 5 * 2, ("%d samples were read for one trial, %d for six"):format(few, many))
  end)

  it("draws at random: the same for a seed, within the range", function()
    local space = {lr = {min = 1e-4, max = 1e-1, log = true}, batch = {min = 4, max = 8, whole = true},
      optimizer = {"sgd", "adam"}}
    local function drawn(seed)
      local s = suture.sweep(function(o) return o.lr end, space, {method = "random", trials = 30, seed = seed,
        quiet = true})
      local out = {}
      for _, one in ipairs(s) do out[one.number] = one.options end
      return out, s
    end
    local a, s = drawn(1)
    assert.same(a, (drawn(1)))
    assert.not_same(a, (drawn(2)))
    local low, kinds = 0, {}
    for _, p in ipairs(a) do
      assert.is_true(p.lr >= 1e-4 and p.lr <= 1e-1 and math.type(p.batch) == "integer" and p.batch >= 4 and p.batch <= 8)
      low, kinds[p.optimizer] = low + (p.lr < 10 ^ -2.5 and 1 or 0), true
    end
    assert.is_true(low > 5 and low < 25 and kinds.sgd and kinds.adam)
    for i = 2, 30 do assert.is_true(s[i - 1].score >= s[i].score) end
  end)

  it("halves: few train on, from where they were", function()
    local s = suture.sweep(recipe {epochs = 4, schedule = "cosine"}, {lr = {0.3, 0.1, 0.03, 1e-6}},
      {method = "halving", factor = 2, quiet = true})
    local epochs = {}
    for _, one in ipairs(s) do epochs[#epochs + 1] = one.epochs end
    assert.same({4, 2, 1, 1}, epochs)
    local k = s[1].number
    local m = net()
    suture.seed(0)
    local r = suture.fit(m, train, {val = val, epochs = 4, batch = 8, schedule = "cosine", seed = 0, quiet = true,
      lr = s[1].options.lr, best = "acc"})
    near(r.history[r.best_epoch].val_loss, figures(s)[k][1], 1e-6)
  end)

  it("gives the same in processes side by side, and goes on after a crash", function()
    local space = {lr = {0.3, 0.01, 0.001}, freeze = {"0", false}}
    local want = figures(suture.sweep(recipe(), space, {quiet = true}))
    local run = folder .. "/side"
    local s = suture.sweep(recipe(), space, {quiet = true, jobs = 2, run = run})
    for k, one in ipairs(figures(s)) do near(want[k][1], one[1], 1e-6) end
    -- as if a crash had come: some trials are lost, one is half-way, claims are left
    kit.run(("rm -r %s/trial-002 %s/trial-005; mkdir -p %s/claims-all/2"):format(run, run, run))
    local stamp = assert(io.open(run .. "/trial-001/status.json")):read "a"
    for _, jobs in ipairs {1, 2} do
      local again = suture.sweep(recipe(), space, {quiet = true, jobs = jobs, run = run})
      for k, one in ipairs(figures(again)) do near(want[k][1], one[1], 1e-6) end
    end
    assert.equal(stamp, assert(io.open(run .. "/trial-001/status.json")):read "a") -- was not made again
    fails("is another sweep", suture.sweep, recipe(), {lr = {0.5}}, {quiet = true, run = run})
    assert.equal(6, #suture.runs(run))
  end)

  it("goes on after kill -9 in the midst of it", function()
    local script, run = folder .. "/killed.lua", folder .. "/killed"
    kit.spill(script, ([[
      package.cpath, package.path = %q, %q
      local suture = require "suture"
      local kit = require "kit"
      local nn = suture.nn
      suture.seed(3)
      local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(4, 8))
      suture.sweep({model = m, train = kit.shapes("source", 3), val = kit.shapes("source", 2, "val"), epochs = 3, batch = 8},
        {lr = {0.3, 0.1, 0.03, 0.01, 0.003, 0.001}}, {quiet = true, run = arg[1]})
    ]]):format(package.cpath, package.path))
    os.execute(("lua5.4 %s %s 2>/dev/null & p=$!; sleep 0.7; kill -9 $p; wait $p 2>/dev/null"):format(script, run))
    local space = {lr = {0.3, 0.1, 0.03, 0.01, 0.003, 0.001}}
    local s = suture.sweep(recipe(), space, {quiet = true, run = run})
    local want = figures(suture.sweep(recipe(), space, {quiet = true}))
    for k, one in ipairs(figures(s)) do assert.equal(want[k][1], one[1]) end
  end)

  it("tells of trials that fail, and goes on", function()
    local s = suture.sweep(function(o)
      if o.x == 2 then error "two is too many" end
      return -o.x
    end, {x = {1, 2, 3}}, {quiet = true})
    assert.equal(1, s.best.options.x)
    assert.equal("failed", s[3].state)
    assert.is_truthy(tostring(s):find("two is too many", 1, true))
    fails("every trial failed", suture.sweep, function() error "no" end, {x = {1}}, {quiet = true})
    fails("the function returns what fit returns", suture.sweep, function() end, {x = {1}}, {quiet = true})
  end)

  it("takes in processes side by side what is here alone: a function's locals, tensors in memory", function()
    local here = 3
    local s = suture.sweep(function(o) return o.x * here end, {x = {1, 2}}, {jobs = 2, quiet = true})
    assert.same({6, 3}, {s[1].score, s[2].score})
    local ds = data.tensors(suture.rand(8, 3, 8, 8), suture.arange(8))
    local one = suture.sweep({model = net(), train = ds, epochs = 1}, {lr = {0.1, 0.01}}, {quiet = true})
    local two = suture.sweep({model = net(), train = ds, epochs = 1}, {lr = {0.1, 0.01}}, {quiet = true, jobs = 2})
    for i = 1, 2 do assert.equal(one[i].loss, two[i].loss) end
  end)

  it("refuses what makes no sense, by name", function()
    local r = recipe()
    fails("expects what to try", suture.sweep, r, {})
    fails("lr: a list of values is expected", suture.sweep, r, {lr = 0.1})
    fails("lr is a range", suture.sweep, r, {lr = {min = 1, max = 2}})
    fails("a range is {min", suture.sweep, r, {lr = {min = 2, max = 1}}, {method = "random"})
    fails("a range is {min", suture.sweep, r, {lr = {min = 0, max = 1, log = true}}, {method = "random"})
    fails("no option 'lrr'", suture.sweep, r, {lrr = {1}})
    fails("epochs is both in the recipe", suture.sweep, r, {epochs = {1}})
    fails("model cannot be tried", suture.sweep, r, {model = {"a"}})
    fails("value 1 is function", suture.sweep, r, {loss = {print}})
    fails("trials goes with", suture.sweep, r, {lr = {1}}, {trials = 3})
    fails("method expects", suture.sweep, r, {lr = {1}}, {method = "gird"})
    fails("expects a recipe", suture.sweep, 3, {lr = {1}})
    fails("sweep: model: expects a model", suture.sweep, {train = train}, {lr = {1}})
    fails("quiet is an option of the sweep", suture.sweep, recipe {quiet = true}, {lr = {1}})
  end)
end)
