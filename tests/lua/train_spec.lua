local suture = require "suture"
local nn, zoo, data, F = suture.nn, suture.zoo, suture.data, suture.F

local kit = require "kit"
local copies, equal, first_difference, shapes = kit.copies, kit.equal, kit.first_difference, kit.shapes

describe("fit", function()
  before_each(function() suture.seed(7) end)

  it("learns a small problem", function()
    local x, y = {}, {}
    for i = 1, 64 do
      local c = i % 2
      x[i], y[i] = {c == 0 and -1 - i / 64 or 1 + i / 64, i % 5}, c
    end
    local ds = data.tensors(suture.tensor(x), suture.tensor(y))
    local m = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    local r = suture.fit(m, ds, {epochs = 30, lr = 0.1, batch = 16, quiet = true})
    assert.equal(30, #r.history)
    assert.is_true(r.history[30].acc == 1)
    assert.equal(1, suture.evaluate(m, ds).acc)
  end)

  -- A model with an auxiliary head behind its first layer: logits of both in training.
  local function with_aux()
    local Two = nn.class "Two"
    function Two:init()
      self.first, self.norm, self.head, self.aux = nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2), nn.Linear(4, 2)
    end
    function Two:forward(x)
      x = self.first(x)
      if self:is_training() then return self.head(x), self.aux(self.norm(x)) end
      return self.head(x)
    end
    return Two(), data.tensors(suture.tensor {{1.5, 2}, {3, -1}, {0, 1}, {-1, -2}}, suture.tensor {0, 1, 1, 0})
  end

  it("trains auxiliary heads by their weight", function()
    local m, ds = with_aux()
    m.aux_weight = 0.5
    local x, y = ds:batch {0, 1, 2, 3}
    local before = copies(m)
    local main, aux = m(x)
    local loss = F.cross_entropy(main, y) + 0.5 * F.cross_entropy(aux, y)
    loss:backward()
    local grads = {}
    for name, p in m:named_parameters() do grads[name], p.grad = p.grad, nil end
    m:load_state_dict(before)
    local r = suture.fit(m, ds, {epochs = 1, batch = 4, lr = 0.1, momentum = 0, nesterov = false, quiet = true})
    assert.is_true(math.abs(r.history[1].loss - loss:item()) < 1e-6)
    for name, p in m:named_parameters() do assert.is_true(p:allclose(before[name] - 0.1 * grads[name], 1e-5, 1e-6), name) end
    m.aux = nn.Linear(4, 1)
    local ok, message = pcall(suture.fit, m, ds, {epochs = 1, quiet = true})
    assert.is_false(ok)
    assert.matches("auxiliary head 1", message)
    assert.equal(1, suture.fit(m:freeze("aux", "norm", "first"), ds, {epochs = 1, quiet = true}).history[1].epoch) -- nothing of it trains
  end)

  it("trains the first result alone of a model without aux_weight, and statistics on the other way move", function()
    local m, ds = with_aux()
    local before = copies(m)
    suture.fit(m, ds, {epochs = 1, batch = 4, quiet = true})
    local after = copies(m)
    assert.is_true(equal(before["aux.weight"], after["aux.weight"]))
    assert.is_false(equal(before["head.weight"], after["head.weight"]))
    assert.is_false(equal(before["norm.running_mean"], after["norm.running_mean"]))
  end)

  it("leaves frozen tensors and statistics unchanged to the bit, in train mode too", function()
    local m = zoo.cifar_resnet20()
    m:train()
    m:freeze()
    m.linear = nn.Linear(64, 8)
    local before = copies(m)
    suture.fit(m, shapes("source", 4), {epochs = 10, lr = 0.1, momentum = 0.9, weight_decay = 1e-2, batch = 8, quiet = true})
    local after = copies(m)
    for name in pairs(before) do
      assert.equal(not name:find "^linear", equal(before[name], after[name]), name)
    end
  end)

  it("freezes in the middle of training, momentum and all", function()
    local m = zoo.cifar_resnet20 {num_classes = 8}
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.05, momentum = 0.9, weight_decay = 1e-2})
    local x, y = shapes("source", 2):batch {0, 3, 6, 9}
    local function step()
      opt:zero_grad()
      F.cross_entropy(m(x), y):backward()
      opt:step()
    end
    step()
    m:freeze("layer1")
    local before = copies(m)
    step() step()
    local after = copies(m)
    for name in pairs(before) do
      if name:find "^layer1%." then assert.is_true(equal(before[name], after[name]), name) end
    end
    assert.is_false(equal(before["conv1.weight"], after["conv1.weight"]))
  end)

  it("gives the same numbers with and without the kept trunk", function()
    local function run(cache)
      suture.seed(5)
      local m = zoo.cifar_resnet20 {num_classes = 8}
      m:freeze()
      m.linear = nn.Linear(64, 8)
      local r = suture.fit(m, shapes("source", 6), {epochs = 4, batch = 8, lr = 0.05, seed = 1, cache = cache, quiet = true, val = shapes("source", 3, "val")})
      return {r.history[4].loss, r.history[4].val_loss}
    end
    local with, without = run(true), run(false)
    assert.near(without[1], with[1], 1e-5)
    assert.near(without[2], with[2], 1e-5)
  end)

  -- fit on `train` with a frozen trunk and a new head; the losses, the model, and how often each dataset was gone over.
  local function head_only(opts, train, val)
    suture.seed(5)
    local m = zoo.cifar_resnet20()
    m:freeze()
    m.linear = nn.Linear(64, 8)
    local passes = {0, 0}
    for i, ds in ipairs {train, val} do
      local go = ds._go -- what ds:batches does, too
      rawset(ds, "_go", function(...)
        passes[i] = passes[i] + 1
        return go(...)
      end)
    end
    local r = suture.fit(m, train, {val = val, epochs = opts.epochs, cache = opts.cache, lr = opts.lr or 0.05, batch = 8, seed = 1, quiet = true})
    local losses, val_losses = {}, {}
    for i, row in ipairs(r.history) do losses[i], val_losses[i] = row.loss, row.val_loss end
    return losses, val_losses, passes, m
  end
  local function augmented() return shapes("source", 6):with {augment = {flip = true, rotate = 30, jitter = 0.4}} end

  it("keeps K augmented views of each sample: the pictures that the first K epochs draw", function()
    local val = function() return shapes("source", 3, "val"):with {augment = true} end
    local drawn, drawn_val, passes, a = head_only({epochs = 3, cache = false}, augmented(), val())
    assert.same({3, 3}, passes)
    local kept, kept_val, passes_kept, b = head_only({epochs = 3, cache = 3}, augmented(), val())
    assert.same(drawn, kept)
    assert.same({3, 1}, passes_kept)
    for i = 1, 3 do assert.near(drawn_val[i], kept_val[i], 1e-5) end
    assert.is_nil(first_difference(copies(a), copies(b)))

    local long, _, passes_long = head_only({epochs = 7, cache = 2}, augmented(), val())
    assert.same({2, 1}, passes_long)
    assert.same({drawn[1], drawn[2]}, {long[1], long[2]})
    assert.same(long, (head_only({epochs = 7, cache = 2}, augmented(), val())))
    local still = head_only({epochs = 7, cache = 3, lr = 0}, augmented(), val()) -- nothing learns: a loss tells the view
    for e = 4, 7 do assert.near(still[e - 3], still[e], 1e-5) end
    assert.is_true(math.abs(still[1] - still[2]) > 1e-3 and math.abs(still[2] - still[3]) > 1e-3)
    local _, _, once = head_only({epochs = 4, cache = 3}, shapes("source", 2), val()) -- without augmentation one view is all
    assert.same({1, 1}, once)
  end)

  it("computes again what on_epoch thawed", function()
    local m = nn.Sequential(nn.Conv2d(3, 4, 3, {stride = 2}), nn.ReLU(), nn.Conv2d(4, 4, 3, {stride = 2}), nn.ReLU(), nn.Flatten(),
      nn.Linear(196, 8))
    m:freeze()
    m:unfreeze("5")
    local function on_epoch(row)
      if row.epoch == 2 then m:unfreeze("2") end
      if row.epoch == 4 then m:freeze("2") end
    end
    local r = suture.fit(m, shapes("source", 4), {val = shapes("source", 3, "val"), epochs = 6, batch = 8, lr = 0, quiet = true, on_epoch = on_epoch})
    for e = 2, 6 do
      assert.near(r.history[1].loss, r.history[e].loss, 1e-5)
      assert.near(r.history[1].val_loss, r.history[e].val_loss, 1e-5)
    end
  end)

  it("folds the BatchNorm of a frozen trunk while the model trains, and keeps nothing for backward before the frontier", function()
    local graph = require("suture.core").graph
    local m = zoo.cifar_resnet20 {num_classes = 8}
    m:freeze()
    m.linear = nn.Linear(64, 8)
    m:train()
    local x, y = shapes("source", 2):batch {0, 3, 6, 9}
    local loss = F.cross_entropy(m(x), y)
    local trunk = graph.frontier({loss}, x)
    local kept, whole = graph.cost(trunk), graph.cost({loss}, true)
    -- What is kept for backward is what the head alone keeps, and its input: the values at the frontier.
    local head = graph.cost({F.cross_entropy(m.linear(suture.randn(4, 64)), y)}, true)
    assert.equal(0, kept.saved)
    assert.equal(head.saved + kept.outputs, whole.saved)
    assert.equal(kept.steps + head.steps, whole.steps)
    assert.is_true(whole.arena <= math.max(kept.arena, head.arena) + kept.outputs)
    -- BatchNorm costs no step: the trunk runs as many as one without any.
    local bare, norms = zoo.cifar_resnet20 {num_classes = 8}, 0
    for path, part in bare:named_modules() do
      if getmetatable(part) == nn.BatchNorm2d then
        bare:replace(path, nn.Identity())
        norms = norms + 1
      end
    end
    bare:freeze()
    bare.linear = nn.Linear(64, 8)
    assert.equal(19, norms)
    assert.equal(graph.cost(graph.frontier({F.cross_entropy(bare(x), y)}, x)).steps, kept.steps)
    m:eval()
    assert.equal(kept.steps, graph.cost(graph.frontier({m(x)}, x)).steps)
  end)

  it("gives the same bits for the same seed at 1 and 2 threads", function()
    local function run(threads)
      suture.threads(threads)
      suture.seed(5)
      local m = zoo.cifar_resnet20 {num_classes = 8}
      suture.fit(m, shapes("source", 4), {epochs = 1, batch = 8, lr = 0.05, quiet = true})
      return copies(m)
    end
    local had = suture.threads()
    local one, two = run(1), run(2)
    suture.threads(had)
    assert.is_nil(first_difference(one, two))
  end)

  it("stops at a loss that is not finite and keeps the last good weights", function()
    local m = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8))
    local ok, err = pcall(suture.fit, m, shapes("source", 4), {epochs = 50, batch = 8, lr = 3e38, quiet = true})
    assert.is_false(ok)
    assert.matches("epoch %d+ step %d+", err)
    for _, p in m:named_parameters() do assert.is_true(p:abs():max():item() < math.huge) end
  end)

  it("has the weights and statistics it began with when the first step fails", function()
    local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    local x = suture.randn(4, 3, 8, 8)
    x[2] = suture.full({3, 8, 8}, 0 / 0)
    local before = copies(m)
    assert.error_matches(function()
      suture.fit(m, data.tensors(x, suture.tensor {0, 1, 0, 1}), {epochs = 1, batch = 4, quiet = true})
    end, "epoch 1 step 1")
    assert.is_nil(first_difference(before, copies(m)))
  end)

  it("leaves no trace in history and in the optimizer when it fails before a step", function()
    local m = zoo.cifar_resnet20 {num_classes = 3}
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.1})
    local length = #suture.history(true)
    assert.has_error(function() suture.fit(m, shapes("source", 1), {epochs = 2, optimizer = opt, schedule = function() return 0.5 end, quiet = true}) end)
    assert.equal(length, #suture.history())
    assert.equal(0.1, opt.param_groups[1].lr)
  end)

  it("runs until it converges and keeps the best weights", function()
    local m = zoo.cifar_resnet20 {num_classes = 8}
    m:freeze()
    m.linear = nn.Linear(64, 8)
    local val = shapes("source", 4, "val")
    local r = suture.fit(m, shapes("source", 6), {val = val, epochs = "converge", patience = 2, max_epochs = 12, batch = 8, lr = 0.1, quiet = true})
    local best = r.history[r.best_epoch]
    assert.near(best.val_loss, suture.evaluate(m, val).loss, 1e-4)
    assert.is_true(#r.history == 12 or r.converged)
  end)

  it("says what becomes of the frozen part, and nothing where nothing is frozen", function()
    local note = require "suture.base.note"
    local write, said = note.write, {}
    note.write = function(text) said[#said + 1] = text end
    local progress = require "suture.train.progress"
    local finish = progress.finish
    progress.finish = function() end
    local m = zoo.cifar_resnet20 {num_classes = 8}
    m.preprocess = {} -- pictures as they are, as the shapes come
    suture.fit(m, shapes("source", 1), {epochs = 1})
    assert.same({}, said)
    m:freeze()
    m.linear = nn.Linear(64, 8)
    suture.fit(m, shapes("source", 1), {epochs = 1})
    suture.fit(m, augmented(), {epochs = 1})
    suture.fit(m, augmented(), {epochs = 1, cache = 2})
    suture.fit(m, augmented(), {epochs = 1, cache = 2, cache_mb = 0.02})
    note.write, progress.finish = write, finish
    assert.matches("frozen up to adaptive_avg_pool2d: kept for 8 samples %(2%.05 KB%), later epochs", said[1])
    assert.matches("not kept.*augmentation is random.*cache = K keeps K views of each %(12%.3 KB a view%)", said[2])
    assert.matches("kept for 2 views of 48 samples %(24%.6 KB%), epochs from 3 on start there", said[3])
    assert.matches("24%.6 KB for 2 views of 48 samples at adaptive_avg_pool2d, the bound is 20%.0 KB: cache_mb = N raises it", said[4])
    assert.equal(4, #said)
  end)

  it("keeps a trunk of attention and layer normalisation, and learns from it what it would learn without", function()
    local Attention = nn.class "SomeAttention" -- samples stay apart through turns, products of matrices and softmax
    function Attention:init(c) self.norm, self.qkv = nn.LayerNorm(c), nn.Linear(c, 3 * c) end
    function Attention:forward(x)
      local n, l, c = table.unpack(x.shape)
      local y = self.qkv(self.norm(x)):reshape(n, l, 3, c)
      local q, k, v = y:select(2, 0), y:select(2, 1), y:select(2, 2)
      return x + q:matmul(k:transpose(1, 2)):softmax(2):matmul(v)
    end
    local histories = {}
    for i, cache in ipairs {true, false} do
      suture.seed(2)
      local m = nn.Sequential(nn.Conv2d(3, 6, 8, {stride = 8}), nn.LayerNorm2d(6), nn.Permute {0, 2, 3, 1}, nn.Flatten(1, 2), Attention(6),
        nn.Flatten(), nn.Linear(96, 8))
      m:freeze()
      m[6]:unfreeze()
      histories[i] = suture.fit(m, shapes("source", 4), {epochs = 3, batch = 8, lr = 0.1, cache = cache, quiet = true}).history
      assert.matches("frozen up to 4: kept", tostring(suture.plan(m, shapes("source", 4))))
    end
    for epoch = 1, 3 do assert.equal(histories[2][epoch].loss, histories[1][epoch].loss) end
  end)

  it("is taken back by undo", function()
    local m = zoo.cifar_resnet20 {num_classes = 8}
    local before = copies(m)
    suture.history(true)
    suture.fit(m, shapes("source", 2), {epochs = 1, batch = 8, quiet = true})
    local after = copies(m)
    suture.undo()
    assert.is_nil(first_difference(before, copies(m)))
    suture.redo()
    assert.is_nil(first_difference(after, copies(m)))
  end)

  it("refuses what does not fit, by name", function()
    local ds = shapes("source", 2)
    local m = zoo.cifar_resnet20 {num_classes = 8}
    assert.error_matches(function() suture.fit(m, ds, {epochz = 3}) end, "epochz")
    assert.error_matches(function() suture.fit(m, ds, {epochs = -1}) end, "epochs")
    assert.error_matches(function() suture.fit(m, ds, {optimizer = "sdg"}) end, "sdg")
    assert.error_matches(function() suture.fit(m, ds, {schedule = "cosin"}) end, "cosine")
    assert.error_matches(function() suture.fit(m, 3) end, "dataset")
    assert.error_matches(function() suture.fit(3, ds) end, "model")
    assert.error_matches(function() suture.fit(zoo.cifar_resnet20 {num_classes = 3}, ds) end, "8 classes.*head 3")
    m:freeze()
    assert.error_matches(function() suture.fit(m, ds) end, "nothing to train")
  end)
end)

describe("measuring", function()
  it("counts into a confusion matrix and predicts by name", function()
    suture.seed(1)
    local m, ds = zoo.cifar_resnet20 {num_classes = 8}, shapes("source", 3)
    local c = suture.confusion(m, ds)
    local sum = 0
    for i = 1, 8 do for j = 1, 8 do sum = sum + c.counts[i][j] end end
    assert.equal(24, sum)
    assert.near(suture.evaluate(m, ds).acc, c.acc, 1e-12)
    local p = suture.predict(m, (ds:batch {0}), 3)
    assert.equal(3, #p[1])
    assert.is_true(p[1][1].p >= p[1][2].p)
  end)

  it("leaves every module's mode as it was", function()
    local m = zoo.cifar_resnet20 {num_classes = 8}
    m:train()
    m.bn1:eval()
    suture.evaluate(m, shapes("source", 2))
    assert.is_true(m.layer1.training)
    assert.is_false(m.bn1.training)
  end)

  it("plans what is kept between epochs", function()
    local m = zoo.cifar_resnet20()
    m:freeze()
    m.linear = nn.Linear(64, 8)
    local ds = shapes("source", 4)
    assert.equal(2, suture.plan(m, ds).cached_from)
    local r = suture.plan(m, ds:with {augment = true})
    assert.is_nil(r.cached_from)
    assert.matches("cache = K keeps K views", tostring(r))
    r = suture.plan(m, ds:with {augment = true}, {cache = 4})
    assert.equal(5, r.cached_from)
    assert.is_true(r.cached_seconds < r.seconds)
    assert.matches("kept for 4 views of 32 samples .* epochs from 5 on start there", r.cache)
    assert.matches("from epoch 5 on", tostring(r))
  end)

  it("plans without changing the model", function()
    local m = zoo.cifar_resnet20 {num_classes = 8}
    local before = copies(m)
    local r = suture.plan(m, shapes("source", 4), {batch = 8})
    assert.is_true(r.seconds > 0 and r.memory > 0)
    assert.is_nil(r.cached_seconds)
    assert.is_nil(first_difference(before, copies(m)))
  end)
end)
