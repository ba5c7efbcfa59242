local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, zoo, data, F = suture.nn, suture.zoo, suture.data, suture.F

local kit = require "kit"
local copies, equal, first_difference, shapes = kit.copies, kit.equal, kit.first_difference, kit.shapes

describe("fit", function()
  before_each(function() suture.seed(7) end)

  it("names a part that is to train and never runs", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    local m = zoo.cifar_resnet20 {num_classes = 8}
    m:freeze()
    m.linear, m.fc = nn.Linear(64, 8), nn.Linear(64, 8)
    note.write = function(text) said[#said + 1] = text end
    local ok, why = pcall(suture.fit, m, shapes("source", 1), {epochs = 1, batch = 4})
    note.write = write
    assert.is_true(ok, why)
    assert.matches("no gradient reaches fc.weight, fc.bias, so nothing of it learns", table.concat(said, "\n"), 1, true)
    assert.is_nil(table.concat(said):find("linear.weight", 1, true))
  end)

  it("wants an optimizer that holds what trains", function()
    local m = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    local ds = data.tensors(suture.randn(8, 2), suture.tensor {0, 1, 0, 1, 0, 1, 0, 1})
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.1})
    m[2] = nn.Linear(3, 2)
    local ok, message = pcall(suture.fit, m, ds, {optimizer = opt, quiet = true})
    assert.is_false(ok)
    assert.matches("does not hold 2%.weight, 2%.bias of the model", message)
    assert.matches("opt:add_param_group{params = m%[2%]:parameters%(%)} adds them", message)
    assert.matches("holds 2 tensors that are not in the model, of shape %(4, 3%), %(4%)", message)
    opt:add_param_group {params = m[2]:parameters()}
    local before = copies(m)
    suture.fit(m, ds, {optimizer = opt, epochs = 2, quiet = true})
    assert.is_false(equal(before["2.weight"], m[2].weight))
    m[0].weight = nn.Parameter(suture.randn(3, 2))
    assert.error_matches(function() suture.fit(m, ds, {optimizer = opt, quiet = true}) end,
      "params = {m%[0%]%.weight}} adds it")
    m:freeze("0")
    suture.fit(m, ds, {optimizer = opt, epochs = 1, quiet = true})
    local other = suture.optim.SGD(nn.Linear(2, 2):parameters(), {lr = 0.1})
    m[2]:unfreeze()
    m:unfreeze()
    assert.error_matches(function() suture.fit(m, ds, {optimizer = other, quiet = true}) end,
      "params = m:parameters%(%)")
  end)

  it("takes every optimizer by its name, with its own options", function()
    local ds = data.tensors(suture.randn(8, 2), suture.tensor {0, 1, 0, 1, 0, 1, 0, 1})
    for name in pairs(suture.optim._kinds) do
      local m = nn.Linear(2, 2)
      local before = copies(m)
      suture.fit(m, ds, {optimizer = name, epochs = 1, quiet = true})
      assert.is_false(equal(before.weight, m.weight), name)
    end
    suture.fit(nn.Linear(2, 2), ds, {optimizer = "rmsprop", alpha = 0.9, centered = true, epochs = 1, quiet = true})
    assert.error_matches(function() suture.fit(nn.Linear(2, 2), ds, {alpha = 0.9}) end, "alpha is no option of sgd")
    assert.error_matches(function() suture.fit(nn.Linear(2, 2), ds, {lr = -1}) end, "lr expects a number, 0 or above")
  end)

  local function line_of(n) -- y = 3x - 1 with x from -1 to 1
    local x = suture.linspace(-1, 1, n):reshape(n, 1)
    return x, 3 * x - 1
  end

  it("lowers the loss that is asked for, on targets that are numbers", function()
    local x, y = line_of(32)
    local ds = data.tensors(x, y)
    local losses, F_mse = {}, F.mse_loss
    for i, loss in ipairs {F.mse_loss, "mse", "mse_loss", nn.MSELoss(), function(p, t) return F_mse(p, t) end,
      function(m, a, b) return F_mse(m(a), b) end} do
      suture.seed(4)
      local m = nn.Linear(1, 1)
      local r = suture.fit(m, ds, {loss = loss, val = ds, epochs = 40, lr = 0.1, batch = 8, seed = 1, quiet = true})
      losses[i] = r.history[40].loss
      assert.is_true(losses[i] < 1e-3)
      assert.is_nil(r.history[40].acc)
      assert.is_nil(r.history[40].val_acc)
      assert.matches("acc %-", tostring(r))
      local e = suture.evaluate(m, ds, {loss = loss})
      assert.near(F_mse(m(x), y):item(), e.loss, 1e-6)
      assert.near(e.loss, r.history[40].val_loss, 1e-6)
      assert.is_nil(e.acc)
      assert.matches("^acc %- %(32 samples%) · loss", tostring(e))
      assert.is_true(suture.plan(m, ds, {loss = loss}).seconds > 0)
      assert.equal(losses[1], losses[i])
    end
  end)

  it("says which losses there are where the targets are no classes", function()
    local x, y = line_of(8)
    local m, ds = nn.Linear(1, 1), data.tensors(x, y)
    for _, f in ipairs {suture.fit, suture.evaluate, suture.plan} do
      assert.error_matches(function() f(m, ds) end,
        "targets are float32 of shape %(N, 1%), not classes.*loss = F%.mse_loss.*function%(m, x, y%)")
    end
    assert.error_matches(function() suture.confusion(m, ds) end, "confusion: the targets are float32")
    assert.error_matches(function() suture.fit(m, ds, {loss = "msee"}) end, "no loss \"msee\".*did you mean")
    assert.error_matches(function() suture.fit(m, ds, {loss = F.relu}) end, "F%.relu")
    assert.error_matches(function() suture.fit(m, ds, {loss = 3}) end, "loss expects a name")
    assert.error_matches(function() suture.fit(m, ds, {loss = function(...) return ... end}) end,
      "names its parameters")
    assert.error_matches(function() suture.fit(m, ds, {loss = function(p, t) return (p - t):abs() end}) end,
      "of shape %(8, 1%).*:mean%(%)")
    assert.error_matches(function() suture.fit(m, ds, {loss = function() end}) end, "names its parameters")
    assert.error_matches(function() suture.fit(m, ds, {loss = "mse", label_smoothing = 0.1}) end,
      "label_smoothing belongs")
    local boxes = data.tensors(x, suture.randn(8, 4))
    assert.error_matches(function() suture.fit(nn.Linear(1, 4), boxes) end, "%(N, 4%), not classes nor probabilities")
    local wide = data.tensors(x, suture.randn(8))
    assert.error_matches(function() suture.fit(m, wide, {loss = "mse"}) end,
      "F.mse_loss compares number by number: the model gives %(8, 1%), the targets are float32 of shape %(N%)")
  end)

  it("takes soft targets, and whatever a loss of one's own makes of a teacher, with the trunk kept", function()
    local ds = shapes("source", 4)
    suture.seed(2)
    local teacher = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8)):freeze()
    teacher:eval()
    local runs = {}
    for i, cache in ipairs {true, false} do
      suture.seed(3)
      local m = zoo.cifar_resnet20()
      m:freeze()
      m.linear = nn.Linear(64, 8)
      local calls = 0
      local r = suture.fit(m, ds, {val = ds, epochs = 3, batch = 8, seed = 1, cache = cache, quiet = true,
        loss = function(net, x, y)
        calls = calls + 1
        local logits = net(x)
        return F.cross_entropy(logits, F.softmax(teacher(x), 1)) + F.cross_entropy(logits, y), logits
      end})
      runs[i] = r.history[3]
      assert.equal(3 * 4 + 3 * 4, calls)
    end
    assert.near(runs[2].loss, runs[1].loss, 1e-5)
    assert.near(runs[2].val_loss, runs[1].val_loss, 1e-5)
    assert.equal(runs[2].acc, runs[1].acc)
    local x = suture.randn(16, 4)
    local soft = data.tensors(x, F.softmax(suture.randn(16, 3), 1):detach())
    local m = nn.Linear(4, 3)
    local r = suture.fit(m, soft, {epochs = 2, quiet = true})
    assert.is_nil(r.history[2].acc)
    assert.near(F.cross_entropy(m(x), soft.source and select(2, soft:batch {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
      13, 14, 15})):item(),
      suture.evaluate(m, soft).loss, 1e-6)
  end)

  it("gives gradients to be reduced between backward and step, and tells of every step", function()
    local x, y = line_of(8)
    local ds, rows = data.tensors(x, y), {}
    suture.seed(1)
    local m = nn.Linear(1, 1)
    local before = copies(m)
    suture.fit(m, ds, {loss = "mse", epochs = 1, batch = 4, momentum = 0, lr = 0.1, quiet = true,
      reduce = function(t)
        assert.is_truthy(t.model == m and m.weight.grad)
        for p in m:parameters() do p.grad = suture.ones(p.shape) end
      end,
      on_step = function(row, t)
        assert.equal(row.steps, t.steps)
        rows[#rows + 1] = row
      end})
    assert.near(before.weight:item() - 0.2, m.weight:item(), 1e-6)
    assert.same({1, 2}, {rows[1].step, rows[2].step})
    assert.is_truthy(rows[1].loss and rows[1].lr == 0.1 and rows[1].epoch == 1)
    before = copies(m)
    assert.error_matches(function() suture.fit(m, ds, {loss = "mse", quiet = true,
      reduce = function() error "no peer" end}) end, "no peer")
    assert.is_nil(first_difference(before, copies(m)))
  end)
end)

describe("a trainer", function()
  local function make(opts)
    suture.seed(5)
    local m = zoo.cifar_resnet20 {num_classes = 8}
    opts.batch, opts.seed, opts.quiet, opts.optimizer = 8, 1, true, "adam"
    return suture.trainer(m, shapes("source", 3), opts), m
  end

  it("does by hand what fit does, step by step", function()
    local a, m = make {epochs = 2}
    a:run()
    local b, n = make {epochs = 2}
    n:train()
    for epoch = 1, 2 do
      local sum, count = 0, 0
      for x, y in b.data:batches(8, {shuffle = true, seed = 1, epoch = epoch}) do
        local loss, right = b:step(x, y)
        assert.is_true(right >= 0 and right <= 8)
        sum, count = sum + loss * 8, count + 8
      end
      assert.equal(a.history[epoch].loss, sum / count)
    end
    assert.same({6, 6}, {a.steps, b.steps})
    assert.is_nil(first_difference(copies(m), copies(n)))
    local c, o = make {epochs = 2}
    assert.equal(1, c:train_epoch().epoch)
    assert.equal(2, c:run().history[2].epoch)
    assert.is_nil(first_difference(copies(m), copies(o)))
  end)

  it("goes on from its state to the same bits", function()
    local opts = function() return {epochs = 4, schedule = "cosine", val = shapes("source", 2, "val"), best = true} end
    local a, m = make(opts())
    a:run()
    local b = make(opts())
    b:train_epoch()
    b:train_epoch()
    local sd = b:state_dict()
    b:train_epoch() -- sd is a copy
    suture.seed(99)
    local c, n = make(opts())
    c:load_state_dict(sd)
    assert.same({2, 6, 2}, {c.epoch, c.steps, #c.history})
    local r = c:run()
    assert.equal(4, #r.history)
    for e = 3, 4 do
      assert.equal(a.history[e].loss, r.history[e].loss)
      assert.equal(a.history[e].val_loss, r.history[e].val_loss)
    end
    assert.is_truthy(a.best.value <= c.best.value)
    assert.equal(0.001, c.optimizer.param_groups[1].lr)
    assert.is_truthy(m and n)
  end)

  it("shows its state and refuses what is none of it", function()
    local t, m = make {epochs = 1, val = shapes("source", 2, "val")}
    assert.matches("epoch 0 of 1, 0 steps.*Adam", tostring(t))
    local loss, acc = t:validate()
    assert.near(suture.evaluate(m, t.val).loss, loss, 1e-6)
    assert.is_true(acc >= 0)
    assert.error_matches(function() t.optimzer = 3 end, "did you mean optimizer")
    assert.error_matches(function() t.options.redce = print end, "did you mean reduce")
    assert.error_matches(function() t:step(3) end, "expects a batch")
    assert.error_matches(function() t:load_state_dict {} end, "state_dict%(%) of a trainer")
    assert.error_matches(function() suture.trainer(m, t.data, {epochz = 1}) end, "trainer: no option 'epochz'")
    t.options.reduce = function(self) assert.equal(t, self) end
    local before, length = copies(m), #suture.history()
    t:run()
    assert.equal(length + 1, #suture.history())
    suture.undo()
    assert.is_nil(first_difference(before, copies(m)))
  end)
end)
