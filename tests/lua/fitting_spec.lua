-- What fit refuses before it begins, and what it says where a model changes under it.
local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, data = suture.nn, suture.data
local kit = require "kit"
local copies, first_difference = kit.copies, kit.first_difference

local function made(n)
  local labels = {}
  for i = 1, n do labels[i] = i % 2 end
  return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)),
    data.tensors(suture.randn(n, 2), suture.tensor(labels), {classes = {"ants", "bees"}})
end

-- fit refuses these options in words that match, and leaves the model as it was.
local function refused(opts, pattern)
  local m, ds = made(8)
  local before = copies(m)
  opts.quiet, opts.epochs = true, opts.epochs or 2
  assert.error_matches(function() suture.fit(m, ds, opts) end, pattern)
  assert.is_nil(first_difference(before, copies(m)))
end

describe("fitting", function()
  before_each(function() suture.seed(7) end)

  it("refuses what only \"converge\" looks at", function()
    refused({patience = 3}, '^fit: patience goes with epochs = "converge"')
    refused({max_epochs = 3}, '^fit: max_epochs goes with epochs = "converge"')
    local m, ds = made(8)
    assert.is_true(#suture.fit(m, ds, {epochs = "converge", patience = 1, max_epochs = 2, quiet = true}).history > 0)
  end)

  it("says what a schedule lacks, and how it is written", function()
    refused({schedule = "exponential"}, 'wants gamma: schedule = {"exponential", gamma = …}')
    refused({schedule = "multistep"}, 'wants milestones: schedule = {"multistep", milestones = …}')
    refused({schedule = "cyclic"}, 'wants max_lr: schedule = {"cyclic", max_lr = …}')
    refused({schedule = {"cosine", warmup_factor = 0.1}}, "warmup_factor goes with warmup")
    for _, schedule in ipairs {"exponential", {"exponential", gamma = 0.9}, {"multistep", milestones = 1},
      {"cyclic", max_lr = 0.1}} do
      local m, ds = made(8)
      local opts = {schedule = schedule, epochs = 2, quiet = true, gamma = schedule == "exponential" and 0.5 or nil}
      assert.equal(2, #suture.fit(m, ds, opts).history)
    end
  end)

  it("knows before it begins whether there will be a figure to watch", function()
    refused({schedule = {"plateau", monitor = "accc"}}, "there is no figure \"accc\" to be watched: did you mean acc%?")
    refused({schedule = {"plateau", monitor = "val_acc"}}, 'monitor = "val_acc", but there is no val')
    refused({schedule = {"cosine", monitor = "loss"}}, 'watches no figure: monitor is of "plateau"')
    local m, ds = made(8)
    local r = suture.fit(m, ds, {schedule = {"plateau", monitor = "val_acc"}, val = ds, epochs = 2, quiet = true})
    assert.equal(2, #r.history)
  end)

  it("refuses weights of classes that are all 0", function()
    refused({class_weights = {0, 0}}, "class_weights: all weights are 0")
    refused({class_weights = {ants = 0, bees = 0}}, "class_weights: all weights are 0")
  end)

  it("knows what PyTorch and Keras call an option", function()
    for name, here in pairs {learning_rate = "lr", batch_size = "batch", scheduler = "schedule", criterion = "loss",
      validation_data = "val", num_epochs = "epochs"} do
      refused({[name] = 1}, ("no option '%s': did you mean %s%%?"):format(name, here))
    end
  end)

  it("says that a layer put in meanwhile is not held by the optimizer, which may take it up", function()
    local m, ds = made(8)
    local note = require "suture.base.note"
    local write, said = note.write, {}
    note.write = function(text) said[#said + 1] = text end
    local ok, why = pcall(suture.fit, m, ds, {epochs = 3, quiet = true, on_epoch = function(row)
      if row.epoch == 1 then m[2] = nn.Linear(3, 2) end
    end})
    note.write = write
    assert.is_false(ok)
    assert.matches("the optimizer does not hold 2%.weight, 2%.bias of the model, which would never move", why)
    assert.equal("", table.concat(said)) -- nothing about a comparison that the user has not written
    local new
    suture.fit(m, ds, {epochs = 3, quiet = true, on_epoch = function(row, t)
      if row.epoch ~= 1 then return end
      m[2] = nn.Linear(3, 2)
      new = m[2].weight:clone()
      t.optimizer:add_param_group {params = m[2]:parameters()}
    end})
    assert.is_false(kit.equal(new, m[2].weight))
  end)

  it("says which figures evaluate counts when it is asked for them", function()
    local m, ds = made(8)
    local e = suture.evaluate(m, ds)
    assert.error_matches(function() return e.confusion end, "confusion is counted with metrics = true")
    assert.error_matches(function() return e.confusoin end, "did you mean confusion%?")
    assert.is_table(suture.evaluate(m, ds, {metrics = true}).confusion.counts)
    assert.equal(8, e.count)
  end)

  it("tells a run's name from the folder that runs are in", function()
    local folder = require "suture.train.runs.folder"
    local home = folder.home
    folder.home = os.tmpname()
    os.remove(folder.home)
    local m, ds = made(8)
    suture.fit(m, ds, {epochs = 1, quiet = true, run = folder.home .. "/first"})
    local ok, why = pcall(suture.runs, "first")
    folder.home = home
    assert.is_false(ok)
    assert.matches('cannot open the folder first: .* · runs%(%)%["first"%] is the run of that name', why)
  end)

  it("writes what is no number as nan, and why a trial failed in its own words", function()
    local s = suture.sweep(function(o) return o.lr > 1 and 0 / 0 or o.lr end, {lr = {1, 2}}, {quiet = true})
    assert.matches("%f[%w-]nan", tostring(s))
    assert.is_nil(tostring(s):find("-nan", 1, true))
    local m = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4), nn.ReLU(), nn.Linear(4, 8))
    local ds = kit.shapes("source", 1)
    for jobs = 1, 2 do
      s = suture.sweep({model = m, train = ds, epochs = 3}, {lr = {0.1, 1e30}}, {jobs = jobs, quiet = true})
      assert.equal("failed", s[2].state)
      assert.matches("^the loss is ", s[2].error or "none")
    end
  end)

  it("leaves frozen statistics as they are while it averages weights", function()
    local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
      nn.Linear(4, 8))
    local ds = kit.shapes("source", 2)
    suture.fit(m, ds, {epochs = 3, batch = 4, quiet = true}) -- statistics that are no round numbers
    m:freeze("0", "1")
    local before = copies(m)
    for _, opts in ipairs {{ema = 0.9}, {swa = {start = 1}}} do
      opts.epochs, opts.batch, opts.quiet = 8, 4, true
      local r = suture.fit(m, ds, opts)
      assert.is_nil(r.moved)
      local now = copies(m)
      for _, name in ipairs {"1.running_mean", "1.running_var"} do assert.is_true(kit.equal(before[name], now[name])) end
      assert.is_false(kit.equal(before["5.weight"], now["5.weight"]))
    end
  end)

  it("says what a loss that goes number by number wants of the targets", function()
    for _, loss in ipairs {"mse", "smooth_l1", suture.F.l1_loss, nn.BCEWithLogitsLoss(), "bce"} do
      refused({loss = loss}, "compares number by number: the model gives %(8, 2%), the targets are int64 of shape %(N%)"
        .. " · leave the loss out %(cross_entropy")
    end
    local m, ds = made(8)
    suture.fit(m, ds, {epochs = 1, quiet = true, loss = function(x, y) -- as it says
      return suture.F.mse_loss(x, suture.F.one_hot(y, 2):float())
    end})
    kit.fails("or loss = function(x, y) return F.mse_loss(x, F.one_hot(y, 2):float()) end", suture.evaluate, m, ds,
      {loss = "mse"})
    local one, numbers = nn.Linear(2, 1), data.tensors(suture.randn(8, 2), suture.randn(8))
    kit.fails("loss = function(x, y) return F.mse_loss(x:squeeze(1), y) end", suture.fit, one, numbers, {loss = "mse"})
    local r = suture.fit(one, numbers, {epochs = 1, quiet = true, loss = function(x, y)
      return suture.F.mse_loss(x:squeeze(1), y)
    end})
    assert.equal(1, #r.history)
  end)

  it("takes back the statistics with the weights", function()
    local x = suture.randn(16, 4) * 1e15
    local labels = {}
    for i = 1, 16 do labels[i] = i % 2 end
    local m = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    local ok, why = pcall(suture.fit, m, data.tensors(x, suture.tensor(labels)), {lr = 1e10, batch = 4, quiet = true})
    assert.is_false(ok)
    assert.matches("the model has the last good weights", why, 1, true)
    for name, t in pairs(kit.copies(m)) do assert.equal(0, (t - t):abs():sum():item(), name) end
  end)

  it("sees what its last step has made of the weights", function()
    local Net = nn.class "Cusp"
    function Net:init() self.l, self.p = nn.Linear(2, 2), nn.Parameter(suture.zeros(2)) end
    function Net:forward(y) return self.l(y) + (self.p * 1):abs():sqrt() * self.p end -- 0 · ∞ in its gradient
    local _, ds = made(8)
    for _, o in ipairs {{}, {val = ds}, {best = true}} do
      local m = Net()
      local before = copies(m)
      o.epochs, o.quiet = 1, true
      kit.fails("parameter p is not finite", suture.fit, m, ds, o)
      assert.is_nil(first_difference(before, copies(m)))
    end
  end)
end)
