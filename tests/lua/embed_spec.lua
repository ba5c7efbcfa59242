-- vis.top and vis.embed: what of a data set a unit answers to most, and the data set as a model sees it.
local suture = require "suture"
local kit = require "kit"
local pca = require "suture.vis.common.pca"
local nn, vis, fails, near = suture.nn, suture.vis, kit.fails, kit.near

local function small()
  suture.seed(3)
  return nn.Sequential(nn.Conv2d(3, 6, 3, {padding = 1}), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 8, 3, {padding = 1}), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)):eval()
end

describe("principal components", function()
  it("are the directions of greatest variance", function()
    suture.seed(5)
    for _, size in ipairs {{40, 7}, {9, 30}, {30, 2}, {5, 1}} do
      local n, c = size[1], size[2]
      local x = suture.randn(n, c) * suture.linspace(1, 3, c) + 2
      local points, ways, shares = pca(x, 2)
      local k = math.min(2, c)
      assert.same({n, k}, {table.unpack(points.shape)})
      local centred = x - x:mean(0, true)
      assert.is_true(centred:matmul(ways):allclose(points, 1e-4, 1e-4))
      assert.is_true(ways:t():matmul(ways):allclose(suture.eye(k), 1e-4, 1e-4))
      -- an eigenvector of the covariance, with the eigenvalue that is told
      local cov, total = centred:t():matmul(centred), centred:square():sum():item()
      for j = 0, k - 1 do
        local w = ways:select(1, j)
        local image = cov:matmul(w:unsqueeze(1)):squeeze(1)
        assert.is_true((image / total - w * shares[j + 1]):abs():max():item() < 2e-3)
        near(points:select(1, j):square():sum():item() / total, shares[j + 1], 1e-4)
      end
      -- and no other direction has more
      for _ = 1, 20 do
        local other = suture.randn(c, 1)
        other = other / other:norm()
        assert.is_true(centred:matmul(other):square():sum():item() / total <= shares[1] + 1e-5)
      end
    end
    local points, _, shares = pca(suture.ones(4, 3), 2)
    assert.same({0, 0}, shares)
    assert.equal(0, points:abs():max():item())
  end)
end)

describe("vis.embed", function()
  it("shows features by class", function()
    local m = suture.open "examples/shapes-resnet20.safetensors"
    local ds = suture.data.shapes {n = 12, split = "test", transform = m}
    local p = vis.embed(m, ds, {batch = 20, quiet = true})
    assert.same({96, 2}, {table.unpack(p.map.shape)})
    assert.same({96, 64}, {table.unpack(p.values.shape)})
    assert.is_true(p.explained[1] >= p.explained[2] and p.explained[1] + p.explained[2] > 0.3)
    -- the samples in order: the features are those the head gets
    local x = ds:batch {0, 40, 95}
    local logits = suture.no_grad(function() return m:eval()(x) end)
    local own = suture.no_grad(function() return m.linear(suture.tensor.stack({p.values[0], p.values[40], p.values[95]}, 0)) end)
    assert.is_true(logits:allclose(own, 1e-3, 1e-3))
    -- classes stand apart: each point is nearer to its own class's middle than the middles are to each other, mostly
    local middles = {}
    for k = 0, 7 do middles[k] = p.map:narrow(0, 12 * k, 12):mean(0) end
    local right = 0
    for i = 0, 95 do
      local best, least = nil, math.huge
      for k = 0, 7 do
        local d = (p.map[i] - middles[k]):norm():item()
        if d < least then best, least = k, d end
      end
      right = right + (best == i // 12 and 1 or 0)
    end
    assert.is_true(right > 60, right .. " of 96")
    local q = vis.embed(m, ds:take(10), "layer1", {quiet = true, title = "layer1"})
    assert.same({10, 16}, {table.unpack(q.values.shape)})
  end)

  it("takes tokens, targets that are no classes, and refuses the rest", function()
    suture.seed(4)
    local vit = suture.zoo.vit_b_32 {image_size = 64, num_layers = 1, num_classes = 5}
    local ds = suture.data.tensors(suture.randn(6, 3, 64, 64), suture.rand(6, 2))
    local p = vis.embed(vit, ds, "encoder", {quiet = true})
    assert.same({6, 768}, {table.unpack(p.values.shape)})
    assert.is_true(p.values:allclose(vis.embed(vit, ds, {quiet = true}).values, 1e-4, 1e-4)) -- the class token
    local m, few = small(), suture.data.tensors(suture.randn(3, 3, 8, 8), suture.tensor {0, 1, 0})
    fails("expects a model", vis.embed, few, m)
    fails("expects a dataset", vis.embed, m, {3})
    fails("at least 2", vis.embed, m, few:take(1))
    fails("no option 'colour'", vis.embed, m, few, {colour = 1})
    fails("no module 'x'", vis.embed, m, few, "x", {quiet = true})
    fails("no linear layer", vis.embed, nn.Sequential(nn.Conv2d(3, 2, 3)), few, {quiet = true})
    fails("more", vis.embed, m, few, "0", {}, 1)
  end)
end)

describe("vis.top", function()
  it("finds the strongest places, cut to the receptive field", function()
    local m = small()
    suture.seed(8)
    local x = suture.randn(20, 3, 12, 12)
    x[{7, ":", "4:7", "5:8"}] = m[0].weight[2]:detach() * 20 -- what the unit looks for, at 5, 6
    local ds = suture.data.tensors(x, suture.tensor {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
      {classes = {"ant", "bee"}})
    local p = vis.top(m, ds, "0", {unit = 2, count = 5, batch = 6, quiet = true})
    local best = p.found[1]
    assert.same({7, 5, 6, {4, 5, 6, 7}, "bee", "row 7"}, {best.index, best.y, best.x, best.box, best.class, best.name})
    assert.same({5, 3, 3, 3}, {table.unpack(p:tensor().shape)})
    local map = suture.no_grad(function() return m[0](x) end):select(1, 2):reshape(20, -1):amax(1)
    assert.is_true(map:topk(5):allclose(p.map, 1e-5, 1e-5))
    -- the greatest of each picture, in pictures, not pixels
    local seen = {}
    for _, f in ipairs(p.found) do
      assert.is_nil(seen[f.index])
      seen[f.index] = true
    end
    -- what is outside the box does not matter to the value
    local last = p.found[5]
    local z, b = suture.zeros(1, 3, 12, 12), last.box
    local rows, columns = ("%d:%d"):format(b[1], b[3] + 1), ("%d:%d"):format(b[2], b[4] + 1)
    z[{0, ":", rows, columns}] = x[{last.index, ":", rows, columns}]
    near(last.value, m[0](z)[{0, 2, last.y, last.x}]:item())
    local q = vis.top(m, ds, m[5], {unit = {0, 3}, count = 3, quiet = true})
    assert.equal(6, #q.panels)
    assert.same({2, 3}, {table.unpack(q.map.shape)})
    local whole = vis.top(m, ds, "", {unit = 1, count = 30, quiet = true})
    assert.equal(20, #whole.found)
    assert.same({0, 0, 11, 11}, whole.found[1].box)
  end)

  it("knows tokens", function()
    suture.seed(4)
    local vit = suture.zoo.vit_b_32 {image_size = 64, num_layers = 1, num_classes = 5}
    local ds = suture.data.tensors(suture.randn(3, 3, 64, 64), suture.tensor {0, 1, 0})
    local p = vis.top(vit, ds, "conv_proj", {unit = 3, count = 1, quiet = true})
    assert.same({1, 3, 32, 32}, {table.unpack(p:tensor().shape)})
    assert.same({p.found[1].y * 32, p.found[1].x * 32}, {p.found[1].box[1], p.found[1].box[2]})
    p = vis.top(vit, ds, "encoder.layers.encoder_layer_0", {unit = 3, count = 1, quiet = true})
    assert.same({0, 0, 63, 63}, p.found[1].box)
  end)

  it("refuses what is wrong by name", function()
    local m, ds = small(), suture.data.tensors(suture.randn(3, 3, 8, 8), suture.tensor {0, 1, 0})
    fails("which unit", vis.top, m, ds, "0")
    fails("unit expects a whole number from 0 to 5", vis.top, m, ds, "0", {unit = 6, quiet = true})
    fails("an empty list", vis.top, m, ds, "0", {unit = {}})
    fails("no module 'conv9'", vis.top, m, ds, "conv9", {unit = 0, quiet = true})
    fails("layer expects a path", vis.top, m, ds, nil, {unit = 0})
    fails("expects a dataset", vis.top, m, suture.randn(1, 3, 8, 8), "0", {unit = 0})
    fails("count expects", vis.top, m, ds, "0", {unit = 0, count = 0})
    fails("no option 'layer'", vis.top, m, ds, "0", {unit = 0, layer = "1"})
    fails("more", vis.top, m, ds, "0", {unit = 0}, 1)
  end)
end)
