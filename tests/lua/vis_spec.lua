-- Pictures: what show, plot, hist and vis.* give, where they look, what they refuse; looking changes nothing.
local suture = require "suture"
local nn, vis, zoo, show, plot, hist = suture.nn, suture.vis, suture.zoo, suture.show, suture.plot, suture.hist

local fails = require("kit").fails

local function bytes(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

-- The file that save wrote under a name with this ending, as bytes.
local function saved(p, ending)
  local path = os.tmpname()
  p:save(path .. ending)
  local text = bytes(path .. ending)
  os.remove(path)
  os.remove(path .. ending)
  return text
end

-- Those that do not take a picture, or give no map of a class.
local not_maps = {}
for name in ([[show plot hist attention rollout maximize class_image dream embed top filters features stats
  explain top_losses browse report]]):gmatch "%S+" do
  not_maps[name] = true
end
local methods = {}
for _, name in ipairs(vis._names) do
  if vis[name] and not not_maps[name] then
    methods[#methods + 1] = name
  end
end

local function small()
  suture.seed(3)
  local net = nn.Sequential(nn.Conv2d(3, 6, 3, {padding = 1}), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 8, 3, {padding = 1}), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
  return net
end

describe("a picture", function()
  it("is saved as PNG, SVG and PDF", function()
    local p = show(suture.rand(6, 9))
    assert.equal("\137PNG", saved(p, ".png"):sub(1, 4))
    assert.is_truthy(saved(p, ".svg"):find("<svg", 1, true))
    assert.equal("%PDF", saved(p, ".pdf"):sub(1, 4))
    assert.same({6, 9}, {table.unpack(p:tensor().shape)})
    fails(".png, .svg or .pdf", p.save, p, "x.gif")
    fails("there is no folder", p.save, p, "/nowhere/at/all/x.svg")
    fails("expects a path", p.save, p, 3)
  end)

  it("without words is written pixel for pixel", function()
    local x, path = suture.rand(3, 5, 7), os.tmpname()
    show(x):save(path .. ".png")
    assert.is_true(suture.image.load(path .. ".png"):allclose(x, 0, 0.003))
    os.remove(path)
    os.remove(path .. ".png")
  end)

  it("is a frame of text where nothing can be shown", function()
    local p = show(suture.rand(4, 4), {caption = ("long "):rep(60)})
    local text = tostring(p)
    assert.is_truthy(text:find("┌", 1, true))
    assert.is_nil(text:find("\27", 1, true))
    assert.equal(text, suture.inspect(p)) -- no terminal here
  end)

  it("says what it cannot show", function()
    fails("expects a tensor", show, nil)
    fails("plot(x) draws it", show, suture.rand(3))
    fails("1 or 3 channels", show, suture.rand(2, 5, 4, 4))
    fails("not finite", show, suture.tensor {{1, 0 / 0}})
    fails("no option", show, suture.rand(2, 2), {colors = "magma"})
    fails("colours", show, suture.rand(2, 2), {colours = "jet"})
    fails("expects numbers", plot, "x")
    fails("there is nothing to draw", plot, {})
    fails("x: expects a vector", plot, suture.rand(2, 2), {1})
    fails("y: expects numbers", plot, {{1, "a"}})
    assert.is_truthy(plot(suture.tensor(1), {2}))
    fails("show: /nonexist/x", show, "/nonexist/x")
    fails("3 numbers for x", plot, {1, 2, 3}, {1, 2})
    fails("expects a tensor", hist, 3)
    assert.same({1, 2}, hist({1, 2, 2}, {bins = 2}).map:tolist())
    assert.same({0, 3}, hist({2 ^ 53, 2 ^ 53, 2 ^ 53}, {bins = 2}).map:tolist())
    assert.same({1, 2}, hist({1e-30, 2e-30, 2e-30}, {bins = 2}).map:tolist())
    fails("no finite numbers", hist, suture.tensor {0 / 0})
    fails("did you mean gradcam", function() return vis.gradcamm end)
  end)

  it("is made of curves, bars, points and matrices", function()
    for _, p in ipairs {plot {1, 4, 2}, plot({1, 2, 3}, {3, 0 / 0, 5}), plot(suture.randn(2, 5)),
      plot({3, 1}, {kind = "bar", names = {"a", "b"}}), plot({1, 2}, {kind = "scatter"}), plot {2, 2}, plot {5}} do
      assert.is_truthy(saved(p, ".svg"):find("<svg", 1, true))
    end
    local p = hist(suture.tensor {1, 1, 2, 3}, {bins = 2})
    assert.same({2, 2}, p.map:tolist())
    local ds = suture.data.tensors(suture.randn(8, 3, 8, 8), suture.tensor {0, 1, 2, 3, 0, 1, 2, 3})
    local m = small()
    local r = suture.fit(m, ds, {epochs = 2, batch = 4, quiet = true})
    assert.equal(2, #plot(r).panels)
    local own = setmetatable({}, {plotted = function() -- a result says itself what is drawn of it
      return {caption = "mine", {"bars", {1, 2}, {}}, {"matrix", {{1, 2}}, {}}, {"scatter", {{points = {{1, 2}}}}, {}}}
    end})
    assert.same({"mine", 3}, {plot(own).caption, #plot(own).panels})
    fails("expects numbers", plot, setmetatable({history = {}}, {}))
    assert.is_truthy(saved(plot(suture.confusion(m, ds)), ".svg"):find("<svg", 1, true))
  end)
end)

describe("methods that look", function()
  it("are found in the folder, and told of by help", function()
    assert.is_true(#methods >= 16)
    local help = require "suture.shell.help"
    for _, name in ipairs(vis._names) do
      assert.is_truthy(help.text(vis[name]):find(name, 1, true), name)
    end
  end)

  it("work on frozen models in any mode, inside no_grad, and change nothing", function()
    local m = small():train()
    m:freeze()
    suture.seed(9)
    local x = suture.randn(2, 3, 8, 8)
    local state, random = {}, suture.core.engine.seed()
    for k, t in m:state_dict() do state[k] = t:clone() end
    local few = {occlusion = {size = 4, stride = 4}, smoothgrad = {n = 3}, integrated_gradients = {steps = 3}}
    local undoable = #suture.history()
    for _, name in ipairs(methods) do
      local opts = few[name]
      local p = suture.tensor.no_grad and vis[name](m, x, opts)
      local q = suture.no_grad(vis[name], m, x, opts)
      assert.is_true(p.map:equal(q.map), name)
      assert.equal(2, p.map.shape[1])
      assert.same({2, 8, 8}, {table.unpack(p:tensor().shape)}, name)
      assert.is_true(p:tensor():min():item() >= 0 and p:tensor():max():item() <= 1, name)
      -- pictures do not see each other
      assert.is_true(vis[name](m, x[0], opts).map:allclose(p.map[0], 1e-4, 1e-5), name)
    end
    for k, t in m:state_dict() do assert.is_true(t:equal(state[k]), k) end
    for name, p in m:named_parameters() do assert.is_nil(p.grad, name) end
    assert.equal(undoable, #suture.history())
    assert.equal(random, suture.core.engine.seed())
    assert.is_true(m._training)
  end)

  it("choose the last layer with a map, and take others, several classes, names and lists", function()
    local m = small():eval()
    m.classes = {"ant", "bee", "cat", "dog"}
    local x = suture.randn(3, 8, 8)
    local p = vis.gradcam(m, x, {class = "bee"})
    assert.equal("5", p.layer)
    assert.equal(1, p.class)
    assert.same({4, 4}, {table.unpack(p.map.shape)})
    assert.same({8, 8}, {table.unpack(vis.gradcam(m, x, {layer = "0"}).map.shape)})
    assert.equal("0", vis.layercam(m, x, {layer = m[0]}).layer)
    assert.is_true(vis.gradcam(m, x, {method = "layercam"}).map:equal(vis.layercam(m, x).map))
    local q = vis.gradcam(m, {x, x}, {layer = {"0", "5"}, class = {0, "dog"}, aug_smooth = true, eigen_smooth = true})
    assert.equal(8, #q.panels)
    assert.same({8, 8, 8}, {table.unpack(q:tensor().shape)})
  end)

  it("know the places of tokens", function()
    suture.seed(4)
    local vit = zoo.vit_b_32 {image_size = 96, num_layers = 2, num_classes = 5}
    local x = suture.randn(3, 96, 96)
    fails("is 0 at every layer with a map: are the head's weights 0", vis.gradcam, vit, x)
    vit.heads.head.weight:normal_(0, 0.1)
    local p = vis.gradcam(vit, x)
    assert.equal("encoder.layers.encoder_layer_1.ln_1", p.layer) -- behind it only the class token counts
    assert.same({3, 3}, {table.unpack(p.map.shape)})
    assert.same({3, 3}, {table.unpack(vis.ablationcam(vit, x, {class = 0}).map.shape)})
    local a = vis.attention(vit, x)
    assert.same({12, 10, 10}, {table.unpack(a.map.shape)})
    assert.is_true(a.map:sum(2):allclose(suture.ones(12, 10), 1e-4))
    assert.same({3, 3}, {table.unpack(vis.rollout(vit, x).map.shape)})
    fails("head expects 0 to 11", vis.attention, vit, x, {head = 12})
  end)

  it("give gradients that add up: integrated gradients, and a linear head's HiResCAM", function()
    local m = small():eval()
    local x = suture.randn(3, 8, 8)
    local p = vis.integrated_gradients(m, x, {class = 2, steps = 96})
    local change = (m(x:unsqueeze(0)) - m(suture.zeros(1, 3, 8, 8)))[0][2]:item()
    assert.is_true(math.abs(p.map:sum():item() - change) < 1e-2 * math.max(1, math.abs(change)))
    assert.is_true(p.error < 1e-2 * math.max(1, math.abs(change)))
    local score = (m(x:unsqueeze(0))[0][1] - m[8].bias[1]):item()
    assert.is_true(math.abs(vis.hirescam(m, x, {class = 1}).map:sum():item() - score) < 1e-4)
  end)

  it("see the shape in a picture", function()
    local m = suture.open "examples/shapes-resnet20.safetensors"
    local x = suture.data.shapes({n = 1, split = "val", transform = m}):batch {0, 2, 5}
    assert.same({3, 32, 32}, {table.unpack(vis.gradcam(m, x):tensor().shape)})
  end)

  it("say what is wrong", function()
    local m, x = small():eval(), suture.randn(3, 8, 8)
    fails("expects a model first", vis.gradcam, x, x)
    fails("expects a picture", vis.gradcam, m)
    fails("expects a picture (C, H, W)", vis.gradcam, m, suture.randn(8, 8))
    fails("0 to 3", vis.gradcam, m, x, {class = 4})
    fails("have no names", vis.gradcam, m, x, {class = "bee"})
    fails("no module '9'", vis.gradcam, m, x, {layer = "9"})
    fails("no map of the picture", vis.gradcam, m, x, {layer = "8"})
    fails("no part of the model", vis.gradcam, m, x, {layer = nn.ReLU()})
    fails("no method", vis.gradcam, m, x, {method = "cam"})
    fails("no option 'klass'", vis.gradcam, m, x, {klass = 1})
    fails("takes no layer", vis.fullgrad, m, x, {layer = "0"})
    fails("alpha", vis.gradcam, m, x, {alpha = 2})
    fails("gives classes", vis.gradcam, nn.Conv2d(3, 2, 3), x)
    fails("no layer of this model", vis.gradcam, nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), x)
    fails("expects 3 channels", vis.gradcam, m, suture.randn(1, 8, 8))
    fails("does not fit pictures", vis.occlusion, m, x, {size = 9})
    fails("would leave pixels out", vis.occlusion, m, x, {size = 2, stride = 3})
    fails("baseline expects", vis.integrated_gradients, m, x, {baseline = suture.zeros(3, 4, 4)})
    fails("no ReLU", vis.guided_backprop, nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), x)
    fails("no attention", vis.attention, m, x)
    fails("no attention", vis.rollout, m, x)
  end)
end)
