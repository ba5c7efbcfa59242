local suture = require "suture"
local nn, F, optim, tensor = suture.nn, suture.F, suture.optim, suture.tensor

local near = require("kit").near

local fails = require("kit").fails

local function run(make, steps)
  local w = tensor({1.0}, {requires_grad = true})
  local opt = make {w}
  for _ = 1, steps do
    opt:zero_grad();
    (w * w):sum():backward()
    opt:step()
  end
  return w:item()
end

describe("optimizers", function()
  it("follow torch.optim's formulas", function()
    near(0.8, run(function(p) return optim.SGD(p, {lr = 0.1}) end, 1))
    -- v1 = 2, w1 = 0.8; v2 = 0.9·2 + 1.6 = 3.4, w2 = 0.46
    near(0.46, run(function(p) return optim.SGD(p, {lr = 0.1, momentum = 0.9}) end, 2))
    -- nesterov: g + 0.9 v: 2 + 1.8 = 3.8
    near(0.62, run(function(p) return optim.SGD(p, {lr = 0.1, momentum = 0.9, nesterov = true}) end, 1))
    near(0.75, run(function(p) return optim.SGD(p, {lr = 0.1, weight_decay = 0.5}) end, 1))
    near(0.9, run(function(p) return optim.Adam(p, {lr = 0.1}) end, 1))
    near(0.99 - 0.1, run(function(p) return optim.AdamW(p, {lr = 0.1, weight_decay = 0.1}) end, 1))
  end)

  it("give torch.optim 1.13's numbers", function()
    local function three(make)
      local w = tensor({1.0, -2.0}, {requires_grad = true})
      local opt = make {w}
      for i = 0, 2 do
        opt:zero_grad();
        (w * w * tensor {1, 0.5} * (1 - 0.6 * i)):sum():backward()
        opt:step()
      end
      return w:tolist()
    end
    local function same(want, make)
      local got = three(make)
      for i = 1, 2 do near(want[i], got[i], 1e-6) end
    end
    same({0.7489339, -1.743628}, function(p) return optim.Adam(p, {lr = 0.1, amsgrad = true, weight_decay = 0.1}) end)
    same({1.243356, -2.240305}, function(p) return optim.AdamW(p, {lr = 0.1, amsgrad = true, maximize = true}) end)
    same({0.441099, -1.420659}, function(p) return optim.RMSprop(p, {lr = 0.05}) end)
    same({0.5002303, -1.481074}, function(p)
      return optim.RMSprop(p, {lr = 0.05, alpha = 0.9, centered = true, momentum = 0.8, weight_decay = 0.1})
    end)
    same({1.523518, -2.425698}, function(p)
      return optim.SGD(p, {lr = 0.1, momentum = 0.9, dampening = 0.3, maximize = true, weight_decay = 0.2})
    end)
  end)

  it("take groups", function()
    local a, b = tensor({1.0}, {requires_grad = true}), tensor({1.0}, {requires_grad = true})
    local opt = optim.SGD({{params = {a}}, {params = {b}, lr = 0.01}}, {lr = 0.1});
    (a + b):sum():backward()
    opt:step()
    near(0.9, a:item())
    near(0.99, b:item())
    assert.equal(2, #opt.param_groups)
    opt.param_groups[1].lr = 1
    opt:step()
    near(-0.1, a:item())
  end)

  it("remember and restore", function()
    suture.seed(6)
    local function make()
      local m = nn.Linear(3, 2)
      return m, optim.Adam(m:parameters(), {lr = 0.05})
    end
    local x, y = suture.randn(8, 3), suture.randn(8, 2)
    local function step(m, opt)
      opt:zero_grad()
      F.mse_loss(m(x), y):backward()
      opt:step()
    end
    local a, oa = make()
    for _ = 1, 3 do step(a, oa) end
    local b, ob = make()
    b:load_state_dict(a:state_dict())
    ob:load_state_dict(oa:state_dict())
    step(a, oa)
    step(b, ob)
    assert.is_true(a.weight:equal(b.weight))
  end)

  it("all train by their names in fit, and lead downhill", function()
    local data, fit = suture.data, suture.fit
    for name in pairs(optim._kinds) do
      suture.seed(2)
      local m = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
      local x = suture.randn(32, 4)
      local y = x:narrow(1, 0, 1):flatten():gt(0):long()
      local ds, before = data.tensors(x, y), F.cross_entropy(m(x), y):item()
      local r = fit(m, ds, {optimizer = name, lr = name == "sgd" and 0.1 or nil, epochs = 8, batch = name == "lbfgs" and 32 or 8,
        quiet = true})
      assert.is_true(r.history[#r.history].loss < before, name)
    end
  end)

  it("refuse what makes no sense", function()
    local p = nn.Linear(2, 2):parameters()
    fails("lr", optim.SGD, p, {})
    fails("lr expects a number", optim.SGD, p, {lr = -1})
    fails("did you mean momentum", optim.SGD, p, {lr = 1, momentun = 0.9})
    fails("nesterov", optim.SGD, p, {lr = 1, nesterov = true})
    fails("betas", optim.Adam, p, {betas = {1, 2}})
    fails("etas expects two numbers", optim.Rprop, p, {etas = {1.5, 1.2}})
    fails("step_sizes expects two numbers, the least", optim.Rprop, p, {step_sizes = {2, 1}})
    fails("no parameters", optim.SGD, {}, {lr = 1})
    fails("not a tensor", optim.SGD, {1}, {lr = 1})
    fails("twice", optim.SGD, {p[1], p[1]}, {lr = 1})
  end)

  it("check a group's fields when they are set", function()
    local w = tensor({1.0}, {requires_grad = true})
    local opt = optim.SGD({w}, {lr = 0.1})
    local group = opt.param_groups[1]
    fails("did you mean lr", function() group.lrr = 1 end)
    fails("did you mean momentum", function() return group.momentun end)
    fails("lr expects a number, 0 or above, got -1", function() group.lr = -1 end)
    fails("nesterov expects true or false", function() group.nesterov = 1 end)
    fails("add_param_group", function() group.params = {} end)
    fails("param_groups[1].lr", function() opt.lr = 1 end)
    assert.equal(0.1, group.lr)
    group.nesterov = true -- needs a momentum, which may be set next
    fails("nesterov needs", function() opt:step() end)
    group.momentum, group.lr = 0.9, 1;
    (w * w):sum():backward()
    opt:step()
    near(1 - 2 * 1.9, w:item())
    local seen = {}
    for k in pairs(group) do seen[k] = true end
    assert.is_true(seen.params and seen.lr and seen.weight_decay)
  end)

  it("take another group later", function()
    local a, b = tensor({1.0}, {requires_grad = true}), tensor({1.0}, {requires_grad = true})
    local opt = optim.SGD({a}, {lr = 0.1, momentum = 0.9})
    opt:add_param_group {params = {b}, lr = 0.01}
    assert.equal(0.9, opt.param_groups[2].momentum)
    assert.equal(b, opt.param_groups[2].params[1]);
    (a + b):sum():backward()
    opt:step()
    near(0.9, a:item())
    near(0.99, b:item())
    fails("in two groups", function() opt:add_param_group {params = {a}} end)
    fails("did you mean momentum", function() opt:add_param_group {params = {tensor {1.0}}, momentun = 1} end)
    fails("expects a group", function() opt:add_param_group(nn.Linear(2, 2)) end)
    assert.equal(2, #opt.param_groups)
    opt.param_groups[3] = {params = {tensor {1.0}}}
    fails("param_groups[3] is no group of this optimizer", function() opt:step() end)
  end)

  it("load a state whole or not at all", function()
    local m = nn.Linear(3, 2)
    local opt = optim.Adam(m:parameters(), {lr = 0.05})
    m(suture.randn(4, 3)):sum():backward()
    opt:step()
    local sd = opt:state_dict()
    assert.equal(1, sd.state[0].step)
    assert.same({0, 1}, sd.param_groups[1].params)
    assert.is_true(sd.state[1].exp_avg.shape == m.bias.shape)
    local other = optim.Adam(m:parameters(), {lr = 0.01})
    sd.state[1].exp_avg = suture.zeros(5)
    fails("exp_avg of parameter 2 in group 1 is of shape (5)", function() other:load_state_dict(sd) end)
    assert.equal(0.01, other.param_groups[1].lr)
    assert.same({}, other:state_dict().state)
    fails("the state is of Adam", function() optim.SGD(m:parameters(), {lr = 1}):load_state_dict(sd) end)
  end)

  it("may be written in tensor operations, and fit knows them by name", function()
    -- Chen et al. 2023, arXiv:2302.06675
    local Lion = optim.optimizer "Lion" {
      options = "lr:rate=1e-4 betas:betas=0.9,0.99 weight_decay:rate=0", state = "exp_avg",
      step = function(p, g, s, o)
        local update = (o.betas[1] * s.exp_avg + (1 - o.betas[1]) * g):sign()
        s.exp_avg = o.betas[2] * s.exp_avg + (1 - o.betas[2]) * g
        return p * (1 - o.lr * o.weight_decay) - o.lr * update
      end,
    }
    assert.equal(Lion, optim.Lion)
    local w, still = tensor({1.0, -3.0}, {requires_grad = true}), tensor({1.0}, {requires_grad = true})
    local opt = Lion({w, still}, {lr = 0.1, weight_decay = 1})
    for i = 1, 2 do
      opt:zero_grad();
      (w * w):sum():backward()
      opt:step()
    end
    near(0.9 * (0.9 - 0.1) - 0.1, w:tolist()[1])
    near(0.9 * (0.9 * -3 + 0.1) + 0.1, w:tolist()[2])
    local s = opt:state_dict().state
    near(0.99 * (0.01 * 2) + 0.01 * 1.6, s[0].exp_avg:tolist()[1])
    assert.equal(2, s[0].step)
    assert.is_nil(s[1])
    assert.equal(1, still:item())
    local again = Lion({w, still}, {lr = 0.2})
    again:load_state_dict(opt:state_dict())
    assert.same(s[0].exp_avg:tolist(), again:state_dict().state[0].exp_avg:tolist())
    assert.equal(0.1, again.param_groups[1].lr)
    local before = w:tolist()
    local Wrong = optim.optimizer "Wrong" {options = "lr:rate=1", step = function(p) return p:sum() end}
    fails("its step gave shape", function() Wrong({w}):step() end)
    assert.same(before, w:tolist())
    fails("no option 'stat'", function() optim.optimizer "Other" {stat = "m"} end)
    fails("there is no kernel", function() optim.optimizer "Other" {state = "m"} end)
    local m = nn.Linear(2, 2)
    local ds = suture.data.tensors(suture.randn(4, 2), tensor {0, 1, 0, 1})
    assert.equal(1, #suture.fit(m, ds, {optimizer = "lion", epochs = 1, quiet = true}).history)
    optim.Lion, optim.Wrong, optim._kinds.lion, optim._kinds.wrong = nil, nil, nil, nil
  end)

  it("train the loop of the manual", function()
    suture.seed(8)
    local m = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16),
      nn.Dropout(0.1), nn.Linear(16, 2))
    local x = suture.randn(64, 8)
    local y = x:sum(1):gt(0):long()
    local opt = optim.SGD(m:parameters(), {lr = 0.1, momentum = 0.9})
    local first, last
    for i = 1, 40 do
      opt:zero_grad()
      local loss = F.cross_entropy(m(x), y)
      loss:backward()
      opt:step()
      if i == 1 then first = loss:item() end
      last = loss:item()
    end
    assert.is_true(last < first / 2, first .. " → " .. last)
    m:eval()
    local right = m(x):argmax(1):eq(y):sum():item()
    assert.is_true(right > 58, right)
  end)
end)
