-- What lies behind values that a model computes on its way: in drawings, in training, when the call is over.
local suture = require "suture"
local core = require "suture.core"
local kit = require "kit"
local nn, F, data, tensor = suture.nn, suture.F, suture.data, suture.tensor
local fails = kit.fails

-- A model of one's own: init(self), forward(self, x).
local made = 0
local function model(init, forward)
  made = made + 1
  local Class = nn.class("Behind" .. made)
  function Class:init() init(self) end
  Class.forward = forward
  return Class()
end

-- BatchNorm written by hand over (N, C), in three fashions: in place, by a new buffer, by the running numbers of others.
local function hand_written(c, how)
  return model(function(self)
    self.gamma = nn.Parameter(suture.ones(c))
    self:register_buffer("mean", suture.zeros(c))
    self:register_buffer("var", suture.ones(c))
    self:register_buffer("count", suture.zeros(1))
    self.calls = 0
  end, function(self, x)
    self.calls = self.calls + 1
    if not self.training then return (x - self.mean) / (self.var + 1e-5):sqrt() * self.gamma end
    local mean = x:mean(0)
    local var = (x - mean):pow(2):mean(0)
    suture.no_grad(function()
      if how == "in place" then
        self.mean:mul_(0.9):add_(mean:detach() * 0.1)
        self.var:copy_(self.var * 0.9 + var:detach() * 0.1)
      else
        self.mean = self.mean * 0.9 + mean.data * 0.1
        self.var = 0.9 * self.var + 0.1 * var:clone()
      end
      self.count:add_(1)
    end)
    self.h = x:mean()
    return (x - mean) / (var + 1e-5):sqrt() * self.gamma
  end)
end

-- All that looking could change, as text.
local function state(m)
  local out = {tostring(core.engine.seed())}
  for name, b in m:named_buffers() do out[#out + 1] = name .. "=" .. table.concat(b:flatten():tolist(), ",") end
  for path, sub in m:named_modules() do
    out[#out + 1] = ("%s %s %s"):format(path, tostring(rawget(sub, "_fields").calls), tostring(sub.training))
  end
  for name, p in m:named_parameters() do out[#out + 1] = name .. (p.grad and " grad" or "") end
  return table.concat(out, "\n")
end

local function labelled() return data.tensors(suture.randn(8, 4), tensor {0, 1, 0, 1, 0, 1, 0, 1}) end

describe("the graph", function()
  before_each(function() suture.seed(5) end)

  local ways = {
    detach = function(a) return a - a:detach() end,
    clone = function(a) return a - a:clone() end,
    long = function(a) return a - a:long() end,
    bool = function(a) return a - a:bool():float() end,
    floor = function(a) return a - a:detach():floor() end,
    data = function(a) return a - a.data end,
    no_grad = function(a) return a - suture.no_grad(function() return a * 2 end) end,
    tolist = function(a) return tensor(a:tolist()) end,
    item = function(a) return suture.full(a.shape, a:sum():item()) end,
    ["in place"] = function(a) return a:detach():mul_(2) end,
  }
  for name, way in pairs(ways) do
    it("keeps what lies behind a value that was computed on the way: " .. name, function()
      local m = model(function(self) self.l1, self.l2 = nn.Linear(4, 4), nn.Linear(4, 4) end,
        function(self, x) return self.l2(way(self.l1(x))) end)
      m.input_shape = {1, 4}
      local g = m:graph()
      local at
      for _, n in ipairs(g.nodes) do if n.path == "l1" then at = n end end
      assert.equal(20, at.params)
      assert.equal(32, g.macs)
      assert.equal(32, m:cost().macs)
      local a = m:audit()
      assert.same({{}, {}, {}}, {a.unused, a.never_run, a.for_nothing})
      if name ~= "tolist" and name ~= "item" and name ~= "in place" then -- edges lead on to the result
        local used = false
        for _, n in ipairs(g.nodes) do for _, i in ipairs(n.inputs) do used = used or i == at.id end end
        assert.is_true(used)
      end
    end)
  end

  it("draws a model from its input on, whatever that was made of", function()
    local m = nn.Sequential(nn.Linear(4, 4))
    local y = nn.Linear(4, 4)(suture.randn(4, 4) * 2)
    for _, x in ipairs {y, y:narrow(0, 0, 2), y:detach()[{"1:3"}]} do
      local g = m:graph(x)
      assert.equal(1, g.ops)
      assert.equal(#x * 16, g.macs)
    end
  end)

  it("has the numbers that the same functions give outside of a model", function()
    for _, f in ipairs {
      function(a) return a:detach() end, function(a) return a:clone() end, function(a) return a:long():float() end,
      function(a) return a:bool():float() end, function(a) return (a * 3):int() + 1 end,
      function(a) return F.one_hot(a:abs():long(), 9) end, function(a) local b = a:detach() b:mul_(2) return b end,
    } do
      local x = suture.randn(3, 4) * 2
      local m = model(function() end, function(_, v) return f(v * 1.5) end)
      assert.same(f(x * 1.5):tolist(), m(x):tolist())
      assert.equal(f(x * 1.5).dtype, m(x).dtype)
    end
  end)

  it("takes a value cut off within a model for a leaf where it is to be one", function()
    local z
    local m = model(function(self) self.l = nn.Linear(2, 2) end, function(self, x)
      z = self.l(x):detach()
      z.requires_grad = true
      return (z * z):sum()
    end)
    m(suture.ones(1, 2)):backward()
    assert.same((2 * z:detach()):tolist(), z.grad:tolist())
    assert.is_nil(m.l.weight.grad)
  end)

  it("passes gradients around what is cut off (straight through)", function()
    local m = model(function(self) self.l = nn.Linear(2, 2) end, function(self, x)
      local a = self.l(x)
      return a + (a:round() - a):detach()
    end)
    m(suture.ones(1, 2)):sum():backward()
    assert.same({1, 1}, m.l.bias.grad:tolist())
  end)
end)

describe("looking", function()
  for _, how in ipairs {"in place", "by a new buffer"} do
    it("changes nothing, of statistics written by hand " .. how .. " neither", function()
      suture.seed(1)
      local m = nn.Sequential(nn.Linear(4, 4), hand_written(4, how), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
      m.input_shape = {2, 4}
      local ds = labelled()
      local before = state(m)
      for name, look in pairs {
        graph = function() return m:graph() end, summary = function() return m:summary() end,
        audit = function() return m:audit() end, cost = function() return m:cost(4) end,
        profile = function() return m:profile {runs = 1, input = {2, 4}} end, head = function() return m:head() end,
        ["profile train"] = function() return m:profile {runs = 1, train = true, input = {2, 4}} end,
        plan = function() return suture.plan(m, ds) end,
      } do
        tostring(look())
        assert.equal(before, state(m), name)
      end
      m:freeze_to("1")
      m:unfreeze()
      assert.equal(before, state(m))
    end)
  end
end)

describe("frozen", function()
  for _, how in ipairs {"in place", "by a new buffer"} do
    it("means that statistics written by hand stand still: " .. how, function()
      local m = nn.Sequential(nn.Linear(4, 4), hand_written(4, how))
      m:freeze()
      m:train()
      m(suture.randn(3, 4))
      assert.same({0, 0, 0, 0}, m[1].mean:tolist())
      assert.equal(0, m[1].count:item())
      local seen
      m[1].forward = function(self, x) -- whatever the mode says
        seen = self.training
        suture.no_grad(function() self.mean:add_(x:mean(0)) self.var = self.var * 2 self.count[0] = 7 end)
        return F.batch_norm(x, self.mean, self.var, nil, nil, true)
      end
      m(suture.randn(3, 4)):sum():item()
      core.graph.settle()
      assert.is_false(seen)
      assert.same({{0, 0, 0, 0}, {1, 1, 1, 1}, 0},
        {m[1].mean:tolist(), m[1].var:tolist(), m[1].count:item()})
      assert.is_true(m.training)
      m:unfreeze()
      m(suture.randn(3, 4))
      assert.is_true(seen)
      assert.equal(7, m[1].count:item())
    end)
  end

  it("leaves a forward in training where something in it was thawed", function()
    local m = model(function(self) self.fc = nn.Linear(2, 2) end, function(self, x) return self.fc(x), self.training end)
    m:freeze()
    assert.is_false(select(2, m(suture.ones(1, 2))))
    m:unfreeze("fc")
    assert.is_true(select(2, m(suture.ones(1, 2))))
  end)

  it("models run their auxiliary heads where those have something to learn", function()
    local g = suture.zoo.googlenet {num_classes = 3}
    local x = suture.randn(1, 3, 64, 64)
    g:freeze()
    g:train()
    assert.equal(1, select("#", g(x)))
    g:unfreeze("fc")
    assert.equal(1, select("#", g(x)))
    g:unfreeze("aux1")
    assert.equal(3, select("#", g(x)))
  end)
end)

describe("after the call", function()
  before_each(function() suture.seed(2) end)

  it("values that a forward keeps can be read, after backward too", function()
    local hooked, m
    m = model(function(self) self.l = nn.Linear(2, 2) end, function(self, x)
      local a = self.l(x)
      self.h, self.list = a:mean(), {a:sum(), deep = 1}
      return a
    end)
    m.l:register_forward_hook(function(_, _, out) hooked = out end)
    local x = suture.randn(3, 2)
    local y = m(x)
    local after = y:max()
    y:pow(2):sum():backward()
    local again = F.linear(x, m.l.weight, m.l.bias)
    assert.near(again:mean():item(), m.h:item(), 1e-6)
    assert.near(again:sum():item(), m.list[1]:item(), 1e-5)
    assert.same(again:tolist(), hooked:tolist())
    assert.near(again:max():item(), after:item(), 1e-6)
  end)

  it("statistics written by hand are those of the formula, and nothing is computed twice for them", function()
    for _, how in ipairs {"in place", "by a new buffer"} do
      local m = nn.Sequential(nn.Linear(4, 4), hand_written(4, how))
      local mean, var = suture.zeros(4), suture.ones(4)
      for i = 1, 3 do
        local x = suture.randn(6, 4)
        local a = suture.no_grad(function() return m[0](x) end)
        mean = mean * 0.9 + a:mean(0) * 0.1
        var = var * 0.9 + (a - a:mean(0)):pow(2):mean(0) * 0.1
        local steps = core.trace.timed(function() m(x):pow(3):sum():backward() end)
        local linear = 0
        for _, s in ipairs(steps) do if s.op == "linear" then linear = linear + 1 end end
        assert.equal(1, linear)
        assert.is_true((mean - m[1].mean):abs():max():item() < 1e-5)
        assert.is_true((var - m[1].var):abs():max():item() < 1e-5)
        assert.equal(i, m[1].count:item())
      end
      m:eval()
      assert.is_true((m(suture.zeros(1, 4)):sum() + 0):item() == m(suture.zeros(1, 4)):sum():item())
    end
  end)

  it("a step that is given up moves no statistic", function()
    local m = nn.Sequential(nn.Linear(4, 4), hand_written(4, "in place"), nn.Linear(4, 2))
    local ds, bad = labelled(), false
    local t = suture.trainer(m, ds, {batch = 4, quiet = true, loss = function(y, k)
      local l = F.cross_entropy(y, k)
      return bad and l / 0 or l
    end})
    local x, y = ds:batch {0, 1, 2, 3}
    t:step(x, y)
    local before = m[1].mean:tolist()
    bad = true
    fails("the loss is", t.step, t, x, y)
    assert.same(before, m[1].mean:tolist())
  end)
end)

describe("fit", function()
  -- What two epochs and more leave behind, with the trunk kept and without.
  local function both(make, opts, check)
    local results = {}
    for _, cache in ipairs {true, false} do
      suture.seed(3)
      local m = make()
      local o = {epochs = 3, batch = 3, lr = 0.1, seed = 1, quiet = true, cache = cache}
      for k, v in pairs(opts or {}) do o[k] = v end
      suture.seed(4)
      local ds = labelled()
      local r = suture.fit(m, ds, o)
      local numbers = {r.history[3].loss}
      for _, t in pairs(m:state_dict()) do numbers[#numbers + 1] = t:tolist() end
      results[#results + 1] = numbers
      if check then check(m, r) end
    end
    assert.same(results[2], results[1])
  end

  local function frozen_first(...)
    local m = nn.Sequential(nn.Linear(4, 4), ...)
    m:freeze("0")
    return m
  end

  for _, how in ipairs {"in place", "by a new buffer"} do
    it("leaves the same statistics whether the trunk is kept or not: " .. how, function()
      both(function() return frozen_first(hand_written(4, how), nn.Linear(4, 2)) end, nil,
        function(m) assert.equal(9, m[1].count:item()) end)
      both(function() return frozen_first(hand_written(4, how), nn.Linear(4, 2)):freeze("1") end, nil,
        function(m) assert.equal(0, m[1].count:item()) end)
      both(function()
        local m = frozen_first(hand_written(4, how), nn.Linear(4, 2))
        m[1].gamma.requires_grad = false
        return m
      end)
    end)
  end

  it("takes numbers that are drawn in a forward for no constants", function()
    for _, draw in ipairs {
      function(x) return x + suture.randn(#x, 4) end, function(x) return x * suture.rand(4):clone() end,
      function(x) return x + suture.randn(#x, 4):detach() * 2 end,
      function(x) return x + suture.zeros(#x, 4):normal_() end,
      function(x) return F.dropout(suture.ones(#x, 4), 0.5) + x end,
    } do
      both(function()
        local m = model(function(self) self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2) end,
          function(self, x) return self.b(draw(self.a(x))) end)
        m.a:freeze()
        return m
      end)
    end
  end)

  it("keeps nothing where a forward has other constants, or another way, from batch to batch", function()
    for _, forward in ipairs {
      function(self, x, k) return self.b(self.a(x) * (1 + k % 3)) end,
      function(self, x, k) x = self.a(x) return self.b(k % 3 == 0 and x:relu() + 0 or x:tanh() + 0) end,
    } do
      both(function()
        local calls = 0
        local m = model(function(self) self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2) end, function(self, x)
          calls = calls + 1
          return forward(self, x, calls)
        end)
        m.a:freeze()
        return m
      end)
    end
  end)

  it("keeps nothing where numbers are asked for on the way, and says so", function()
    local m = frozen_first(nn.Linear(4, 2))
    local own = function(y, k)
      local l = F.cross_entropy(y, k)
      return l * (1 + l:item())
    end
    both(function() return frozen_first(nn.Linear(4, 2)) end, {loss = own})
    both(function()
      local asks = model(function(self) self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2) end,
        function(self, x) x = self.a(x) return self.b(x / x:abs():max():item()) end)
      asks.a:freeze()
      return asks
    end)
    assert.matches("numbers are asked for while the model or its loss runs", suture.plan(m, labelled(), {loss = own}).cache, 1, true)
    local val = labelled()
    both(function() return frozen_first(nn.Linear(4, 2)) end, {loss = own, val = val}, function(_, r)
      assert.is_number(r.history[3].val_loss)
    end)
  end)
end)
