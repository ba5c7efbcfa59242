-- What fit takes besides: schedules, accumulation, weights of classes, mixing, averages, rates by name. The numbers are
-- compared with PyTorch's in tests/parity/recipes.py; here is what they may not do, and how they go on.
local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, data, optim = suture.nn, suture.data, suture.optim
local kit = require "kit"
local copies, equal, fails, first_difference = kit.copies, kit.equal, kit.fails, kit.first_difference

local function net()
  suture.seed(4)
  return nn.Sequential(nn.Conv2d(3, 6, 3, {stride = 2}), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(150, 4))
end

local function points(n)
  suture.seed(9)
  local y = suture.arange(n) % 4
  return data.tensors(suture.randn(n, 3, 12, 12) + 0.3 * y:reshape(n, 1, 1, 1), y:long(),
    {classes = {"ants", "bees", "cats", "dogs"}})
end
local ds, val = points(40), points(20)

local function run(o, m)
  m = m or net()
  local all = {epochs = 4, batch = 8, lr = 0.05, seed = 1, quiet = true, val = val}
  for k, v in pairs(o) do all[k] = v end
  return suture.fit(m, ds, all), m
end

local function losses(r)
  local out = {}
  for i, row in ipairs(r.history) do out[i] = row.loss end
  return out
end

describe("fit's recipes", function()
  it("take schedules by name, and tell the rate of each epoch", function()
    local function rates(o)
      local out = {}
      for i, row in ipairs(run(o).history) do out[i] = row.lr end
      return out
    end
    kit.near({0.05, 0.025, 0.0125, 0.00625}, rates {schedule = {"exponential", gamma = 0.5}})
    kit.near({0.05, 0.05, 0.005, 0.005}, rates {schedule = {"multistep", milestones = {2}}})
    local steps = {}
    run {schedule = {"linear", by = "step", start_factor = 0.1, total_iters = 10}, on_step = function(row)
      steps[row.steps] = row.lr
    end}
    kit.near(0.005, steps[1])
    kit.near(0.05, steps[20])
    assert.is_true(steps[5] > steps[4] and steps[4] > steps[1])
    local m = net()
    local opt = optim.SGD(m:parameters(), {lr = 0.1})
    local r = suture.fit(m, ds, {epochs = 4, batch = 8, quiet = true, optimizer = opt,
      schedule = optim.lr_scheduler.StepLR(opt, 2)})
    kit.near({0.1, 0.1, 0.01, 0.01}, {r.history[1].lr, r.history[2].lr, r.history[3].lr, r.history[4].lr})
    kit.near(0.1, opt.param_groups[1].lr) -- as it was before
  end)

  it("refuse schedules that are none", function()
    fails("did you mean onecycle", run, {schedule = "onecycl"})
    fails("did you mean eta_min", run, {schedule = {"cosine", eta_mn = 1}})
    fails("gamma is no option", run, {schedule = "cosine", gamma = 0.5})
    fails("takes no warmup", run, {schedule = {"onecycle", warmup = 3}})
    fails("a warmup of 4 epochs leaves nothing of 4", run, {schedule = {"cosine", warmup = 4}})
    fails('by = "step" makes no sense', run, {schedule = {"plateau", by = "step"}})
    fails("no figure \"val_accuracy\"", run, {schedule = {"plateau", monitor = "val_accuracy"}})
    local other = optim.SGD(net():parameters(), {lr = 1})
    fails("of another optimizer", run, {schedule = optim.lr_scheduler.StepLR(other, 2)})
  end)

  it("make one step of several batches", function()
    local large = run {batch = 16, momentum = 0.5, val = nil}
    local small = run {batch = 4, accumulate = 4, momentum = 0.5, val = nil}
    local function frozen_norm()
      local m = net()
      m[1]:eval()
      m[1]:freeze()
      return m
    end
    local _, a = run({batch = 16, momentum = 0.5}, frozen_norm())
    local _, b = run({batch = 4, accumulate = 4, momentum = 0.5}, frozen_norm())
    for name, t in pairs(copies(a)) do assert.is_true(t:allclose(b:state_dict()[name], 1e-4, 1e-5), name) end
    assert.is_truthy(large.history[4].loss ~= small.history[4].loss) -- BatchNorm sees other batches
    local told = 0
    run {batch = 4, accumulate = 4, on_step = function(row)
      told = told + 1
      assert.equal(told, row.steps)
    end}
    assert.equal(4 * 3, told) -- ten batches: 4, 4 and 2
    fails("LBFGS asks for the loss several times", run, {optimizer = "lbfgs", accumulate = 2, lr = 1})
  end)

  it("weigh classes by name, by place and by their size", function()
    local a, b = run {class_weights = {ants = 2, dogs = 0.5}}, run {class_weights = {2, 1, 1, 0.5}}
    assert.same(losses(a), losses(b))
    assert.same(losses(run {}), losses(run {class_weights = "balanced"})) -- all are of one size
    fails("did you mean bees", run, {class_weights = {bee = 2}})
    fails("2 numbers for 4 classes", run, {class_weights = {1, 2}})
    fails("class_weights belong to the cross entropy", run, {class_weights = "balanced", loss = "mse"})
  end)

  it("mix pictures, and keep no trunk of what is mixed", function()
    local note = require "suture.base.note"
    local write, said = note.write, {}
    note.write = function(text) said[#said + 1] = text end
    local progress = require "suture.train.progress"
    local finish = progress.finish
    progress.finish = function() end
    local m = net()
    m:freeze("0", "1")
    local ok, why = pcall(suture.fit, m, ds, {epochs = 1, batch = 8, mixup = 0.4})
    note.write, progress.finish = write, finish
    assert.is_true(ok, why)
    assert.matches("not kept between epochs: mixup makes other pictures of each batch", table.concat(said, "\n"), 1, true)
    fails("cache = 2 keeps views of single pictures", run, {cutmix = 1, cache = 2})
    fails("mixup is the alpha", run, {mixup = -1})
    assert.same(losses(run {mixup = 0.4, cutmix = 1}), losses(run {mixup = 0.4, cutmix = 1}))
    assert.is_false(run {mixup = 1}.history[4].loss == run {cutmix = 1}.history[4].loss)
  end)

  it("average weights, and measure and keep the average", function()
    local r, m = run {ema = 0.8}
    kit.near(r.history[4].val_loss, suture.evaluate(m, val).loss, 1e-5)
    local best, b = run {ema = 0.8, best = true, epochs = 6}
    kit.near(best.history[best.best_epoch].val_loss, suture.evaluate(b, val).loss, 1e-5)
    local raw = run {}
    assert.is_false(raw.history[4].val_loss == r.history[4].val_loss)
    assert.equal(raw.history[4].loss, r.history[4].loss) -- what trains is not the average
    local before = copies(m)
    run({ema = 0.8}, m)
    suture.undo()
    assert.is_nil(first_difference(before, copies(m)))
    fails("swa averages epochs, best keeps one", run, {swa = true, best = true})
    fails("swa.start is epoch 9 of 4", run, {swa = {start = 9}})
    fails("swa and ema", run, {swa = true, ema = 0.9})
    fails("ema is the decay", run, {ema = 2})
  end)

  it("go on from a state to the same bits", function()
    for _, o in ipairs {{ema = 0.8}, {swa = {start = 2, lr = 0.02, anneal_epochs = 3}},
      {schedule = {"onecycle", max_lr = 0.1}}, {schedule = {"cosine", warmup = 1}}, {schedule = "plateau"},
      {mixup = 1, accumulate = 2}} do
      local function make()
        local all = {epochs = 4, batch = 8, lr = 0.05, seed = 1, quiet = true, val = val}
        for k, v in pairs(o) do all[k] = v end
        local m = net()
        return suture.trainer(m, ds, all), m
      end
      local a, whole = make()
      a:run()
      local sd
      local b = make()
      b.options.on_epoch = function(row, t) if row.epoch == 2 then sd = t:state_dict() end end
      b:run()
      local c, m = make()
      suture.seed(77)
      c:load_state_dict(sd)
      c:run()
      assert.equal(a.history[4].loss, c.history[4].loss, next(o))
      assert.is_nil(first_difference(copies(whole), copies(m)))
    end
  end)

  it("take rates by the names of parameters", function()
    local m = net()
    local before = copies(m)
    run({lr = {0.05, ["0.*"] = 0, ["1"] = 0.01}, weight_decay = {["4.weight"] = 0.1}, momentum = 0}, m)
    assert.is_true(equal(before["0.weight"], m[0].weight))
    assert.is_false(equal(before["1.weight"], m[1].weight))
    local t = suture.trainer(net(), ds, {lr = {0.05, ["?.weight"] = 0.01, ["4.weight"] = 0.02}, quiet = true})
    local rates = {}
    for _, g in ipairs(t.optimizer.param_groups) do rates[g.lr] = #g.params end
    assert.same({[0.05] = 3, [0.01] = 2, [0.02] = 1}, rates)
    local d = suture.trainer(net(), ds, {weight_decay = 0.1, no_decay = true, quiet = true})
    local decays = {}
    for _, g in ipairs(d.optimizer.param_groups) do decays[g.weight_decay] = #g.params end
    assert.same({[0.1] = 2, [0] = 4}, decays)
    fails('no parameter is called "9.*"', run, {lr = {0.1, ["9.*"] = 1}})
    fails("neither says more", run, {lr = {0.1, ["0.*"] = 1, ["*.weight"] = 2, ["*0.weigh?"] = 3}})
    fails("expects a number, 0 or above", run, {lr = {["0"] = -1}})
    fails("nothing decays", run, {no_decay = true})
    fails("rprop has no weight_decay", run, {optimizer = "rprop", no_decay = true})
  end)

  it("step with LBFGS, which a failure leaves as it was", function()
    local m = nn.Sequential(nn.Flatten(), nn.Linear(432, 4))
    local r = suture.fit(m, ds, {optimizer = "lbfgs", epochs = 3, batch = 40, quiet = true})
    assert.is_true(r.history[3].loss < 0.1)
    local opt = optim.LBFGS(m:parameters(), {})
    fails("expects a function that computes the loss", function() opt:step() end)
    fails("the loss is expected", function() opt:step(function() end) end)
    fails("takes one group", function() opt:add_param_group {params = nn.Linear(1, 1):parameters()} end)
    m = nn.Sequential(nn.Flatten(), nn.Linear(432, 4))
    local before, calls = copies(m), 0
    fails("stop here", suture.fit, m, ds, {optimizer = "lbfgs", epochs = 1, batch = 40, quiet = true, loss = function(net_, x, y)
      calls = calls + 1
      if calls == 3 then error "stop here" end
      return suture.F.cross_entropy(net_(x), y) * 3
    end})
    assert.is_nil(first_difference(before, copies(m)))
    local a, b = optim.LBFGS(m:parameters(), {max_iter = 2}), nil
    local x, y = ds:batch {0, 1, 2, 3, 4, 5, 6, 7}
    local function closure()
      m:zero_grad()
      local loss = suture.F.cross_entropy(m(x), y)
      loss:backward()
      return loss
    end
    a:step(closure)
    local sd, start = a:state_dict(), copies(m)
    a:step(closure)
    local want = copies(m)
    m:load_state_dict(start)
    b = optim.LBFGS(m:parameters(), {max_iter = 2})
    b:load_state_dict(sd)
    b:step(closure)
    assert.is_nil(first_difference(want, copies(m)))
  end)

  it("say which frozen tensor somebody has changed", function()
    local note = require "suture.base.note"
    local write, said = note.write, {}
    note.write = function(text) said[#said + 1] = text end
    local m = net()
    m:freeze("0", "1")
    local clean = run({}, m)
    local r = run({on_step = function(row, t)
      if row.steps == 3 then suture.no_grad(function() t.model[1].running_mean:add_(0.1) end) end
    end}, m)
    note.write = write
    assert.is_nil(clean.moved)
    assert.same({"1.running_mean"}, r.moved)
    assert.matches("frozen, and changed nevertheless: 1.running_mean", table.concat(said, "\n"), 1, true)
    local thawed = run({on_epoch = function(row, t) if row.epoch == 2 then t.model:unfreeze("0") end end}, m)
    assert.is_nil(thawed.moved)
  end)

  it("has the words of torch.optim.swa_utils", function()
    local U = optim.swa_utils
    local m = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    local a = U.AveragedModel(m)
    local first = m[1].weight:clone()
    a:update_parameters(m)
    suture.no_grad(function() m[1].weight:add_(1) end)
    a:update_parameters(m)
    assert.is_true(a.module[1].weight:allclose(first + 0.5))
    assert.equal(2, a.n_averaged:item())
    a.module:eval()
    local x = suture.tensor {{1.0, 2}, {3, 6}, {5, 1}, {7, 3}}
    U.update_bn({x[{"0:2"}], {x[{"2:4"}]}}, a.module)
    assert.is_true(a.module[0].running_mean:allclose(suture.tensor {4.0, 3}))
    assert.is_false(a.module[0].training)
    assert.equal(0, m[0].running_mean:abs():sum():item())
    kit.fails("it is of another model", a.update_parameters, a, nn.Linear(2, 1))
    kit.fails("expects a model, got 1", U.AveragedModel, 1)
    kit.fails("a batch is true, a tensor is expected", U.update_bn, {true}, a.module)
    kit.fails("the loader is an iterator", U.update_bn, 1, m)
  end)
end)
