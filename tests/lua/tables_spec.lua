-- save(table, path) and open(path): tables of tensors, numbers, strings and models.
local suture = require "suture"
local kit = require "kit"
local nn, tensor, optim = suture.nn, suture.tensor, suture.optim
local fails = kit.fails

describe("a table in a file", function()
  local folder
  setup(function() folder = kit.temp_folder() end)
  teardown(function() kit.run("rm -r " .. folder) end)
  before_each(function() suture.seed(4) end)

  for _, ending in ipairs {"pth", "safetensors"} do
    local function through(t)
      local path = folder .. "/t." .. ending
      suture.save(t, path)
      return suture.open(path)
    end

    it("comes back with its numbers, texts, truth and order: " .. ending, function()
      local t = {
        epoch = 3, rate = 0.1, whole = 2.0, big = 1 << 60, minus = -70000, name = "häß \"\\\n", bytes = "\xff\0\1", yes = true,
        no = false, inf = math.huge, list = {1, "two", {three = 3}}, [7] = "seven", [-1] = 1, [0.5] = "half", [true] = 1, empty = {},
        deep = {{{{{{1}}}}}},
      }
      local o = through(t)
      assert.same(t, o)
      assert.same({"integer", "float", "integer"}, {math.type(o.epoch), math.type(o.whole), math.type(o.big)})
      assert.is_true(through({nan = 0 / 0}).nan ~= through({nan = 0 / 0}).nan)
      assert.same({1, {x = 2}}, through {1, {x = 2}})
      assert.same({}, through {})
    end)

    it("comes back with its tensors, shared where they were: " .. ending, function()
      local w = suture.randn(3, 4)
      local inner = {w = w}
      local o = through {w = w, again = w, a = inner, b = inner, row = w[1], turned = w:t(), columns = w:narrow(1, 1, 2),
        steps = w[{":", "::2"}], flat = w:reshape(12), ids = tensor {1, 2, 3}, mask = tensor {true, false}, one = tensor(2.5),
        none = suture.zeros(0, 3), kernel = suture.randn(2, 3, 2, 2)}
      assert.is_true(rawequal(o.w, o.again) and rawequal(o.w, o.a.w) and o.a == o.b)
      assert.same({"int64", "bool", "float32"}, {o.ids.dtype, o.mask.dtype, o.one.dtype})
      assert.same({1, 2, 3}, o.ids:tolist())
      assert.same({true, false}, o.mask:tolist())
      assert.equal("(0, 3)", tostring(o.none.shape))
      assert.same({w:t():tolist(), w[1]:tolist(), w:narrow(1, 1, 2):tolist(), w[{":", "::2"}]:tolist()},
        {o.turned:tolist(), o.row:tolist(), o.columns:tolist(), o.steps:tolist()})
      o.w:fill_(5)
      for _, name in ipairs {"row", "turned", "columns", "steps", "flat"} do
        assert.equal(5 * o[name]:numel(), o[name]:sum():item(), name)
      end
    end)

    it("has models as they were, and what two of them share: " .. ending, function()
      local a, b = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Linear(2, 3)
      b.weight = a[0].weight
      a:freeze("1")
      a(suture.randn(4, 2))
      a.classes = {"x", "y"}
      local o = through {net = a, other = b, epoch = 1}
      assert.is_true(nn.is_module(o.net) and o.net[1]._frozen)
      assert.same({"x", "y"}, o.net.classes)
      assert.is_nil(kit.first_difference(kit.copies(a), kit.copies(o.net)))
      assert.is_true(rawequal(o.net[0].weight, o.other.weight))
    end)

    it("takes up training where it was: " .. ending, function()
      local function make() return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)) end
      local function train(m, opt, x)
        opt:zero_grad()
        m(x):pow(2):sum():backward()
        opt:step()
      end
      for _, kind in ipairs {"Adam", "SGD"} do
        local function optimizer(m) return optim[kind](m:parameters(), kind == "SGD" and {lr = 0.1, momentum = 0.9} or {lr = 0.1}) end
        local m, x = make(), suture.randn(5, 3)
        local opt = optimizer(m)
        train(m, opt, x)
        local o = through {model = m:state_dict(), optimizer = opt:state_dict(), epoch = 1}
        local n = make()
        local again = optimizer(n)
        n:load_state_dict(o.model)
        again:load_state_dict(o.optimizer)
        for _ = 1, 2 do train(m, opt, x) train(n, again, x) end
        assert.is_nil(kit.first_difference(kit.copies(m), kit.copies(n)))
      end
    end)
  end

  it("refuses by name what no file can hold, and leaves the old file", function()
    local path = folder .. "/old.pth"
    suture.save({a = 1}, path)
    local opt = optim.SGD(nn.Linear(1, 1):parameters(), {lr = 1})
    fails("save: a.b[1] is", suture.save, {a = {b = {io.stdout}}}, path)
    fails("its state_dict() is a table that can", suture.save, {opt = opt}, path)
    local circle = {}
    circle.me = circle
    fails("me is a table that holds itself", suture.save, circle, path)
    fails("as a key", suture.save, {[{}] = 1}, path)
    fails("the ending says the format", suture.save, {}, folder .. "/x.json")
    fails("save_tensor(x", suture.save, tensor {1}, path)
    fails("expects a table or a module, got 5", suture.save, 5, path)
    assert.same({a = 1}, suture.open(path))
  end)

  it("is also what save(m, path) and m:save(path) write of a model", function()
    suture.save(nn.Linear(2, 3), folder .. "/m.pth")
    assert.equal(3, suture.open(folder .. "/m.pth").out_features)
    assert.same({"weight", "bias"}, suture.open(folder .. "/m.pth", {state = true}):keys())
    assert.equal(3, suture.open(folder .. "/m.pth", {state = "all"}).out_features)
  end)
end)

describe("files of models", function()
  local folder
  setup(function() folder = kit.temp_folder() end)
  teardown(function() kit.run("rm -r " .. folder) end)

  for _, ending in ipairs {"pth", "safetensors"} do
    it("hold a model without numbers: " .. ending, function()
      nn.Sequential():save(folder .. "/e." .. ending)
      assert.equal(0, #suture.open(folder .. "/e." .. ending))
      nn.Sequential(nn.ReLU()):save(folder .. "/e." .. ending)
      assert.equal(1, #suture.open(folder .. "/e." .. ending))
    end)

    it("keep buffers tied that were: " .. ending, function()
      local m = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2))
      m[1]:register_buffer("running_mean", m[0].running_mean)
      m[1].weight = m[0].weight
      m:save(folder .. "/b." .. ending)
      local o = suture.open(folder .. "/b." .. ending)
      assert.is_true(rawequal(o[0].running_mean, o[1].running_mean) and rawequal(o[0].weight, o[1].weight))
      assert.is_false(rawequal(o[0].running_var, o[1].running_var))
    end)
  end

  it("may leave out the other names of a tied tensor", function()
    local m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    m[1].weight = m[0].weight
    local sd = m:state_dict()
    local part = {["1.weight"] = suture.ones(2, 2), ["0.bias"] = sd["0.bias"], ["1.bias"] = sd["1.bias"]}
    assert.same({missing = {}, unexpected = {}}, m:load_state_dict(part))
    assert.same({{1, 1}, {1, 1}}, m[0].weight:tolist())
    part["0.bias"] = nil
    fails("0.bias", m.load_state_dict, m, part)
  end)

  it("in which nothing fits are told, strict or not", function()
    nn.Sequential(nn.Linear(4, 4)):save(folder .. "/x.safetensors")
    local W = nn.class "Named"
    function W:init() self.w = nn.Linear(4, 4) end
    local m = W()
    fails("no name fits, and nothing would be loaded", suture.open, folder .. "/x.safetensors", {model = m, strict = false})
    fails("the file's 0.weight fits", m.load_state_dict, m, suture.open(folder .. "/x.safetensors", {state = true}), {strict = false})
    local r = m:load_state_dict({["w.bias"] = suture.ones(4), other = suture.ones(1)}, {strict = false})
    assert.same({missing = {"w.weight"}, unexpected = {"other"}}, r)
  end)
end)

describe("an optimizer's state", function()
  it("is taken whole or not at all", function()
    local m = nn.Linear(2, 2)
    local opt = optim.Adam(m:parameters(), {lr = 0.1})
    m(suture.ones(1, 2)):sum():backward()
    opt:step()
    local before = opt:state_dict()
    for text, break_it in pairs {
      ["exp_avg of parameter 2"] = function(sd) sd.state[1].exp_avg = suture.zeros(3) end,
      ["step of parameter 2"] = function(sd) sd.state[1].step = -1 end,
      ["no option 'nope'"] = function(sd) sd.state[1].nope = suture.zeros(2) end,
      ["lr expects"] = function(sd) sd.param_groups[1].lr = -1 end,
      ["novel = true"] = function(sd) sd.param_groups[1].novel = true end,
      ["a parameter 5 that no group has"] = function(sd) sd.state[5] = {} end,
      ["2 parameters here, 1 in the state"] = function(sd) sd.param_groups[1].params = {0} end,
      ["1 groups here, 2 in the state"] = function(sd) sd.param_groups[2] = {params = {}} end,
    } do
      local sd = opt:state_dict()
      sd.state[0].exp_avg:fill_(9)
      break_it(sd)
      fails(text, opt.load_state_dict, opt, sd)
      assert.same(before.state[0].exp_avg:tolist(), opt:state_dict().state[0].exp_avg:tolist())
      assert.equal(0.1, opt.param_groups[1].lr)
    end
  end)

  it("is read as torch.optim lays it out", function()
    local m = nn.Linear(2, 2)
    local opt = optim.SGD(m:parameters(), {lr = 0.1, momentum = 0.5})
    opt:load_state_dict {
      state = {[0] = {momentum_buffer = suture.ones(2, 2)}},
      param_groups = {{lr = 0.2, momentum = 0.9, dampening = 0, weight_decay = 0, nesterov = false, maximize = false,
        differentiable = false, initial_lr = 0.2, params = {0, 1}}},
    }
    local w = m.weight:clone():detach()
    m(suture.ones(1, 2)):sum():backward()
    opt:step()
    assert.is_true((m.weight - (w - 0.2 * (0.9 + 1))):abs():max():item() < 1e-6)
  end)
end)

describe("clipping gradients", function()
  it("takes lists, iterators and other norms, twice too", function()
    local l = nn.Linear(2, 2)
    local function fresh() l:zero_grad() l(suture.ones(1, 2)):sum():backward() return l:parameters() end
    local clip = nn.utils.clip_grad_norm_
    local ps = fresh()
    assert.near(math.sqrt(6), clip(ps, 1), 1e-5)
    assert.near(1, clip(ps, 1), 1e-4)
    fresh()
    local i = 0
    assert.near(math.sqrt(6), clip(function() i = i + 1 return ps[i] end, 1), 1e-5)
    fresh()
    assert.near(6, clip(ps, 3, 1), 1e-5)
    assert.near(3, clip(ps, 30, 1), 1e-4)
    fresh()
    assert.near(1, clip(ps, 0.5, "inf"), 1e-6)
    assert.near(0.5, l.weight.grad:max():item(), 1e-5)
    fails("m:parameters()", clip, l, 1)
    fails("parameter 1 is 5", clip, {5}, 1)
    fails("norm_type expects", clip, ps, 1, "nuc")
  end)
end)

describe("BatchNorm with statistics taken away", function()
  it("says which it lacks", function()
    local m = nn.BatchNorm2d(3, {track_running_stats = false})
    local x = suture.randn(2, 3, 2, 2)
    m:register_buffer("running_mean", suture.zeros(3))
    fails("a running_mean without a running_var", m, x)
    m:register_buffer("running_var", suture.ones(3))
    assert.equal(2, m(x):size(0)) -- nothing counts its batches, nor has it to
    m:reset_running_stats()
    m:register_buffer("running_mean", nil)
    m:eval()
    fails("a running_var without a running_mean", m, x)
  end)
end)
