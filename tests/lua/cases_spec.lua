-- The parts of a network, the rate to take, the four cases, and fine-tuning by stages.
local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, data, zoo = suture.nn, suture.data, suture.zoo
local kit = require "kit"
local copies, fails, first_difference, shapes = kit.copies, kit.fails, kit.first_difference, kit.shapes

local function small()
  suture.seed(4)
  local m = nn.Sequential(nn.Conv2d(3, 6, 3, {stride = 2}), nn.BatchNorm2d(6), nn.ReLU(),
    nn.Sequential(nn.Conv2d(6, 8, 3, {stride = 2}), nn.BatchNorm2d(8), nn.ReLU()), nn.AdaptiveAvgPool2d(1),
    nn.Flatten(), nn.Linear(8, 8))
  m.input_shape = {1, 3, 32, 32}
  return m
end

local function names(groups)
  local out = {}
  for i, g in ipairs(groups) do out[i] = g.name end
  return out
end

-- Modes, marks and numbers of a model, to be compared.
local function whole(m)
  local out = {}
  for path, sub in m:named_modules() do
    out[path] = ("%s %s %s"):format(rawget(sub, "_training"), rawget(sub, "_frozen"), rawget(sub, "_bn_eval"))
  end
  for name, p in m:named_parameters() do out[name] = tostring(p.requires_grad) end
  return out
end

describe("groups", function()
  it("are the parts in the order in which they run, each parameter in one", function()
    assert.same({"conv1, bn1", "layer1", "layer2", "layer3", "linear"}, names(zoo.cifar_resnet20():groups()))
    assert.same({"0, 1", "3", "6"}, names(small():groups()))
    for _, name in ipairs {"vgg11_bn", "vit_b_32", "mobilenet_v3_small", "densenet121", "squeezenet1_0"} do
      local m = nn.init.skip(zoo[name]) -- what its numbers are is nobody's business here
      local seen, n = {}, 0
      local groups = m:groups()
      for _, g in ipairs(groups) do
        for _, p in ipairs(g.parameters) do
          assert.is_nil(seen[p], name)
          seen[p], n = true, n + 1
        end
        for _, path in ipairs(g.paths) do assert.is_truthy(m:at(path), path) end
      end
      assert.equal(#m:parameters(), n, name)
      local head = groups[#groups]
      assert.equal((m:head()), head.paths[1], name)
      assert.is_true(#groups >= 4 and #groups <= 14, name)
    end
  end)

  it("follow what runs, not what is registered", function()
    local Turned = nn.class "TurnedNet"
    function Turned:init()
      self.last, self.unused, self.first = nn.Linear(4, 2), nn.Linear(2, 2), nn.Linear(3, 4)
    end
    function Turned:forward(x) return self.last(self.first(x)) end
    local m = Turned()
    assert.same({"first", "last"}, names(m:groups(suture.zeros(1, 3))))
    fails("groups", function() return m:groups() end)
    assert.same({"only"}, (function()
      local One = nn.class "OneNet"
      function One:init() self.only = nn.Linear(3, 2) end
      function One:forward(x) return self.only(x) end
      return names(One():groups(suture.zeros(1, 3)))
    end)())
  end)
end)

describe("lr_find", function()
  it("finds a rate and leaves no trace", function()
    local m, ds = small(), shapes("source", 10)
    m[0]:freeze()
    m:eval()
    local before, marks, length = copies(m), whole(m), #suture.history()
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.3, momentum = 0.9})
    local generator = require("suture.core").engine.seed()
    local r = suture.lr_find(m, ds, {batch = 16, steps = 40, start_lr = 1e-4, end_lr = 100, optimizer = opt, quiet = true})
    assert.is_nil(first_difference(before, copies(m)))
    assert.same(marks, whole(m))
    assert.equal(length, #suture.history())
    assert.equal(generator, require("suture.core").engine.seed())
    assert.equal(0.3, opt.param_groups[1].lr)
    assert.is_nil(next(opt:state_dict().state))
    for _, p in m:named_parameters() do assert.is_nil(p.grad) end
    assert.is_true(#r.lr >= 10 and #r.lr == #r.loss)
    kit.near(1e-4, r.lr[1])
    assert.is_true(r.suggestion == nil or r.suggestion > 1e-4 and r.suggestion < 100)
    assert.matches("loss over the rate", tostring(r))
    assert.is_truthy(suture.plot(r):tensor())
  end)

  it("ends where the loss breaks, and puts all back after an error", function()
    local m, ds = small(), shapes("source", 4)
    local before = copies(m)
    local r = suture.lr_find(m, ds, {batch = 8, steps = 60, start_lr = 1, end_lr = 1e30, quiet = true})
    assert.is_true(#r.lr < 60)
    local calls = 0
    fails("stop here", suture.lr_find, m, ds, {batch = 8, quiet = true, loss = function(p, y)
      calls = calls + 1
      if calls == 4 then error "stop here" end
      return suture.F.cross_entropy(p, y)
    end})
    assert.is_nil(first_difference(before, copies(m)))
    fails("epochs is no option of it", suture.lr_find, m, ds, {epochs = 2})
    fails("end_lr", suture.lr_find, m, ds, {start_lr = 1, end_lr = 0.1})
  end)
end)

-- How many changes undo() would take back.
local function done()
  local n = 0
  for _, e in ipairs(suture.history()) do n = n + (e.undone and 0 or 1) end
  return n
end

describe("strategy", function()
  local function pretrained()
    return suture.open "examples/shapes-resnet20.safetensors"
  end

  it("says which of the four cases it is, and does it", function()
    local ds = shapes("textured", 3)
    for _, t in ipairs {{true, 100, "little similar"}, {false, 100, "little different"}, {true, 2, "much similar"},
      {false, 2, "much different"}} do
      local m = pretrained()
      local before, marks = copies(m), whole(m)
      local s = suture.strategy(m, ds, {similar = t[1], much = t[2]})
      assert.equal(t[3], s.case)
      assert.is_nil(first_difference(before, copies(m)))
      assert.same(marks, whole(m)) -- looking changes nothing
      local length = done()
      assert.equal(m, s:apply())
      fails("applied already", s.apply, s)
      local recipe = s.options
      recipe.epochs, recipe.quiet = 1, true
      local trained = 0
      for _, p in m:named_parameters() do if p.requires_grad then trained = trained + p:numel() end end
      assert.equal(t[2] == 2, trained > 200000)
      assert.equal(1, #suture.fit(m, ds, recipe).history)
      assert.matches(s.case, tostring(s))
      suture.undo(done() - length)
      assert.is_nil(first_difference(before, copies(m)))
      assert.same(marks, whole(m))
    end
  end)

  it("makes a head for other classes, and one at the cut that is saved with the model", function()
    local ds = data.shapes {domain = "classes", n = 3, seed = 3}:filter(function(s) return s[2] < 3 end)
    ds = data.tensors((ds:batch {0, 1, 2, 3, 4, 5, 6, 7, 8}), suture.tensor {0, 0, 0, 1, 1, 1, 2, 2, 2},
      {classes = {"x", "y", "z"}})
    local m = pretrained()
    suture.strategy(m, ds, {similar = true}):apply()
    assert.equal(3, m.linear.out_features)
    local n = pretrained()
    suture.strategy(n, ds, {similar = false}):apply()
    local x = ds:batch {0, 1}
    n:eval()
    assert.same({2, 3}, {table.unpack(n(x).shape)})
    local path = os.tmpname() .. ".safetensors"
    n:save(path)
    assert.is_true(n(x):equal(suture.open(path)(x)))
    os.remove(path)
  end)

  it("measures at what depth features stop helping", function()
    local m, ds = pretrained(), shapes("source", 6)
    local before, marks = copies(m), whole(m)
    local s = suture.strategy(m, ds, {folds = 2, trial = false})
    assert.is_nil(first_difference(before, copies(m)))
    assert.same(marks, whole(m))
    assert.is_true(#s.probes >= 8)
    assert.equal("little similar", s.case) -- the pictures it was trained on
    assert.is_true(s.probes[#s.probes].acc > s.probes[1].acc + 0.3)
    assert.is_true(s.sure >= 0.5 and s.sure <= 1)
    assert.matches("probe behind", tostring(s))
    assert.is_truthy(suture.plot(s):tensor())
    -- A network whose end gives nothing but zeros.
    local noise = pretrained()
    suture.no_grad(function() noise.layer3[2].bn2.bias:fill_(-1e4) end)
    local d = suture.strategy(noise, ds, {folds = 2, trial = false})
    assert.equal("little different", d.case)
    assert.is_true(d.sure > 0.9)
    assert.is_true(d.cut.path ~= "layer3.2")
  end)

  it("tries the cases on pictures held out, unless that takes long", function()
    local m, ds = small(), shapes("source", 3)
    local before, marks, length = copies(m), whole(m), #suture.history()
    local s = suture.strategy(m, ds, {folds = 2})
    assert.is_nil(first_difference(before, copies(m)))
    assert.same(marks, whole(m))
    assert.equal(length, #suture.history())
    assert.is_true(#s.tries == 3 or #s.tries == 4)
    local chosen
    for _, t in ipairs(s.tries) do
      assert.is_true(t.acc >= 0 and t.acc <= 1)
      if t.case == s.case then chosen = t end
    end
    assert.is_true(chosen.gain >= -0.005) -- none is right more often, but for less than matters
    for _, t in ipairs(s.tries) do
      assert.is_true(t.rounds >= 1 and t.gain <= 0)
      if t.case == "little similar" and t.gain >= -0.005 then assert.equal("little similar", s.case) end
    end
    assert.matches("tried ", tostring(s))
    assert.equal(s.case, (s.much and "much " or "little ") .. (s.similar and "similar" or "different"))
    assert.equal(0, select(2, tostring(suture.strategy(m, ds, {folds = 2, trial = false})):gsub("tried ", "")))
    local contest = require "suture.train.contest"
    local most = contest.most
    contest.most = 0
    local untried = suture.strategy(m, ds, {folds = 2})
    contest.most = most
    assert.is_nil(untried.tries)
    assert.matches("trial = true tries", tostring(untried))
    fails("trial = true finds the case, much says it", suture.strategy, m, ds, {trial = true, much = 3})
    fails("too few", suture.strategy, m, ds:take(5), {trial = true})
  end)

  it("tries again what is close, and leaves out what is far behind", function()
    local contest = require "suture.train.contest"
    suture.seed(1)
    local x = suture.randn(90, 4)
    local y = x:narrow(1, 0, 1):reshape(-1):gt(0):long()
    local ds = data.tensors(x, y, {classes = {"a", "b"}})
    local function way(lr) return {whole = true, make = function() end, options = {epochs = 8, batch = 15, lr = lr}} end
    local right = contest.run(nn.Linear(4, 2), ds, {way(0.5), way(1e-9), way(0.02), way(0.5)}, {seed = 0, batch = 64})
    assert.equal(1, #right[2])
    assert.is_true(#right[1] == #right[4] and #right[1] > 1 and #right[3] <= #right[1])
    assert.same(right[1], right[4])
    for _, one in ipairs(right) do for _, round in ipairs(one) do assert.equal(90, #round) end end
    local gain, error = contest.gain(right[1], right[2])
    assert.is_true(gain > 2 * error and contest.acc(right[1]) > contest.acc(right[2]))
    -- What differs by nothing is not tried again.
    assert.equal(1, #contest.run(nn.Linear(4, 2), ds, {way(0.5), way(0.5)}, {seed = 0, batch = 64})[1])
  end)

  it("lets BatchNorm learn where its statistics do not fit", function()
    local probe = require "suture.train.probe"
    local m, ds = small(), shapes("source", 3)
    suture.seed(1)
    m:train()
    for _ = 1, 60 do suture.no_grad(function() m((ds:batch {0, 5, 10, 15, 20, 23})):sum():item() end) end
    m:eval()
    local near = probe.shift(m, ds, {batch = 7})
    assert.is_true(near >= 0 and near < 0.1)
    kit.near(near, probe.shift(m, ds, {batch = 24}))
    suture.no_grad(function() m[1].running_mean:fill_(5) end)
    assert.is_true(probe.shift(m, ds, {batch = 7}) > 0.5)
    local s = suture.strategy(m, ds, {folds = 2, trial = false})
    assert.is_true(s.shift > 0.5)
    assert.is_nil(probe.shift(nn.Sequential(nn.Flatten(), nn.Linear(3072, 8)), ds, {batch = 8}))
  end)

  it("refuses what it cannot judge", function()
    local m = pretrained()
    fails("the targets are no classes", suture.strategy, m, data.tensors(suture.randn(4, 3, 32, 32), suture.randn(4, 2)))
    fails("similar expects true or false", suture.strategy, m, shapes("source", 1), {similar = "yes"})
    fails("one layer", suture.strategy, nn.Sequential(nn.Flatten(), nn.Linear(3072, 8)), shapes("source", 1))
  end)
end)

describe("fine_tune", function()
  it("trains from the head to the stem, and is one step to undo", function()
    local m, ds = small(), shapes("source", 4)
    m:freeze("0")
    local before, marks, length = copies(m), whole(m), #suture.history()
    local seen = {}
    local r = suture.fine_tune(m, ds, {head_epochs = 2, each = 1, epochs = 2, batch = 8, lr = 0.1, decay = 4, quiet = true,
      on_epoch = function(_, t)
        local rates, n = {}, 0
        for _, g in ipairs(t.optimizer.param_groups) do
          for _, p in ipairs(g.params) do if p.requires_grad then rates[#rates + 1], n = g.lr, n + 1 end end
        end
        seen[#seen + 1] = n
      end})
    assert.same({2, 2, 6, 10, 10}, seen)
    assert.same({1, 2, 3, 4, 5}, (function()
      local out = {}
      for i, row in ipairs(r.history) do out[i] = row.epoch end
      return out
    end)())
    assert.equal(3, #r.stages)
    assert.same(marks, whole(m))
    assert.equal(length + 1, #suture.history())
    local after = copies(m)
    assert.is_nil(first_difference({m = before["1.running_mean"]}, {m = after["1.running_mean"]})) -- bn = "eval"
    suture.undo()
    assert.is_nil(first_difference(before, copies(m)))
    suture.redo()
    assert.is_nil(first_difference(after, copies(m)))
    suture.fine_tune(m, ds, {head_epochs = 1, epochs = 1, batch = 8, bn = "train", groups = 2, quiet = true})
    assert.is_nil(first_difference({w = after["0.weight"], s = after["1.running_mean"]},
      {w = copies(m)["0.weight"], s = copies(m)["1.running_mean"]})) -- only two groups were thawed
    assert.is_truthy(first_difference({s = after["3.1.running_mean"]}, {s = copies(m)["3.1.running_mean"]}))
  end)

  it("takes rates by name; what decays are weights alone; how long is by the number of samples", function()
    local m, ds = small(), shapes("source", 4)
    local last, epochs
    local function look(row, t)
      last, epochs = {}, row.epoch
      local names = {}
      for name, p in m:named_parameters() do names[p] = name end
      for _, g in ipairs(t.optimizer.param_groups) do
        for _, p in ipairs(g.params) do last[names[p]] = {g.lr, g.weight_decay} end
      end
    end
    suture.fine_tune(m, ds, {head_epochs = 1, each = 0, epochs = 1, decay = 2, lr = {0.04, ["3.*"] = 0.5, ["0.bias"] = 0},
      weight_decay = 0.1, schedule = "constant", on_epoch = look, quiet = true})
    for name, want in pairs {["6.weight"] = {0.04, 0.1}, ["6.bias"] = {0.04, 0}, ["3.0.weight"] = {0.5, 0.1},
      ["3.1.weight"] = {0.5, 0}, ["0.weight"] = {0.01, 0.1}, ["0.bias"] = {0, 0}} do
      kit.near(want[1], last[name][1])
      kit.near(want[2], last[name][2])
    end
    suture.fine_tune(m, ds, {head_epochs = 0, each = 0, lr = 1e-3, batch = 64, on_epoch = look, quiet = true})
    assert.equal(100, epochs)
    suture.fine_tune(m, ds, {head_epochs = 1, each = 0, epochs = 0, optimizer = "adamw", on_epoch = look, quiet = true})
    assert.same({1e-3, 0}, last["6.bias"])
    assert.is_true(last["6.weight"][2] > 0)
  end)

  it("leaves the model as it was after an error", function()
    local m, ds = small(), shapes("source", 2)
    local before, marks = copies(m), whole(m)
    local calls = 0
    fails("stop here", suture.fine_tune, m, ds, {batch = 8, quiet = true, loss = function(p, y)
      calls = calls + 1
      if calls == 1 then error "stop here" end
      return suture.F.cross_entropy(p, y)
    end})
    assert.is_nil(first_difference(before, copies(m)))
    assert.same(marks, whole(m))
    fails("best is no option of it", suture.fine_tune, m, ds, {best = true})
    fails("lr expects the head's rate", suture.fine_tune, m, ds, {lr = {"x"}})
    fails("lr expects the head's rate", suture.fine_tune, m, ds, {lr = -1})
    fails("no parameter is called", suture.fine_tune, m, ds, {lr = {["7.*"] = 1}})
    fails("decay expects a number above 0", suture.fine_tune, m, ds, {decay = 0})
  end)
end)
