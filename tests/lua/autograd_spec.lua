local suture = require "suture"
local tensor, no_grad = suture.tensor, suture.no_grad

local kit = require "kit"

local function near(want, got, tol) kit.near(want, got, tol or 1e-4) end

local function leaf(v)
  local x = tensor(v, {dtype = "float32"})
  x.requires_grad = true
  return x
end

describe("autograd", function()
  it("differentiates expressions", function()
    local x = leaf {1, 2, 3}
    local y = (x ^ 3 + 2 * x):sum()
    y:backward()
    for i, g in ipairs(x.grad:tolist()) do near(3 * i * i + 2, g) end
  end)

  it("adds up, and starts anew after zero_grad", function()
    local x = leaf {2.0}
    for _ = 1, 2 do (x * x):sum():backward() end
    near(8, x.grad:item())
    x.grad = nil
    assert.is_nil(x.grad);
    (x * 3):sum():backward()
    near(3, x.grad:item())
  end)

  it("agrees with finite differences through shapes and reductions", function()
    suture.seed(11)
    local x = suture.randn(3, 4)
    x.requires_grad = true
    local w = suture.randn(4, 2)
    local function f(v) return (v:matmul(w):tanh():t():reshape(3, 2):softmax(1) * tensor {{1.0, 2.0}, {3.0, -1.0}, {0.5, 4.0}}):sum() end
    f(x):backward()
    local g, h = x.grad:tolist(), 1e-2
    for i = 0, 2 do
      for j = 0, 3 do
        local a, b = x:detach():clone():tolist(), x:detach():clone():tolist()
        a[i + 1][j + 1], b[i + 1][j + 1] = a[i + 1][j + 1] + h, b[i + 1][j + 1] - h
        near((f(tensor(a)):item() - f(tensor(b)):item()) / (2 * h), g[i + 1][j + 1], 5e-3)
      end
    end
  end)

  it("needs one number to start from, or dy", function()
    local x = leaf {1, 2}
    local ok, message = pcall(function() (x * 2):backward() end)
    assert.is_false(ok)
    assert.is_truthy(message:find "one number")
    local y = x * 2
    y:backward(tensor {1.0, 10.0})
    assert.same({2, 20}, x.grad:tolist())
    assert.is_false(pcall(function() tensor({1.0}):sum():backward() end))
  end)

  it("keeps the graph when asked", function()
    local x = leaf {3.0}
    local y = (x * x):sum()
    y:backward(nil, {retain_graph = true})
    y:backward()
    near(12, x.grad:item())
    assert.is_false(pcall(y.backward, y))
  end)

  it("is off inside no_grad, and on again after an error", function()
    local x = leaf {1.0}
    assert.is_false(no_grad(function() return (x * 2).requires_grad end))
    assert.is_false(pcall(no_grad, function() error "stop" end))
    assert.is_true((x * 2).requires_grad)
    assert.is_false((x * 2):detach().requires_grad)
    assert.equal(5, no_grad(function(v) return v end, 5))
  end)

  it("stops at what requires no gradient", function()
    local x, w = leaf {1.0}, leaf {2.0}
    w.requires_grad = false;
    (x * w):sum():backward()
    assert.is_nil(w.grad)
    near(2, x.grad:item())
  end)

  it("learns a line", function()
    suture.seed(3)
    local x = suture.randn(64, 1)
    local y = x * 3 + 0.5
    local w, b = leaf {{0.0}}, leaf {0.0}
    for _ = 1, 200 do
      w.grad, b.grad = nil, nil
      suture.F.mse_loss(x:matmul(w) + b, y):backward()
      w:sub_(w.grad * 0.1)
      b:sub_(b.grad * 0.1)
    end
    near(3, w:item(), 1e-3)
    near(0.5, b:item(), 1e-3)
  end)

  -- f(x): a number made of x; want: its gradient at values
  local function slope(values, want, f)
    local x = leaf(values)
    f(x):sum():backward()
    local got = x.grad:reshape(-1):tolist()
    for i, g in ipairs(want) do
      assert.is_true(math.abs(g - got[i]) < 1e-5, ("expected %s at place %d, got %s"):format(g, i - 1, got[i]))
    end
  end

  it("has PyTorch's gradients where a function bends", function()
    local F = suture.F
    slope({{1, 3, 3}, {2, 2, 0}}, {0, 1, 0, 1, 0, 0}, function(x) return (x:max(1)) end)
    slope({{1, 3, 3}, {2, 2, 0}}, {1, 0, 0, 0, 1, 1}, function(x) return (x:min(0)) end)
    slope({{1, 3, 3}, {2, 2, 0}}, {0, 0.5, 0.5, 0.5, 0.5, 0}, function(x) return x:amax(1) end)
    slope({1, 3, 3}, {0, 0.5, 0.5}, function(x) return x:max() end)
    slope({-1, 0, 3, 6, 7}, {0, 0, 1, 0, 0}, F.relu6)
    slope({-1, 0, 3, 6, 7}, {0, 1, 1, 1, 0}, function(x) return x:clamp(0, 6) end)
    slope({-1, 0, 3, 6, 7}, {0, 1, 1, 1, 0}, function(x) return x:clamp(tensor(0.0), tensor {6.0}) end)
    slope({-4, -3, 0, 3, 4}, {0, 0, 1 / 6, 0, 0}, F.hardsigmoid)
    slope({-50, -20, 0, 20, 50}, {0, 0, 0.5, 1, 1}, function(x) return F.gelu(x, "tanh") end)
    slope({{0, 0}, {3, 4}}, {2, 2, (16 - 12) / 125, (9 - 12) / 125}, function(x) return F.normalize(x, {eps = 0.5}) end)
    slope({{0, 0}, {3, 4}}, {0, 0, 0.6, 0.8}, function(x) return x:norm(2, 1) end)
    for _, p in ipairs {1, 2, 3, math.huge, "fro"} do
      slope({0, 0}, {0, 0}, function(x) return x:norm(p) end)
    end
    slope({2, 2}, {0, 0}, function(x) return x:std() end)
    slope({3, -4}, {0.6, -0.8}, function(x) return x:norm() end)
  end)

  it("refuses options of backward that it does not know", function()
    local x = leaf {1, 2}
    local ok, message = pcall(function() x:sum():backward(nil, {retain_grph = true}) end)
    assert.is_false(ok)
    assert.is_truthy(message:find("did you mean retain_graph", 1, true), message)
    local y = x * 2
    y:backward {gradient = tensor {1.0, 3.0}, retain_graph = true}
    y:backward(1)
    assert.same({4, 8}, x.grad:tolist())
  end)

  it("of a power, by its exponent: 0 at 0 where the exponent is 0 or above, as PyTorch", function()
    local x, p = leaf {0, 0, 0, 2, -2, 1e-3}, leaf {0, 2, -1, 3, 2, 0.5}
    local y = x ^ p
    y:backward(tensor {1, 1, 1, 1, 1, 1.0})
    local g = p.grad:tolist()
    near({0, 0, 8 * math.log(2)}, {g[1], g[2], g[4]})
    assert.equal(-math.huge, g[3])
    assert.is_true(g[5] ~= g[5])
    near(1e-3 ^ 0.5 * math.log(1e-3), g[6])
  end)
end)
