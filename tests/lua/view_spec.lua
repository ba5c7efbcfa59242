-- Views against golden files: tests/lua/golden/NAME.txt. GOLDEN=write busted tests/lua/view_spec.lua writes them anew.
local suture = require "suture"
local nn, F, zoo = suture.nn, suture.F, suture.zoo
local text = require "suture.base.text"
local here = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$"

local function golden(name, got)
  local path = here .. "/golden/" .. name .. ".txt"
  got = tostring(got) .. "\n"
  if os.getenv "GOLDEN" == "write" then
    local f = assert(io.open(path, "w"))
    f:write(got)
    f:close()
  end
  local f = assert(io.open(path))
  local want = f:read "a"
  f:close()
  assert.equal(want, got)
end

local function fails(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, err)
end

local Residual = nn.class "Residual"
function Residual:init(c)
  self.conv_block = nn.Sequential(nn.Conv2d(c, c, 3, {padding = 1}), nn.ReLU(), nn.Conv2d(c, c, 3, {padding = 1}))
  self.relu = nn.ReLU()
end
function Residual:forward(x) return self.relu(self.conv_block(x) + x) end

describe("views of resnet18", function()
  local m
  setup(function()
    text.unicode(true)
    text.width(math.huge)
    m = nn.init.skip(zoo.resnet18)
  end)
  teardown(function()
    text.unicode "auto"
    text.width(false)
  end)

  it("tree", function() golden("resnet18_tree", m) end)
  it("summary", function() golden("resnet18_summary", m:summary()) end)
  it("graph", function() golden("resnet18_graph", m:graph():text(100)) end)
  it("graph in modules", function() golden("resnet18_graph_depth1", m:graph{depth = 1}) end)
  it("graph of a part", function() golden("resnet18_graph_layer2", m:graph "layer2") end)
  it("graph with kernels", function()
    local shown = tostring(m:graph{at = "layer1", kernels = true})
    golden("resnet18_graph_kernels", (shown:gsub("memory [%d.]+ MB", "memory so much"))) -- scratch differs with the instruction set
  end)
  it("audit", function() golden("resnet18_audit", m:audit()) end)
  it("cost", function()
    local r = m:cost(16)
    assert.equal(16 * 1814073344, r.macs)
    assert.equal(11689512, r.params)
    assert.is_true(r.inference_bytes < r.training_bytes)
    assert.matches("multiply%-adds +29%.0 G", tostring(r))
  end)

  it("cost of a small network is that of its values, whatever scratch its kernels want", function()
    local s = nn.Sequential(nn.Conv2d(1, 2, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 2))
    local c = s:cost(1, {input = {1, 1, 8, 8}})
    -- 128 numbers behind the convolution, 32 behind the pool, 2 at the end, and as many gradients at most; places are of 128 bytes
    assert.is_true(c.inference_bytes <= 4 * (128 + 32 + 2) + 3 * 128, c.inference_bytes)
    assert.is_true(c.training_bytes <= 2 * 4 * (64 + 128 + 32 + 2 + 86) + 24 * 128, c.training_bytes)
    assert.is_true(c.scratch_bytes > 0)
    assert.equal(c.scratch_bytes >= 2 ^ 20, tostring(c):find("\nscratch") ~= nil)
    local r = m:cost(16)
    assert.equal(r.scratch_bytes >= 2 ^ 20, tostring(r):find("\nscratch") ~= nil)
  end)

  it("frozen but for a new head", function()
    local f = nn.init.skip(zoo.resnet18)
    f:freeze()
    f.fc = nn.Linear(512, 2)
    golden("resnet18_frozen_tree", f)
    golden("resnet18_frozen_graph", f:graph{depth = 1})
    golden("resnet18_frozen_summary", f:summary{depth = 1})
    local all, r = m:cost(8), f:cost(8)
    assert.is_true(r.frontier_bytes < all.frontier_bytes / 3)
    assert.equal(1026, r.trainable)
  end)

  it("narrow and plain", function()
    golden("resnet18_graph_60", m:graph{depth = 1}:text(60))
    for line in m:graph():text(60):gmatch "[^\n]+" do assert.is_true(text.columns(line) <= 60, line) end
    text.unicode(false)
    golden("resnet18_graph_ascii", m:graph():text(100))
    assert.is_nil(tostring(m:audit()):find "[\x80-\xff]")
    assert.is_nil(tostring(m):find "[\x80-\xff]")
    assert.is_nil(tostring(m:summary()):find "[\x80-\xff]")
    text.unicode(true)
  end)
end)

describe("graph", function()
  setup(function() text.unicode(true) end)
  teardown(function() text.unicode "auto" end)

  it("draws a block typed at the prompt, from plain numbers", function()
    golden("residual_graph", Residual(64):graph(1, 64, 32, 32):text(100))
  end)

  it("draws branches, shared modules and two results", function()
    local Net = nn.class "Net"
    function Net:init()
      self.a = nn.Conv2d(3, 4, 1)
      self.b = nn.Conv2d(3, 4, 3, {padding = 1})
      self.c = nn.Conv2d(3, 4, 1)
      self.head = nn.Linear(12, 2)
    end
    function Net:forward(x)
      local y = suture.tensor.cat({self.a(x), F.relu(self.b(x)), self.c(x * 0.5)}, 1)
      y = y:mean {2, 3}
      return self.head(y), self.head(y * 2)
    end
    golden("branches_graph", Net():graph(2, 3, 8, 8):text(100))
  end)

  it("computes nothing and leaves no trace", function()
    local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 36, 2))
    suture.seed(3)
    local first = suture.randn(1):item()
    suture.seed(3)
    local g = m:graph(1, 3, 8, 8)
    m:cost(4, {input = {1, 3, 8, 8}})
    assert.equal(first, suture.randn(1):item())
    assert.equal(0, m[1].num_batches_tracked:item())
    assert.same({0, 0, 0, 0}, m[1].running_mean:tolist())
    assert.is_true(m.training and m[1].training)
    local ops = {}
    for _, n in ipairs(g.nodes) do ops[#ops + 1] = n.class or n.op end
    assert.same({"Conv2d", "BatchNorm2d", "Dropout", "Flatten", "Linear"}, ops)
    m:eval()
    assert.equal(5, #m:graph(1, 3, 8, 8)) -- with the input, without dropout
  end)

  it("shows how far a model came that does not fit", function()
    local m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2))
    local g = m:graph(1, 3, 8, 8)
    assert.matches("2: Linear expects 7 features.*144.*from 1", g.error)
    assert.equal(3, #g)
    assert.matches("✗ 2: Linear expects 7", g:text(200))
  end)

  it("gives nodes to scripts and files", function()
    local g = nn.init.skip(zoo.resnet18):graph "layer2"
    local last = g.nodes[#g.nodes]
    assert.equal("layer2.1.relu", last.path)
    assert.equal(2, last.run)
    assert.same({1, 128, 28, 28}, last.shape)
    for _, ending in ipairs {"json", "dot", "svg", "html", "txt"} do
      local path = os.tmpname() .. "." .. ending
      assert.equal(path, g:save(path))
      local f = io.open(path)
      local s = f:read "a"
      f:close()
      os.remove(path)
      assert.matches("layer2.0.downsample.0", s, 1, true)
      if ending == "json" then
        local t = suture.core.json.decode(s)
        assert.equal(#g.nodes, #t.nodes)
        assert.equal("layer2.0.conv1", t.nodes[2].path)
        assert.equal(1, t.nodes[2].inputs[1])
      end
    end
    fails("ending says the format.*did you mean svg", g.save, g, "x.svgg")
    fails("No such file", g.save, g, "/nowhere/x.svg")
  end)

  it("says what is wrong with what it was given", function()
    local m = nn.Linear(3, 2)
    fails("what goes in", m.graph, m)
    fails("depth expects a whole number", m.graph, m, {depth = -1, input = {1, 3}})
    fails("no option 'dept'.*did you mean depth", m.graph, m, {dept = 1})
    local net = Residual(4)
    fails("no module 'rel' in Residual.*did you mean relu", net.graph, net, {at = "rel", input = {1, 4, 8, 8}})
    fails("expects a shape", m.graph, m, {input = "big"})
  end)

  it("knows the shape a model was called with", function()
    local m = nn.Linear(3, 2)
    m(suture.zeros(5, 3))
    assert.same({{1, 3}}, m:graph().inputs)
  end)
end)

describe("graph, folded", function()
  local function drawn(g)
    local params, macs, rows = 0, 0, 0
    for _, n in ipairs(g.drawn) do
      params, macs, rows = params + n.params, macs + n.macs, rows + (n.folds or 1)
    end
    assert.same({g.params, g.macs, #g.nodes}, {params, macs, rows})
    return g:text(200)
  end

  it("draws repeats as one row where a graph is long", function()
    local m = zoo.cifar_resnet56()
    local whole, g = m:graph{fold = false}, m:graph()
    assert.equal(#whole.nodes, #g.nodes)
    assert.same(whole.nodes, g.nodes)
    local s = drawn(g)
    assert.matches("● │ +layer1.1.conv1 +Conv2d", whole:text(200))
    assert.matches("layer1.1…8 +BasicBlock × 8 +1×16×32×32 +37,376 ", s)
    assert.matches("layer3.2…8 +BasicBlock × 7 ", s) -- the stage's first is another, its second is drawn
    assert.is_nil(s:find("layer1.1.conv1", 1, true))
    assert.matches(("%d rows, folded to %%d+ · "):format(g.ops), s)
    assert.is_nil(whole:text(200):find("folded", 1, true))
    assert.is_nil(m:graph{depth = 2}:text(200):find("folded", 1, true))
    assert.matches("layer1.0…8 +BasicBlock × 9 ", drawn(m:graph{depth = 2, fold = true}))
    assert.matches("layer1.1…8 +BasicBlock × 8 ", drawn(m:graph{at = "layer1", fold = true}))
    assert.is_false(zoo.cifar_resnet20():graph().folded)
    m:freeze "layer1.4" -- frozen is another way of running
    assert.matches("❄ +layer1.4.conv1 ", drawn(m:graph()))
  end)

  it("folds blocks that take turns", function()
    assert.matches("features.5.2…5 +SwinTransformerBlock × 4 ", drawn(zoo.swin_t():graph()))
    local a = function() return nn.Sequential(nn.Linear(4, 4), nn.ReLU()) end
    local list = {}
    for i = 1, 8 do list[i] = i % 2 == 1 and a() or nn.ResidualBlock(nn.Linear(4, 4)) end
    assert.matches("2…7 +%(Sequential, ResidualBlock%) × 3 ", drawn(nn.Sequential(table.unpack(list)):graph(1, 4, {fold = true})))
  end)

  it("draws what is used from outside, and repeats of two", function()
    local Taps = nn.class "Taps"
    function Taps:init()
      self.blocks = nn.ModuleList {}
      for _ = 1, 4 do self.blocks:append(nn.Sequential(nn.Linear(4, 4), nn.ReLU())) end
    end
    function Taps:forward(x)
      local y = {}
      for i = 1, 4 do
        x = self.blocks[i - 1](x)
        y[i] = x
      end
      return y[1] + y[2] + y[3] + y[4]
    end
    assert.is_false(Taps():graph(1, 4, {fold = true}).folded)
    assert.is_false(zoo.resnet18():graph{fold = true}.folded)
    fails("graph: fold expects true or false, got 3", Residual(8).graph, Residual(8), 1, 8, 8, 8, {fold = 3})
  end)

  it("saves pictures as drawn and numbers whole", function()
    local g, name = zoo.cifar_resnet56():graph(), os.tmpname()
    os.remove(name)
    for _, ending in ipairs {"svg", "dot", "txt", "json"} do
      g:save(name .. "." .. ending)
      local f = assert(io.open(name .. "." .. ending))
      local s = f:read "a"
      f:close()
      os.remove(name .. "." .. ending)
      assert.equal(ending ~= "json", s:find("BasicBlock × 8", 1, true) ~= nil, ending)
      assert.equal(ending == "json", s:find("layer1.5.conv1", 1, true) ~= nil, ending)
    end
  end)
end)

describe("graph with kernels", function()
  setup(function() text.unicode(true) end)
  teardown(function() text.unicode "auto" end)

  it("says per node what runs: fused, by which algorithm, or nothing", function()
    local m = nn.Sequential(nn.Conv2d(32, 32, 3, {padding = 1}), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.Flatten(), nn.Linear(32 * 32 * 32, 2))
    local g = m:graph(1, 32, 32, 32, {kernels = true})
    local got = {}
    for i, n in ipairs(g.nodes) do got[i] = n.kernel end
    assert.same({"", "conv2d + bn + relu · winograd 4x4", "in 0", "in 0", "conv2d · implicit gemm", "layout", "linear"}, got)
    assert.equal(4, #g.kernels)
    assert.matches("conv2d %+ bn %+ relu · winograd 4x4\n", g:text(200))
    assert.matches("4 steps, memory", g:text(200))
    for line in g:text(80):gmatch "[^\n]+" do assert.is_true(text.columns(line) <= 80, line) end
    assert.equal("conv2d · grouped", nn.Conv2d(32, 32, 3, {groups = 32}):graph(1, 32, 8, 8, {kernels = true}).nodes[2].kernel)
    assert.matches("^4 steps · ", m:graph{depth = 0, input = {1, 32, 32, 32}, kernels = true}.nodes[2].kernel)
  end)

  it("says what is computed of a value that is read in part", function()
    local m = zoo.vit_b_32 {image_size = 64, num_layers = 2}
    local got = {}
    for i = 0, 1 do
      local list = {}
      for _, n in ipairs(m:graph{input = {3, 3, 64, 64}, at = "encoder.layers.encoder_layer_" .. i, kernels = true}.nodes) do list[#list + 1] = n.kernel end
      got[i] = list
    end
    local at = "in encoder.layers.encoder_layer_%d.%s"
    assert.same({"", "layer_norm", "linear", "packed_attention", "linear + add", at:format(0, "self_attention.out_proj"), "layer_norm", "linear + gelu",
      at:format(0, "mlp.0"), "linear + add", at:format(0, "mlp.3")}, got[0])
    assert.same({"", "layer_norm", "linear · only 3×1×768, linear · only 3×5×1536", "permute, scaled_dot_product_attention", "linear + add · only 3×1×768",
      at:format(1, "self_attention.out_proj"), "layer_norm · only 3×1×768", "linear + gelu · only 3×1×3072", at:format(1, "mlp.0"),
      "linear + add · only 3×1×768", at:format(1, "mlp.3")}, got[1])
    local swin = {} -- where all is read
    for _, n in ipairs(zoo.swin_t {}:graph{at = "features.1.0", kernels = true}.nodes) do swin[n.op or "input"] = n.kernel end
    assert.equal("layout, packed_attention", swin.packed_attention)
  end)
end)

describe("profile", function()
  local function net()
    suture.seed(1)
    local m = nn.Sequential(nn.Conv2d(3, 16, 3, {padding = 1}), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16 * 64, 4))
    m.input_shape = {1, 3, 8, 8}
    return m
  end
  local function passes(p)
    local list = {}
    for i, r in ipairs(p.rows) do list[i] = ("%s %s %s"):format(r.pass, r.path, r.step) end
    return list
  end

  -- of 8 × 8 pixels, which are narrower than the tile of a direct product with 32 registers: of one picture forward, of two the gradient
  local forward, gradient = "direct", "direct"
  if suture.isa == "avx512" or suture.isa == "neon" then forward, gradient = "winograd 2x2", "winograd 4x4" end

  it("times every step that runs, and counts what m:cost counts", function()
    local m = net()
    local p = m:profile{runs = 2}
    local names, seconds, macs, share = {}, p.between, 0, p.between / p.seconds
    for i, s in ipairs(m:eval():graph{kernels = true}.kernels) do names[i] = ("forward %s %s"):format(s.path, require "suture.view.kernels".words(s)) end
    assert.same(names, passes(p))
    for _, r in ipairs(p.rows) do
      assert.is_true(r.seconds > 0 and r.bytes > 0 and r.of_peak > 0)
      assert.equal(r.macs == 0 and "memory" or r.bound, r.bound)
      seconds, macs, share = seconds + r.seconds, macs + r.macs, share + r.share
    end
    assert.is_true(math.abs(seconds - p.seconds) < 1e-9 and math.abs(share - 1) < 1e-9)
    assert.equal(m:cost().macs, macs)
    assert.equal(macs, p.macs)
    assert.equal("conv2d + bn + relu", p.rows[1].step)
    assert.equal(forward, p.rows[1].algorithm)
    assert.equal(2, p.runs)
    assert.same({16, 3, 8, 8}, m:profile(16, 3, 8, 8, {runs = 1}).inputs[1])
    assert.equal(16 * macs, m:profile(suture.randn(16, 3, 8, 8)).macs)
    assert.equal(#p.rows, #suture.core.json.decode(suture.core.json.encode(p.rows)))
  end)

  it("profiles a training step: backward steps have their modules and algorithms", function()
    local m = net()
    local p = m:profile(2, 3, 8, 8, {train = true, runs = 1})
    local backward = {}
    for _, r in ipairs(p.rows) do
      if r.pass == "backward" then backward[r.path .. " " .. r.op] = r.algorithm or "one" end
    end
    assert.equal(gradient, backward["0 conv2d_dw"])
    assert.equal("one", backward["2 relu_dx"])
    assert.is_nil(backward["0 conv2d_dx"]) -- the input asks for no gradient
    assert.is_true(p.forward > 0 and p.backward > 0)
    assert.matches("\n0 +← +conv2d_dw +" .. gradient, p:text(200))
    m[0]:freeze()
    assert.is_nil(table.concat(passes(m:profile{train = true, runs = 1}), "\n"):find "conv2d_dw")
    m:freeze()
    fails("nothing trains", m.profile, m, {train = true})
  end)

  it("leaves the model as it was", function()
    local m = net()
    m[2]:eval()
    suture.F.cross_entropy(m(suture.randn(2, 3, 8, 8)), {0, 1}):backward()
    m[5].bias.grad = nil
    local mean, grad, steps = m[1].running_mean:tolist(), m[0].weight.grad, m[1].num_batches_tracked:item()
    local numbers = grad:sum():item()
    suture.seed(7)
    local drawn = suture.randn(1):item()
    suture.seed(7)
    m:profile{train = true, runs = 2}
    m:profile{runs = 1}
    assert.equal(drawn, suture.randn(1):item())
    assert.same(mean, m[1].running_mean:tolist())
    assert.equal(steps, m[1].num_batches_tracked:item())
    assert.equal(grad, m[0].weight.grad)
    assert.equal(numbers, m[0].weight.grad:sum():item())
    assert.is_nil(m[5].bias.grad)
    assert.is_true(m.training and m[1].training)
    assert.is_false(m[2].training)
    assert.same({1, 3, 8, 8}, m:graph().inputs[1])
  end)

  it("folds to modules and sorts by time", function()
    local m = nn.Sequential(Residual(16), Residual(16))
    local all, folded, sorted = m:profile(1, 16, 32, 32), m:profile(1, 16, 32, 32, {depth = 1}), m:profile({1, 16, 32, 32}, {by = "time"})
    assert.same({"0", "1"}, {folded.rows[1].path, folded.rows[2].path})
    assert.equal(#all.rows, folded.rows[1].steps + folded.rows[2].steps)
    assert.equal("2 steps", folded.rows[1].step)
    assert.equal("2 winograd 4x4", folded.rows[1].algorithm)
    assert.equal(all.macs, folded.macs)
    for i = 2, #sorted.rows do assert.is_true(sorted.rows[i].seconds <= sorted.rows[i - 1].seconds) end
  end)

  it("fits the terminal", function()
    local p = nn.init.skip(zoo.resnet18):profile(2, 3, 32, 32, {runs = 1, train = true})
    for _, width in ipairs {60, 80, 120} do
      for line in p:text(width):gmatch "[^\n]+" do assert.is_true(text.columns(line) <= width, line) end
    end
    text.unicode(false)
    assert.is_nil(p:text(120):find "[\x80-\xff]")
    text.unicode "auto"
  end)

  it("says what is wrong with what it was given", function()
    local m = net()
    fails("runs expects a whole number above 0, got 0", m.profile, m, {runs = 0})
    fails('by expects "time"', m.profile, m, {by = "name"})
    fails("no option 'trian'.*did you mean train", m.profile, m, {trian = true})
    fails("expects an input shape", m.profile, m, "0")
    fails("what goes in", m.profile, nn.Linear(2, 2))
  end)
end)

describe("audit", function()
  it("finds what does not run, what is not used, and what runs outside its module", function()
    local Odd = nn.class "Odd"
    function Odd:init()
      for _, name in ipairs {"used", "idle", "bare"} do self[name] = nn.Linear(4, 4) end
      self.lost = nn.ReLU()
      self.same = nn.Identity()
      self.scale = nn.Parameter(suture.ones(4))
      self.spare = nn.Parameter(suture.ones(4))
    end
    function Odd:forward(x)
      self.lost(x)
      return self.same(F.linear(self.used(x), self.bare.weight, self.bare.bias) * self.scale)
    end
    local a = Odd():audit {1, 4}
    assert.same({"idle"}, a.never_run)
    assert.same({"bare"}, a.borrowed)
    assert.is_truthy(tostring(a):find("bare: its weights are used though the module does not run", 1, true))
    assert.same({"bare.weight", "bare.bias"}, a.outside)
    assert.same({"same"}, a.no_op)
    assert.same({"lost"}, a.for_nothing)
    local unused = {}
    for _, p in ipairs(a.unused) do unused[#unused + 1] = p.path end
    assert.same({"spare", "idle.weight", "idle.bias"}, unused)
    local kinds = {}
    for _, f in ipairs(a.functional) do kinds[f.op] = f.count end
    assert.same({linear = 1, mul = 1}, kinds)
    assert.matches("1 module never run: idle", tostring(a))
  end)

  it("tells what runs only in training from what never runs", function()
    local m = nn.init.skip(suture.zoo.googlenet)
    local all, seen = #m:named_modules() - 1, m:audit()
    assert.same({all, 0, 0}, {seen.ran, #seen.never_run, #seen.in_training})
    m:eval()
    seen = m:audit()
    assert.same({all - 14, 0, 14, 0}, {seen.ran, #seen.never_run, #seen.in_training, #seen.unused})
    assert.matches("14 modules run only in training: aux1 aux1.conv", tostring(seen))
    assert.is_false(m.training)
    m:train():freeze() -- and in training nothing frozen does what training does
    assert.equal(14, #m:audit().never_run)
  end)
end)

describe("activations", function()
  it("names what modules gave", function()
    local m = Residual(2):eval()
    local x = suture.randn(1, 2, 4, 4)
    local got = m:activations(x, "conv_block*")
    assert.same({"conv_block", "conv_block.0", "conv_block.1", "conv_block.2"}, got:keys())
    assert.equal(got["conv_block.2"]:sum():item(), m.conv_block(x):sum():item())
    fails("nothing in Residual is called 'conv'.*", m.activations, m, x, "conv")
    fails("expects a tensor", m.activations, m, 3)
  end)
end)

describe("diff", function()
  it("tells structure, names, shapes and numbers apart", function()
    local a, b = Residual(2), Residual(2)
    b:load_state_dict(a:state_dict())
    assert.matches("no difference", tostring(suture.diff(a, b)))
    b.conv_block[0].weight:add_(0.25)
    b.conv_block[2] = nn.Conv2d(2, 2, 1)
    b.extra = nn.Linear(1, 1)
    local d = suture.diff(a, b)
    assert.equal("conv_block.2", d.structure[1].path)
    assert.same({"extra.weight", "extra.bias"}, d.only_b)
    assert.equal("conv_block.2.weight", d.shapes[1].name)
    assert.equal("conv_block.0.weight", d.values[1].name)
    assert.is_true(math.abs(d.values[1].max - 0.25) < 1e-6)
    fails("expects two models or state dicts", suture.diff, a, 3)
  end)
end)
