-- Hooks and traces: inner values and their gradients, seen and replaced.
local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, F, tensor = suture.nn, suture.F, suture.tensor
local undo = require "suture.model.undo"

local fails = require("kit").fails

local function near(a, b, bound) return (a - b):abs():max():item() <= (bound or 1e-6) end

local function net()
  suture.seed(7)
  return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
end
local function picture() suture.seed(8) return suture.randn(5, 3) end

describe("a forward hook", function()
  it("sees what went in and came out, may replace it, and goes away", function()
    local m, x, seen = net(), picture(), {}
    local plain = m(x)
    local h = m[1]:register_forward_hook(function(module, inputs, output) seen = {module, inputs, output} end)
    assert.is_true(m(x):equal(plain))
    assert.equal(m[1], seen[1])
    assert.is_true(near(seen[2][1]:tanh(), seen[3]))
    h:remove()
    local double = m[3]:register_forward_hook(function(_, _, output) return output * 2 end)
    local pre = m[0]:register_forward_pre_hook(function(_, inputs) return inputs[1] + 1 end)
    assert.is_true(near(m(x), m[4](m[3](m[2](m[1](m[0](x)))))))
    assert.is_true(near(m[0](x), F.linear(x + 1, m[0].weight, m[0].bias)))
    assert.matches("forward hook of ReLU", tostring(double))
    pre:remove()
    double:remove()
    assert.matches("removed", tostring(double))
    assert.is_true(m(x):equal(plain))
    fails("register_forward_hook: expects a function, got 3", m.register_forward_hook, m, 3)
  end)

  it("is drawn by the graph, for it runs, and is undone", function()
    undo.clear()
    local m = net()
    local function drawn() return tostring(m:graph(1, 3)), tostring(m) end
    local graph, tree = drawn()
    local nodes = #suture.core.graph.walk {m(picture())}
    m[3]:register_forward_hook(function(_, _, y) return y * 2 end)
    local seen = 0
    local looks = m[1]:register_forward_hook(function() seen = seen + 1 end)
    m(picture())
    assert.is_true(#suture.core.graph.walk {m(picture())} > nodes)
    assert.equal(2, seen)
    local hooked, marked = drawn()
    assert.equal(2, seen) -- who only looks is not called by a drawing
    looks:remove()
    hooked, marked = drawn()
    assert.matches("ReLU · 1 hook", hooked)
    assert.matches("ReLU%(%)%s+1 hook", marked)
    suture.undo(2) -- the hook that looks
    assert.matches("a hook added", suture.undo())
    assert.same({graph, tree}, {drawn()})
    suture.redo()
    assert.same({hooked, marked}, {drawn()})
  end)

  it("of a module that fails says where", function()
    local m = net()
    m[1]:register_forward_hook(function() error "mine" end)
    fails("(in 1, a Tanh)", m, picture())
  end)
end)

describe("retain_grad", function()
  it("keeps the gradient of a value in between", function()
    local x = tensor({1.0, 2.0, 3.0}, {requires_grad = true})
    local y = x * x
    y:retain_grad();
    (y * tensor {1.0, 10.0, 100.0}):sum():backward()
    assert.same({1, 10, 100}, y.grad:tolist())
    assert.same({2, 40, 600}, x.grad:tolist())
    fails("no gradient flows through this tensor", function() (suture.ones(2) * 2):retain_grad() end)
    local hidden
    local Keeps = nn.class "HooksSpecKeeps"
    function Keeps:init() self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 1) end
    function Keeps:forward(v)
      hidden = self.a(v):retain_grad()
      return self.b(hidden)
    end
    local m = Keeps()
    m(suture.ones(2, 3)):sum():backward()
    assert.is_true(near(hidden.grad, suture.ones(2, 1):matmul(m.b.weight)))
  end)
end)

describe("a full backward hook", function()
  it("sees the gradients of a module's inputs and outputs", function()
    local m, x, seen = net(), picture(), {}
    local expected = {}
    m[2]:register_full_backward_hook(function(module, grad_in, grad_out) seen = {module, grad_in, grad_out} end)
    m(x):sum():backward()
    -- the same by hand
    local h = m[1](m[0](x)):detach():requires_grad_()
    local z = F.linear(h, m[2].weight, m[2].bias)
    z:retain_grad()
    m[4](m[3](z)):sum():backward()
    expected.h, expected.z = h.grad, z.grad
    assert.equal(m[2], seen[1])
    assert.is_true(near(expected.h, seen[2][1]))
    assert.is_true(near(expected.z, seen[3][1]))
    assert.is_truthy(m[0].weight.grad)
  end)

  it("replaces what goes on, one behind the other, and later passes are as before once it is gone", function()
    local m, x = net(), picture()
    m(x):sum():backward()
    local plain = m[0].weight.grad:clone()
    m:zero_grad()
    local a = m[2]:register_full_backward_hook(function(_, grad_in) return {grad_in[1] * 2} end)
    local b = m[4]:register_full_backward_hook(function(_, grad_in) return grad_in[1] * 3 end)
    m(x):sum():backward()
    assert.is_true(near(m[0].weight.grad, plain * 6, 1e-5))
    a:remove()
    b:remove()
    m:zero_grad()
    m(x):sum():backward()
    assert.is_true(near(m[0].weight.grad, plain))
    m[2]:register_full_backward_hook(function() return 3 end)
    fails("a backward hook returns the gradients of the inputs", function() m(x):sum():backward() end)
  end)

  it("sees each of several calls, and only what flows through its module", function()
    local Twice = nn.class "HooksSpecTwice"
    function Twice:init() self.f = nn.Linear(2, 2) end
    function Twice:forward(x) return self.f(self.f(x)) + x end
    local m, calls = Twice(), {}
    m.f:register_full_backward_hook(function(_, grad_in, grad_out) calls[#calls + 1] = {grad_in[1], grad_out[1]} end)
    local x = suture.ones(1, 2)
    x.requires_grad = true
    m(x):sum():backward()
    assert.equal(2, #calls)
    assert.same({1, 1}, calls[1][2]:tolist()[1])
    assert.is_true(near(calls[1][1], calls[2][2]))
    assert.is_true(near(x.grad, calls[2][1] + 1)) -- the shortcut is not the module's
  end)

  it("leaves nothing behind where nobody goes backward", function()
    local m = net()
    m[2]:register_full_backward_hook(function() end)
    for _ = 1, 50 do m(picture()) end
    collectgarbage() collectgarbage()
    assert.is_true(near(m(picture()), net()(picture())))
  end)
end)

describe("trace", function()
  it("gives values, attributes and gradients of a frozen model, in eval, inside no_grad", function()
    local m = suture.zoo.cifar_resnet20():eval():freeze()
    suture.seed(5)
    local x = suture.randn(2, 3, 32, 32)
    local t = suture.no_grad(function() return suture.trace(m, x) end)
    assert.is_true(near(t.output, m(x)))
    local score = t.output[0][3]
    local g = t:grad(score, "layer3")
    assert.equal(tostring(t:value("layer3").shape), tostring(g.shape))
    assert.is_true(near(g[1], suture.zeros(g.shape[2], g.shape[3], g.shape[4]))) -- the other sample
    -- layer3 → mean → linear: by hand
    local by_hand = m.linear.weight[3] / 64
    assert.is_true(near(g[0]:mean({1, 2}), by_hand))
    for p in m:parameters() do assert.is_nil(p.grad) end
    assert.is_nil(x.grad)
    local nodes = t.nodes
    local convs = 0
    for _, n in ipairs(nodes) do
      if n.op == "conv2d" then
        convs = convs + 1
        assert.same({1, 1}, {n.attrs.padding[1], n.attrs.groups})
      end
    end
    assert.equal(#m:find(nn.Conv2d), convs)
    local named = {}
    for _, n in ipairs(nodes) do if n.name then named[n.name] = true end end
    assert.is_true(named["linear.weight"] and named["bn1.running_mean"])
  end)

  it("finds calls by path and number, and says what is wrong", function()
    local relu = nn.ReLU()
    local m = nn.Sequential(nn.Linear(3, 3), relu, nn.Linear(3, 2), relu)
    local t = suture.trace(m, picture())
    assert.equal("(5, 3)", tostring(t:value("1", 1).shape))
    assert.equal("(5, 2)", tostring(t:value("1").shape))
    assert.equal("(5, 2)", tostring(t:input("1", 2).shape))
    fails("1 ran 2 times, not 3", t.value, t, "1", 3)
    local idle = suture.zoo.cifar_resnet20()
    idle.spare = nn.ReLU()
    local u = suture.trace(idle, suture.randn(1, 3, 32, 32))
    fails("'spare' did not run", u.value, u, "spare")
    fails("no module 'lineal' in Sequential", t.value, t, "lineal")
    fails("expects an input to run with", suture.trace, m)
    fails("trace: expects a model, got 3", suture.trace, 3)
    assert.is_false(t:grad(t:value("0"):sum(), "2")) -- no path
    local a, b = t:grad(t.output:sum(), {"0", t.inputs[1]})
    assert.same({{5, 3}, {5, 3}}, {{table.unpack(a.shape)}, {table.unpack(b.shape)}})
    assert.matches("t:value%(path%)", tostring(t))
  end)

  it("moves what a call moves, and no more", function()
    local m = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    local t = suture.trace(m, picture())
    t.output:sum():item()
    assert.equal(1, m[1].num_batches_tracked:item())
  end)
end)
