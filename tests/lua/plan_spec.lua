-- plan: what training would take, and the largest batch that fits.
local suture = require "suture"
suture.history(true)
local nn, data = suture.nn, suture.data
local kit = require "kit"
local fails = kit.fails
local engine = suture.core.engine

local function net()
  suture.seed(1)
  return nn.Sequential(nn.Conv2d(3, 16, 3, {padding = 1}), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3,
    {padding = 1}), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 8))
end

-- The most bytes in tensors while f runs, beyond what there was.
local function most(f)
  collectgarbage()
  collectgarbage()
  engine.trim()
  local before = engine.memory()
  engine.peak_reset()
  f()
  return select(2, engine.memory()) - before
end

local function bytes_of(m)
  local n = 0
  for _, t in pairs(m:state_dict()) do n = n + 4 * t:numel() end
  return n
end

describe("plan", function()
  local ds = kit.shapes("source", 16)

  it("tells the most memory that training takes", function()
    local large = data.shapes {n = 12, size = 64}
    for _, batch in ipairs {16, 32} do
      for _, frozen in ipairs {false, true} do
        local m = net()
        if frozen then m:freeze("0", "1") end
        local r = suture.plan(m, large, {batch = batch, optimizer = "adam"})
        local real = most(function()
          suture.fit(m, large, {batch = batch, optimizer = "adam", epochs = 2, quiet = true})
        end) + bytes_of(m)
        assert.is_true(math.abs(r.peak / real - 1) < 0.25, ("batch %d: %d bytes planned, %d taken"):format(batch, r.peak,
          real))
      end
    end
  end)

  it("changes nothing, draws nothing, and takes fit's options", function()
    local m = net()
    local before, random = kit.copies(m), engine.seed()
    local opt = suture.optim.SGD({{params = m[7]:parameters(), lr = 0.5}, {params = m[0]:parameters()},
      {params = m[1]:parameters()}, {params = m[3]:parameters()}}, {lr = 0.1})
    local called = false
    m:freeze "3"
    for _, o in ipairs {{}, {optimizer = "adam", val = ds, schedule = "cosine", epochs = 3},
      {optimizer = opt, on_step = function() called = true end}, {accumulate = 2}, {sampler = "balanced"},
      {run = "/nowhere/at/all"}} do
      local r = suture.plan(m, ds, o)
      assert.is_true(r.seconds > 0 and r.peak > bytes_of(m) and r.steps == 4)
      assert.is_nil(kit.first_difference(before, kit.copies(m)))
      assert.equal(random, engine.seed())
      assert.is_nil(m[0].weight.grad)
    end
    assert.is_false(called)
    assert.is_truthy(suture.undo():find("frozen", 1, true))
    assert.is_nil(next(opt:state_dict().state))
    fails("plan: no option 'bach'", suture.plan, m, ds, {bach = 3})
    fails("plan: batch expects a whole number above 0", suture.plan, m, ds, {batch = -1})
  end)

  it("finds the largest batch that fits, and fit takes it", function()
    local m = net()
    local wide = suture.plan(m, ds, {batch = 64}).peak
    local r = suture.plan(m, ds, {batch = "auto", memory = wide / 1e6})
    assert.is_true(r.batch >= 48 and r.batch <= 76, r.batch)
    assert.is_true(r.peak <= wide * 1.05)
    local half = suture.plan(m, ds, {batch = "auto", memory = wide / 2e6})
    assert.is_true(half.batch < r.batch and half.batch >= 8)
    assert.equal(#ds, suture.plan(m, ds, {batch = "auto", memory = 1e5}).batch)
    local t = suture.trainer(m, ds, {batch = "auto", memory = wide / 2e6, quiet = true})
    assert.is_true(math.abs(t.options.batch - half.batch) <= 4)
    fails("more than memory = 0 MB", suture.fit, m, ds, {batch = "auto", memory = 0.001})
    fails("memory expects a number of MB above 0", suture.fit, m, ds, {batch = "auto", memory = -3})
    fails('memory goes with batch = "auto"', suture.fit, m, ds, {batch = 8, memory = 100})
    fails('memory goes with batch = "auto"', suture.plan, m, ds, {memory = 100})
    fails('"auto", got "most"', suture.fit, m, ds, {batch = "most"})
  end)

  it("counts the samples of an epoch, its smaller last batch too", function()
    local now, real = 0, engine.clock
    local Slow = nn.class "SlowNet"
    function Slow:init() self.linear = nn.Linear(3, 2) end
    function Slow:forward(x)
      now = now + x.shape[1] -- a second a sample
      return self.linear(x)
    end
    local some = data.tensors(suture.randn(27, 3), suture.zeros(27):long())
    engine.clock = function() return now end
    local ok, why = pcall(function()
      for _, o in ipairs {{8, 27}, {27, 27}, {64, 27}, {13, 27}, {8, 24, true}} do
        kit.near(o[2], suture.plan(Slow(), some, {batch = o[1], drop_last = o[3]}).seconds)
      end
    end)
    engine.clock = real
    assert(ok, why)
  end)

  it("tells of pictures that are read again and again", function()
    local folder = kit.temp_folder()
    kit.run("mkdir -p " .. folder .. "/a")
    for i = 1, 4 do suture.image.save(suture.rand(3, 600, 600), ("%s/a/%d.png"):format(folder, i)) end
    local m = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1))
    local pictures = data.folder(folder, {size = 8})
    local r = suture.plan(m, pictures, {batch = 2})
    assert.is_true(r.loading > 0)
    assert.is_truthy(tostring(r):find("keep = true", 1, true) or r.cached_from == 2)
    kit.run("rm -r " .. folder)
  end)
end)
