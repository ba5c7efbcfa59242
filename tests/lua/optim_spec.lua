local suture = require "suture"
local nn, F, optim, tensor = suture.nn, suture.F, suture.optim, suture.tensor

local function near(want, got, tol)
  assert.is_true(math.abs(want - got) <= (tol or 1e-5) * math.max(1, math.abs(want)), ("expected %s, got %s"):format(want, got))
end

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(text, 1, true), ("expected an error with %q, got %q"):format(text, tostring(message)))
end

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

  it("refuse what makes no sense", function()
    local p = nn.Linear(2, 2):parameters()
    fails("lr", optim.SGD, p, {})
    fails("lr expects a number", optim.SGD, p, {lr = -1})
    fails("did you mean momentum", optim.SGD, p, {lr = 1, momentun = 0.9})
    fails("nesterov", optim.SGD, p, {lr = 1, nesterov = true})
    fails("betas", optim.Adam, p, {betas = {1, 2}})
    fails("no parameters", optim.SGD, {}, {lr = 1})
    fails("not a tensor", optim.SGD, {1}, {lr = 1})
    fails("twice", optim.SGD, {p[1], p[1]}, {lr = 1})
  end)

  it("train the loop of the manual", function()
    suture.seed(8)
    local m = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, 2))
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
