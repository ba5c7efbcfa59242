-- Figures beyond accuracy, losses for several labels, a teacher, the samples of highest loss. Numbers against
-- scikit-learn's formulas: tests/parity/metrics.py.
local suture = require "suture"
suture.history(true)
local nn, F, data, tensor = suture.nn, suture.F, suture.data, suture.tensor
local kit = require "kit"
local fails, near = kit.fails, kit.near

local same = nn.Identity()

describe("evaluate with metrics", function()
  it("counts by hand what is counted by hand", function()
    local logits = tensor {{5, 0, 0}, {4, 0, 0}, {0, 3, 0}, {2, 1, 0}, {0, 0, 6}}:float()
    local ds = data.tensors(logits, tensor {0, 0, 1, 1, 1}, {classes = {"a", "b", "c"}})
    local r = suture.evaluate(same, ds, {metrics = true, topk = {1, 2}})
    near(3 / 5, r.acc)
    near(r.acc, r.top[1])
    near(4 / 5, r.top[2])
    assert.same({{2, 0, 0}, {1, 1, 1}, {0, 0, 0}}, r.confusion.counts)
    near({2 / 3, 1, 0.8}, {r.classes[1].precision, r.classes[1].recall, r.classes[1].f1})
    near({1, 1 / 3, 0.5}, {r.classes[2].precision, r.classes[2].recall, r.classes[2].f1})
    near(0, r.classes[3].precision) -- taken once, never right
    near((2 / 3 + 1) / 3, r.precision)
    near(1, r.classes[1].auc)
    assert.is_nil(r.classes[3].auc) -- there is none of it
    assert.is_truthy(tostring(r):find("top-2 0.8000", 1, true))
    assert.equal(2, suture.plot(r.confusion) and 2)
    fails("topk = 4: there are 3 classes", suture.evaluate, same, ds, {metrics = true, topk = 4})
  end)

  it("is calibrated where it is as sure as it is right", function()
    local p = tensor {{math.log(3), 0}}:expand(40, 2) -- 75 % sure of the first
    local right = {}
    for i = 1, 40 do right[i] = i <= 30 and 0 or 1 end
    near(0, suture.evaluate(same, data.tensors(p, tensor(right)), {metrics = true}).ece, 1e-6)
    for i = 1, 40 do right[i] = 1 end
    near(0.75, suture.evaluate(same, data.tensors(p, tensor(right)), {metrics = true}).ece, 1e-6)
  end)

  it("ends where a prediction is no number, and ranks nothing", function()
    local logits = tensor {{5, 0}, {-1, 1}, {0, 3}}:float()
    local Roots = nn.class "Roots"
    function Roots:forward(x) return x:sqrt() end -- of -1: nan
    local r = suture.evaluate(Roots(), data.tensors(logits, tensor {0, 0, 1}, {classes = {"a", "b"}}), {metrics = true})
    assert.is_nil(r.classes[1].auc)
    assert.is_nil(r.auc)
    assert.is_nil(tostring(r):find("-nan", 1, true))
    assert.is_truthy(tostring(r):find("loss nan", 1, true))
  end)

  it("knows labels that come together, and numbers", function()
    local y = tensor {{1, 0}, {1, 1}, {0, 1}}:float()
    local r = suture.evaluate(same, data.tensors((y * 2 - 1) * 3, y), {metrics = true, loss = "bce_with_logits"})
    assert.equal("labels", r.kind)
    near({1, 1, 1, 1}, {r.exact, r.micro_f1, r.auc, r.average_precision})
    assert.is_nil(r.acc)
    r = suture.evaluate(same, data.tensors(y + 0.5, y), {metrics = true, loss = "mse"})
    near({0.25, 0.5, 0.5}, {r.mse, r.rmse, r.mae})
    fails("topk goes with metrics", suture.evaluate, same, data.tensors(y, y), {topk = 3, loss = "mse"})
    fails("topk is a whole number", suture.evaluate, same, data.tensors(y, y), {topk = 0, metrics = true, loss = "mse"})
    fails("the loss gives no predictions", suture.evaluate, same, data.tensors(y, y),
      {metrics = true, loss = function(m, x, t) return F.mse_loss(m(x), t) end})
    fails("bins expects", suture.evaluate, same, data.tensors(y, y), {metrics = true, bins = 0, loss = "mse"})
  end)
end)

describe("losses", function()
  it("of labels, of numbers with outliers and of rare ones train", function()
    suture.seed(2)
    local x = suture.randn(60, 3)
    local y = x:gt(0.3):float()
    for _, loss in ipairs {"bce_with_logits", "sigmoid_focal", F.sigmoid_focal_loss, "huber", nn.HuberLoss {delta = 2}} do
      local m = nn.Linear(3, 3)
      local r = suture.fit(m, data.tensors(x, y), {loss = loss, epochs = 15, lr = 0.3, quiet = true})
      assert.is_true(r.history[15].loss < 0.8 * r.history[1].loss)
    end
    near(0, F.sigmoid_focal_loss(tensor {40.5}, suture.ones(1)):item())
    fails("the target", F.sigmoid_focal_loss, suture.zeros(2), suture.zeros(3))
    fails("delta expects a number above 0", F.huber_loss, x, x, {delta = 0})
  end)

  it("of a teacher: the student comes to say what it says", function()
    suture.seed(4)
    local x = suture.randn(64, 4)
    local teacher = nn.Linear(4, 3)
    teacher.weight:copy_(suture.randn(3, 4) * 3)
    local before = kit.copies(teacher)
    local wrong = {}
    for i = 1, 64 do wrong[i] = i % 3 end
    local ds = data.tensors(x, tensor(wrong))
    local m = nn.Sequential(nn.Linear(4, 3))
    suture.fit(m, ds, {teacher = teacher, teacher_weight = 1, temperature = 2, epochs = 60, lr = 0.5, quiet = true})
    local agree = m(x):argmax(1):eq(teacher(x):argmax(1)):sum():item()
    assert.is_true(agree >= 58, agree)
    assert.is_nil(kit.first_difference(before, kit.copies(teacher)))
    local small = nn.Linear(4, 2)
    fails("temperature goes with a teacher", suture.fit, m, ds, {temperature = 3})
    fails("teacher is the model that learns", suture.fit, m, ds, {teacher = m})
    fails("of the same samples and classes both are expected", suture.fit, m, ds, {teacher = small, quiet = true})
    fails("teacher_weight expects a number from 0 to 1", suture.fit, m, ds, {teacher = teacher, teacher_weight = 2})
  end)

  it("of a teacher are the same with the frozen trunk kept and without", function()
    local function run(cache)
      suture.seed(6)
      local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8))
      m:freeze "0"
      local teacher = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 8))
      local calls = 0
      teacher:register_forward_hook(function() calls = calls + 1 end)
      local r = suture.fit(m, kit.shapes("source", 2), {teacher = teacher, epochs = 3, batch = 8, seed = 1, quiet = true,
        cache = cache})
      return r.history[3].loss, calls
    end
    local with, few = run(true)
    local without, many = run(false)
    near(without, with, 1e-5)
    assert.equal(2, few) -- batches of one epoch
    assert.equal(6, many)
  end)
end)

describe("top_losses", function()
  it("finds what is wrong, and shows it", function()
    local x = suture.rand(6, 3, 5, 5)
    local m = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    m[2].weight:zero_()
    m[2].bias:copy_(tensor {3, 0})
    local ds = data.tensors(x, tensor {0, 0, 0, 1, 0, 0}, {classes = {"cat", "dog"}})
    local p = suture.top_losses(m, ds, 2)
    assert.equal(3, p[1].place)
    assert.equal("dog", p[1].class)
    assert.equal("cat", p[1].predicted)
    near(math.log(1 + math.exp(-3)) + 3, p[1].loss, 1e-5)
    assert.equal(2, #p.panels)
    assert.is_true(p.panels[1].image:allclose(x[3]))
    assert.is_true(suture.top_losses(m, ds, 1, {least = true})[1].loss < 0.1)
    local ys = suture.zeros(4, 2)
    local q = suture.top_losses(nn.Linear(3, 2), data.tensors(suture.randn(4, 3), ys), {loss = "mse"})
    assert.equal(4, #q)
    assert.is_true(q[1].loss >= q[2].loss)
    fails("a whole number above 0", suture.top_losses, m, ds, 0)
    fails("no option 'worst'", suture.top_losses, m, ds, 2, {worst = true})
  end)
end)
