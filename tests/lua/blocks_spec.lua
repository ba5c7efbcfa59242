local suture = require "suture"
local nn, F, tensor = suture.nn, suture.F, suture.tensor

local fails = require("kit").fails

local function close(a, b, tolerance) assert.is_true((a - b):abs():max():item() <= (tolerance or 1e-5), tostring((a - b):abs():max())) end
local function shape(x) return tostring(x.shape) end

describe("channel attention", function()
  it("scales channels by what a bottleneck makes of their means", function()
    local m, x = nn.SqueezeExcitation(6, 2), suture.randn(3, 6, 5, 4)
    assert.same({"avgpool", "fc1", "fc2", "activation", "scale_activation"}, m._names)
    assert.equal("(2, 6, 1, 1)", shape(m.fc1.weight))
    local means = x:mean(3):mean(2)
    local hidden = F.relu(F.linear(means, m.fc1.weight:reshape(2, 6), m.fc1.bias))
    local scale = F.sigmoid(F.linear(hidden, m.fc2.weight:reshape(6, 2), m.fc2.bias))
    close(m(x), x * scale:reshape(3, 6, 1, 1))
  end)

  it("takes classes of activations, and is sewn in, saved and opened with them", function()
    local m = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1)):eval()
    m:insert_after("1", nn.SqueezeExcitation(8, 2, {activation = nn.SiLU, scale_activation = nn.Hardsigmoid}))
    local path = os.tmpname()
    m:save(path .. ".safetensors")
    local again = suture.open(path .. ".safetensors")
    os.remove(path)
    os.remove(path .. ".safetensors")
    assert.equal(tostring(m), tostring(again))
    assert.equal(nn.Hardsigmoid, getmetatable(again[2].scale_activation))
    local x = suture.randn(2, 3, 6, 6)
    assert.is_true(m(x):equal(again(x)))
  end)
end)

describe("stochastic depth", function()
  it("drops samples alone or all together, and keeps the mean", function()
    suture.seed(3)
    local x = suture.ones(4000, 2, 1, 3)
    local y = nn.StochasticDepth(0.25, "row")(x)
    local each = y:reshape(4000, 6)
    assert.is_true(each:max(1):equal(each:min(1)), "a sample is dropped whole")
    assert.is_true(math.abs(y:mean():item() - 1) < 0.04)
    close(y:max(), tensor(4 / 3), 1e-6)
    local kept, all = 0, nn.StochasticDepth(0.25, "batch")
    for _ = 1, 400 do
      local z = all(suture.ones(3, 2))
      assert.equal(z:max():item(), z:min():item())
      if z:max():item() > 0 then kept = kept + 1 end
    end
    assert.is_true(kept > 270 and kept < 330, tostring(kept))
  end)

  it("has the gradient of what it kept", function()
    local x = suture.ones(64, 3)
    x.requires_grad = true
    local y = nn.StochasticDepth(0.5, "row")(x)
    y:sum():backward()
    assert.is_true(x.grad:equal(y:detach()))
  end)

  it("is off in eval, where frozen and at p = 0", function()
    local x = suture.randn(8, 2)
    for _, m in ipairs {nn.StochasticDepth(0.9, "row"):eval(), nn.StochasticDepth(0.9, "batch"):freeze(), nn.StochasticDepth(0, "row")} do
      assert.equal(x, m(x))
    end
    assert.is_true(nn.StochasticDepth(1, "row")(x):abs():max():item() == 0)
    fails('mode expects "row"', nn.StochasticDepth, 0.1, "sample")
    fails("p expects a number from 0 to 1", nn.StochasticDepth, 1.5, "row")
  end)
end)

describe("a residual block", function()
  it("adds what goes in to what comes out", function()
    local conv = nn.Conv2d(4, 4, 3, {padding = 1})
    local x = suture.randn(2, 4, 5, 5)
    close(nn.ResidualBlock(conv)(x), conv(x) + x)
    close(nn.ResidualBlock({conv, nn.Tanh()}, {activation = nn.ReLU()})(x), F.relu(F.tanh(conv(x)) + x))
    local half, skip = nn.Conv2d(4, 6, 3, {padding = 1, stride = 2}), nn.Conv2d(4, 6, 1, {stride = 2})
    local m = nn.ResidualBlock(half, {shortcut = skip})
    close(m(x), half(x) + skip(x))
    m.shortcut = nil
    fails("the body gives (2, 6, 3, 3), the input is (2, 4, 5, 5)", m, x)
    fails("has no body", nn.ResidualBlock(), x)
    fails("body expects a module", nn.ResidualBlock, 3)
  end)

  it("comes back from a file", function()
    local m = nn.Sequential(nn.ResidualBlock({nn.Linear(4, 4), nn.ReLU()}, {activation = nn.Tanh()})):eval()
    local path = os.tmpname()
    m:save(path .. ".safetensors")
    local again = suture.open(path .. ".safetensors")
    os.remove(path)
    os.remove(path .. ".safetensors")
    local x = suture.randn(3, 4)
    assert.equal(tostring(m), tostring(again))
    assert.is_true(m(x):equal(again(x)))
  end)
end)

describe("group normalisation", function()
  it("normalises the channels of a group together, in each sample", function()
    for _, size in ipairs {{2, 6, 3, 5}, {3, 6, 4}, {4, 6}} do
      local m, x = nn.GroupNorm(2, 6, 1e-3), suture.randn(table.unpack(size)) * 3 + 1
      nn.init.normal_(m.weight, 1, 0.3)
      nn.init.normal_(m.bias)
      local rows = x:reshape(size[1], 2, -1)
      local mean = rows:mean(2, true)
      local y = ((rows - mean) / ((rows - mean):square():mean(2, true) + 1e-3):sqrt()):reshape(table.unpack(size))
      local place = {1, 6}
      for d = 3, #size do place[d] = 1 end
      close(m(x), y * m.weight:reshape(table.unpack(place)) + m.bias:reshape(table.unpack(place)))
    end
    assert.same({}, nn.GroupNorm(1, 4, {affine = false})._pnames)
    fails("5 channels do not divide into 2 groups", nn.GroupNorm, 2, 5)
    fails("GroupNorm expects (N, 4, …), got (2, 6)", nn.GroupNorm(2, 4), suture.randn(2, 6))
    fails("divisible into 4 groups", F.group_norm, suture.randn(2, 6), 4)
  end)

  it("has the slope that differences show", function()
    local m, x, towards = nn.GroupNorm(2, 4), suture.randn(2, 4, 3, 3), suture.randn(2, 4, 3, 3)
    x.requires_grad = true
    local function loss(at) return (m(at) * towards):sum() end
    loss(x):backward()
    local step = suture.randn(2, 4, 3, 3)
    local h = 1e-2
    local slope = (loss(x + h * step):item() - loss(x - h * step):item()) / (2 * h)
    assert.is_true(math.abs((x.grad * step):sum():item() - slope) < 1e-2 * math.max(1, math.abs(slope)))
  end)
end)

describe("small parts", function()
  it("pool to a vector and turn dimensions", function()
    local x = suture.randn(2, 3, 4, 5)
    close(nn.GAP()(x), x:mean(3):mean(2))
    fails("GAP expects (N, C, H, W), got (2, 3)", nn.GAP(), suture.randn(2, 3))
    assert.is_true(nn.Permute {0, 2, 3, 1}(x):equal(x:permute(0, 2, 3, 1)))
  end)

  it("are PyTorch's activations", function()
    local x = tensor {-4.0, -1, 0, 1, 4}
    close(nn.Hardsigmoid()(x), tensor {0, 1 / 3, 0.5, 2 / 3, 1}, 1e-6)
    close(nn.Mish()(x), tensor {-0.07259174, -0.30340147, 0, 0.86509838, 3.99741280}, 1e-5)
    close(nn.ELU(2)(x), tensor {2 * (math.exp(-4) - 1), 2 * (math.exp(-1) - 1), 0, 1, 4}, 1e-5)
  end)
end)
