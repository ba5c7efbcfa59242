-- Pictures made by climbing: vis.maximize, vis.class_image, vis.dream: what they reach, that they are the same for the
-- same seed, what they leave alone, what they refuse.
local suture = require "suture"
local kit = require "kit"
local painted = require "suture.vis.common.painted"
local moved = require "suture.vis.common.moved"
local nn, vis, fails, near = suture.nn, suture.vis, kit.fails, kit.near

local function shapes() return suture.open "examples/shapes-resnet20.safetensors" end

-- {…} with what keeps stderr quiet.
local function quiet(opts)
  opts.quiet = true
  return opts
end

local function sizes(x) return {table.unpack(x.shape)} end

describe("frequencies", function()
  it("become the pictures that the sum of waves gives", function()
    for _, size in ipairs {{5, 6}, {6, 5}, {4, 8}, {7, 3}, {2, 2}} do
      local h, w = size[1], size[2]
      local f = painted.fourier(1, 1, h, w)
      assert.same({1, 2 * h, w // 2 + 1}, f.numbers)
      suture.seed(h * w)
      local x = suture.randn(table.unpack(f.numbers))
      local got = f.picture(x)[0][0]:tolist()
      local list = x[0]:tolist()
      for y = 0, h - 1 do
        for z = 0, w - 1 do
          local sum = 0
          for u = 0, h - 1 do
            for v = 0, w // 2 do
              local fy, fx = (2 * u >= h and u - h or u) / h, v / w
              local weight = math.sqrt(h * w) / math.max(math.sqrt(fy * fy + fx * fx), 1 / math.max(h, w)) / 4
              local turn = 2 * math.pi * (u * y / h + v * z / w)
              local both = (v == 0 or 2 * v == w) and 1 or 2
              sum = sum + both * weight * (list[u + 1][v + 1] * math.cos(turn) - list[h + u + 1][v + 1] * math.sin(turn))
            end
          end
          near(sum / (h * w), got[y + 1][z + 1], 1e-4)
        end
      end
    end
  end)

  it("have a gradient, which is that of differences", function()
    local f = painted.fourier(1, 3, 4, 5)
    suture.seed(2)
    local weight = suture.randn(1, 3, 4, 5)
    local function value(x) return (painted.sigmoid(painted.coloured(f.picture(x))) * weight):sum() end
    local x = suture.randn(table.unpack(f.numbers))
    x.requires_grad = true
    value(x):backward()
    for _, at in ipairs {{0, 0, 0}, {1, 5, 2}, {2, 7, 1}} do
      local d = suture.zeros(table.unpack(f.numbers))
      d[at] = 0.02
      near((value(x:detach() + d):item() - value(x:detach() - d):item()) / 0.04, x.grad[at]:item(), 2e-3)
    end
  end)
end)

describe("a picture that is moved", function()
  it("comes back mirrored where it left the frame, and is itself where nothing is drawn", function()
    local x = suture.arange(0, 20):float():reshape(1, 1, 4, 5)
    local still = {0, 0, 0, 0}
    for _, o in ipairs {{jitter = 1, rotate = 0, scale = 0}, {jitter = 1, rotate = 10, scale = 0.1}} do
      local f = moved(4, 5, o)
      assert.is_true(f(x, still):allclose(x, 1e-5, 1e-4))
      local down = f(x, {1, 0, 0, 0})
      assert.is_true(down[{0, 0, "0:3"}]:allclose(x[{0, 0, "1:4"}], 1e-5, 1e-4))
      assert.is_true(down[{0, 0, 3, "..."}]:allclose(x[{0, 0, 2, "..."}], 1e-5, 1e-4))
    end
    local turned = moved(5, 5, {jitter = 0, rotate = 90, scale = 0})
    local y = suture.arange(0, 25):float():reshape(1, 1, 5, 5)
    assert.is_true(turned(y, {0, 0, 1, 0}):allclose(y:transpose(2, 3):flip(2), 1e-4, 1e-3)
      or turned(y, {0, 0, 1, 0}):allclose(y:transpose(2, 3):flip(3), 1e-4, 1e-3))
    assert.is_nil(moved(4, 5, {jitter = 0, rotate = 0, scale = 0}))
  end)
end)

describe("vis.maximize", function()
  it("excites a unit more than 999 of 1000 real pictures do", function()
    local m = shapes()
    local ds = suture.data.shapes {n = 250, split = "test", transform = m}
    local units = {5, 20} -- the second is 0 for noise, and has no gradient there
    local real = {{}, {}}
    for x in ds:batches(200) do
      local means = suture.no_grad(function() return m:eval():activations(x, "layer3") end)
      means = (means.layer3 or means):mean({2, 3})
      for i, unit in ipairs(units) do
        for _, v in ipairs(means:select(1, unit):tolist()) do real[i][#real[i] + 1] = v end
      end
    end
    local p = vis.maximize(m, "layer3", quiet {unit = units, steps = 160, seed = 1})
    for i in ipairs(units) do
      assert.equal(2000, #real[i])
      table.sort(real[i])
      assert.is_true(p.value[i] > real[i][1998], ("unit %d: %g, pictures %g"):format(units[i], p.value[i], real[i][1998]))
    end
    assert.same({2, 3, 32, 32}, sizes(p:tensor()))
    assert.is_true(p:tensor():min():item() >= 0 and p:tensor():max():item() <= 1)
    -- what is told is what m says of .map
    local again = suture.no_grad(function() return m:activations(p.map, "layer3") end)
    near(p.value[2], (again.layer3 or again):mean({2, 3})[{1, units[2]}]:item(), 1e-3)
  end)

  it("takes a place, a direction, a class, a layer itself", function()
    local m = shapes():eval()
    local p = vis.maximize(m, "layer2", quiet {unit = 3, position = {8, 4}, steps = 40, seed = 1})
    assert.is_true(p.value > p.start)
    local far = vis.maximize(m, m.layer2, quiet {unit = 3, position = {15, 15}, steps = 4, seed = 1})
    assert.is_false(far:tensor():equal(p:tensor()))
    local d = {}
    for i = 1, 32 do d[i] = i == 8 and 2.0 or 0.0 end
    local one = vis.maximize(m, "layer2", quiet {unit = 7, steps = 6, seed = 3})
    local way = vis.maximize(m, "layer2", quiet {direction = suture.tensor(d), steps = 6, seed = 3})
    assert.is_true(one:tensor():allclose(way:tensor(), 1e-4, 1e-4)) -- a direction is of length 1
    local class = vis.class_image(m, {"heart", 5}, quiet {steps = 40, seed = 1})
    local logits = suture.no_grad(function() return m(class.map) end)
    assert.same({2, 5}, logits:argmax(1):tolist())
    near(class.value[1], logits[{0, 2}]:item(), 1e-3)
    for _, space in ipairs {"pixels", "fourier"} do
      local q = vis.maximize(m, "", quiet {unit = 1, steps = 8, space = space, tv = 0.5, jitter = 0, rotate = 0,
        scale = 0, size = {24, 40}, seed = 1})
      assert.same({3, 24, 40}, sizes(q:tensor()))
      assert.is_true(q.value > q.start)
    end
  end)

  it("works on tokens, on grey pictures, on vectors, frozen, in no_grad", function()
    suture.seed(4)
    local vit = suture.zoo.vit_b_32 {image_size = 64, num_layers = 1, num_classes = 5}
    local p = vis.maximize(vit, "encoder.layers.encoder_layer_0", quiet {unit = 3, position = {1, 0}, steps = 3, seed = 1})
    assert.is_true(p.value > p.start)
    local grey = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    grey.input_shape = {1, 1, 8, 8}
    grey:freeze()
    p = suture.no_grad(vis.maximize, grey, "3", quiet {unit = 2, steps = 5, seed = 1})
    assert.same({1, 8, 8}, sizes(p:tensor()))
    assert.is_true(p.value > p.start)
  end)
end)

describe("vis.dream", function()
  it("makes the layer answer more to the picture, which stays recognisable", function()
    local m = shapes()
    local x = suture.data.shapes({n = 1, split = "val", transform = m}):batch {3}
    local p = vis.dream(m, x, quiet {layer = "layer2", octaves = 2, steps = 8, seed = 1})
    assert.is_true(p.value > 1.2 * p.start)
    assert.equal(16, p.steps)
    assert.same({3, 32, 32}, sizes(p:tensor()))
    local before = vis.dream(m, x, quiet {layer = "layer2", octaves = 1, steps = 1, rate = 1e-6, jitter = 0, seed = 1})
    assert.is_true((p:tensor() - before:tensor()):abs():mean():item() < 0.3)
    assert.equal("layer3", vis.dream(m, x, quiet {octaves = 1, steps = 1}).layer)
    local q = vis.dream(m, x, quiet {layer = "layer2", unit = 4, octaves = 1, steps = 5, rotate = 5, scale = 0.1, seed = 1})
    assert.is_true(q.value > q.start)
  end)

  it("is the same for the same seed, and another for another; what is the user's stays", function()
    local m = shapes():train()
    local state, undoable = kit.copies(m), #suture.history()
    local x = suture.data.shapes({n = 1, split = "val", transform = m}):batch {0}
    suture.seed(7)
    local random = suture.core.engine.seed()
    local function bits(f, seed, threads)
      suture.threads(threads)
      return f(seed):tensor()
    end
    local had = suture.threads()
    for _, f in ipairs {
      function(seed) return vis.dream(m, x, quiet {layer = "layer2", octaves = 2, steps = 3, seed = seed}) end,
      function(seed) return vis.maximize(m, "layer1", quiet {unit = 2, steps = 3, seed = seed}) end,
      function(seed) return vis.class_image(m, 2, quiet {steps = 3, seed = seed}) end,
    } do
      local a, b, c = bits(f, 5, 2), bits(f, 5, 1), bits(f, 6, 1)
      assert.is_true(a:equal(b))
      assert.is_false(a:equal(c))
    end
    suture.threads(had)
    assert.equal(random, suture.core.engine.seed())
    assert.is_nil(kit.first_difference(state, m:state_dict()))
    assert.is_true(m._training)
    assert.equal(undoable, #suture.history())
    for name, p in m:named_parameters() do assert.is_nil(p.grad, name) end
    -- without a seed the next of the generator, which the result tells
    local p = vis.maximize(m, "layer1", quiet {unit = 2, steps = 2})
    assert.not_equal(random, suture.core.engine.seed())
    assert.is_true(p:tensor():equal(vis.maximize(m, "layer1", quiet {unit = 2, steps = 2, seed = p.seed}):tensor()))
  end)
end)

describe("what cannot be made", function()
  it("is refused by name", function()
    local m = shapes()
    local x = suture.data.shapes({n = 1, split = "val", transform = m}):batch {0}
    local function max(text, path, o) fails(text, vis.maximize, m, path, quiet(o)) end
    max("unit = 0", "layer3", {})
    max("unit expects a whole number from 0 to 63", "layer3", {unit = 64})
    max("unit expects", "layer3", {unit = "heart"})
    max("an empty list", "layer3", {unit = {}})
    max("no module 'layer9'", "layer9", {unit = 0})
    max("layer expects a path", 3, {unit = 0})
    max("unit or direction, not both", "layer3", {unit = 0, direction = {1}})
    max("direction expects 64 numbers", "layer3", {direction = {1, 2}})
    max("not all 0", "linear", {direction = suture.zeros(8)})
    max("position expects {y, x} on a map of 8 × 8", "layer3", {unit = 0, position = {8, 0}})
    max("has no map", "linear", {unit = 0, position = {0, 0}})
    max("space expects", "layer3", {unit = 0, space = "wavelet"})
    max("steps expects", "layer3", {unit = 0, steps = 0})
    max("no option 'octaves'", "layer3", {unit = 0, octaves = 2})
    max("size expects from 2 × 2", "layer3", {unit = 0, size = {1, 8}})
    fails("more", vis.maximize, m, "layer3", {unit = 0}, 3)
    fails("expects a model first", vis.maximize, x, "layer3", {unit = 0})
    fails("how large is a picture", vis.maximize, nn.Sequential(nn.Conv2d(3, 2, 3)), "0", {unit = 0})
    local odd = nn.Sequential(nn.Conv2d(5, 2, 3))
    odd.input_shape = {1, 5, 8, 8}
    fails("1 or 3 channels", vis.maximize, odd, "0", {unit = 0})
    fails("of which class", vis.class_image, m)
    fails("of which class", vis.class_image, m, {steps = 0})
    fails("did you mean heart", vis.class_image, m, "hart")
    fails("from 0 to 7", vis.class_image, m, 8)
    fails("gives classes", vis.class_image, nn.Sequential(nn.Conv2d(3, 2, 3)), 0, {size = 8})
    fails("expects one picture", vis.dream, m, suture.zeros(2, 3, 8, 8))
    fails("fewer octaves", vis.dream, m, x, {octaves = 9})
    local broken = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    broken[0].weight:fill_(0 / 0)
    local ok, why = pcall(vis.dream, broken, suture.rand(3, 32, 32), quiet {})
    assert.is_false(ok)
    assert.equal("dream: what is wanted is nan before the first step: so are numbers of the model or of the picture",
      (why:gsub("^%S-:%d+: ", "")))
    fails("octaves expects", vis.dream, m, x, {octaves = 0})
    fails("no module", vis.dream, m, x, quiet {layer = "nowhere"})
    fails("expects a model first", vis.dream, x, m)
    fails("no option 'layers'", vis.dream, m, x, {layers = "layer2"})
    fails("no layer of this model", vis.dream, nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), suture.randn(3, 8, 8))
  end)
end)
