--- Views, indices that are assigned to, and changes in place, with their gradients.
local suture = require "suture"
suture.history(true) -- as at the prompt
local tensor = suture.tensor

local kit = require "kit"
local near, fails = kit.near, kit.fails

describe("views", function()
  it("write through to what they are parts of, and follow it", function()
    local x = suture.arange(12):float():reshape(3, 4):clone()
    local row, flat, turned = x[0], x:view(-1), x:t()
    row:fill_(9)
    x[1][1] = 5
    x:narrow(0, 2, 1):add_(100)
    x:select(1, 3):zero_()
    x:unsqueeze(0):flatten()[":2"]:mul_(-1)
    x:chunk(2, 1)[2][2]:copy_(tensor {1, 2})
    x:permute(1, 0)[{0, 1}] = 4.5
    x:split(1)[2]:squeeze(0)[{{2, 3}}] = tensor {7, 8}
    x:reshape(4, 3)[{3, 0}] = 0.5
    local want = {{-9, -9, 9, 0}, {4.5, 5, 7, 8}, {108, 0.5, 1, 2}}
    assert.same(want, x:tolist())
    assert.same(want[1], row:tolist())
    assert.same({-9, 4.5, 108}, turned[0]:tolist())
    assert.equal(8, flat[7]:item())
    flat:fill_(3)
    assert.same({3, 3, 3, 3}, row:tolist())
    assert.is_true(x:eq(3):all())
    x.data[0] = 1
    x:detach()[1]:fill_(2)
    assert.same({1, 2, 3}, turned[0]:tolist())
    x.data = suture.zeros(3, 4)
    assert.equal(0, flat:sum():item())
  end)

  it("are copies where PyTorch copies", function()
    local x = suture.zeros(2, 3)
    local y = x:t():reshape(-1)
    y:fill_(1)
    x:clone():fill_(2)
    x[{{0, 1}}]:fill_(2)
    x[x:eq(0)]:fill_(2)
    x:flip(0):fill_(2)
    assert.is_true(x:eq(0):all())
    assert.is_true(y:eq(1):all())
    local of_copy = y[0]
    y:fill_(3)
    assert.equal(3, of_copy:item())
    fails("several of its elements are one number", function() suture.ones(1, 3):expand(2, 3):fill_(2) end)
  end)

  it("of parameters write into the layer, and follow its steps", function()
    local l = suture.nn.Linear(3, 2)
    l.weight[0]:zero_()
    l.weight:narrow(1, 0, 2):copy_(suture.ones(2, 2))
    assert.same({1, 1, 0}, l.weight[0]:tolist())
    assert.same({1, 1}, l.weight[1][":2"]:tolist())
    local conv = suture.nn.Conv2d(2, 2, 3)
    conv.weight[0]:zero_()
    conv.weight[1][0] = 2
    assert.equal(0, conv.weight[0]:abs():max():item())
    assert.equal(18, conv.weight[{1, 0, "..."}]:sum():item())
    assert.is_true(conv.weight[0].requires_grad)
    local row = l.weight[0]
    local opt = suture.optim.SGD(l:parameters(), {lr = 1})
    l(suture.ones(1, 3)):sum():backward()
    opt:step()
    assert.same({0, 0, -1}, row:tolist())
    suture.nn.init.constant_(l.weight[1], 4)
    assert.same({4, 4, 4}, l.weight[1]:tolist())
    local M = suture.nn.class "WithPartForBuffer"
    function M:init() self:register_buffer("seen", suture.arange(4):float():reshape(2, 2)) end
    function M:forward(x) return x + self.seen end
    local a, b = M(), M()
    a.seen:fill_(5)
    b:load_state_dict(a:state_dict())
    assert.same({{5, 5}, {5, 5}}, b.seen:tolist())
    local bn = suture.nn.BatchNorm1d(2)
    local first = bn.running_mean[0]
    bn(suture.ones(4, 2))
    near(0.1, first:item())
  end)

  it("keep what waits on the numbers before", function()
    local x = suture.ones(3)
    local v = x[":2"]
    local before, of_data = v * 2, x.data * 3
    v:fill_(5)
    assert.same({2, 2}, before:tolist())
    assert.same({3, 3, 3}, of_data:tolist())
    assert.same({5, 5, 1}, x:tolist())
    local y = x * 2
    y[0] = 1
    y["1:"]:zero_()
    assert.same({1, 0, 0}, y:tolist())
    assert.same({5, 5, 1}, x:tolist())
  end)

  it("are written within a module, and the graph shows it", function()
    local M = suture.nn.class "WritesIntoPart"
    function M:forward(x)
      local h = x * 2
      local part = h:view(-1)
      h[0]:fill_(1)
      part["-1:"]:mul_(x:sum())
      return h
    end
    for _, grad in ipairs {false, true} do
      local x = suture.ones(2, 2)
      x.requires_grad = grad
      local y = M()(x)
      assert.same({{1, 1}, {2, 8}}, y:tolist())
      if grad then
        y:sum():backward()
        assert.same({{2, 2}, {4, 10}}, x.grad:tolist())
      end
    end
    local text = tostring(M():graph(2, 2))
    assert.is_truthy(text:find("slice_scatter", 1, true), text)
    local N = suture.nn.class "WritesIntoBuffer"
    function N:init() self:register_buffer("seen", suture.zeros(2, 2)) end
    function N:forward(x)
      self.seen[1]:fill_(7)
      return x + self.seen
    end
    local m = N()
    assert.same({{1, 1}, {8, 8}}, m(suture.ones(2, 2)):tolist())
    assert.same({{0, 0}, {7, 7}}, m.seen:tolist())
  end)

  it("are announced to the journal as what they are parts of", function()
    local journal = require "suture.base.journal"
    journal.prompt(false)
    journal.clear()
    local l = suture.nn.Linear(2, 2)
    local before = l.weight:tolist()
    for _, write in ipairs {
      function() l.weight[0][1] = 3 end, function() l.weight[1]:fill_(2) end, function() l.weight[l.weight:gt(-9)] = 0 end,
      function() l.weight:t()[0]:mul_(2) end, function() suture.nn.init.ones_(l.weight[0]) end,
    } do
      write()
      assert.not_same(before, l.weight:tolist())
      assert.matches("undone: weight written", suture.undo())
      assert.same(before, l.weight:tolist())
    end
    journal.clear()
  end)

  it("go when nobody has them", function()
    local x = suture.zeros(4)
    for _ = 1, 200 do
      x[0]:add_(1)
      x[1] = x[0]
    end
    collectgarbage()
    collectgarbage()
    x[2] = 3
    assert.same({200, 200, 3, 0}, x:tolist())
  end)
end)

local function leaf(...)
  local x = tensor {...}:float()
  x.requires_grad = true
  return x
end

describe("gradients", function()
  it("flow through changes in place, of parts too", function()
    local a = leaf(1, 2, 3, 4)
    local y = a * 2
    local part, turned = y["1:3"], y:view(2, 2):t()
    part:mul_(a[":2"])
    turned[1]:add_(1) -- y[1], y[3]
    assert.same({2, 5, 12, 9}, y:tolist())
    assert.same({5, 12}, part:tolist())
    y:sum():backward() -- 2a₀ + 2a₁a₀ + 2a₂a₁ + 2a₃ + 2
    assert.same({2 + 4, 2 + 6, 4, 2}, a.grad:tolist())
    assert.is_true(part.requires_grad)
  end)

  it("flow into what was made without", function()
    local a, b = leaf(1, 2), leaf(5)
    local out = suture.zeros(2, 2)
    local row = out[1]
    out[0] = a * a
    out[{1, "1:"}] = b * 3
    assert.same({{1, 4}, {0, 15}}, out:tolist())
    assert.is_true(row.requires_grad)
    assert.is_false(out.is_leaf)
    local all = out:sum() + row:sum()
    all:backward()
    assert.same({2, 4}, a.grad:tolist())
    assert.same({6}, b.grad:tolist())
    local x = suture.zeros(3)
    x:copy_(b)
    x:fill_(b[0])
    x:sum():backward()
    assert.same({9}, b.grad:tolist())
  end)

  it("flow through lists of places and masks, of places named twice to the last", function()
    local a, v = leaf(1, 2, 3, 4), leaf(7, 8, 9)
    local y = a * 1
    y[{{0, 2, 0}}] = v
    assert.same({9, 2, 8, 4}, y:tolist())
    y = y * tensor {1, 10, 100, 1000}
    y:sum():backward()
    assert.same({0, 10, 0, 1000}, a.grad:tolist())
    assert.same({0, 100, 1}, v.grad:tolist())
    a.grad = nil
    y = a * 1
    y[y:gt(2)] = 0
    y:sum():backward()
    assert.same({1, 1, 0, 0}, a.grad:tolist())
    local m = leaf(1, 2, 3, 4, 5, 6)
    local z = m:reshape(2, 3) * 1
    z[{":", {2, 0}}] = z[{":", {0, 1}}] * 10
    assert.same({{20, 2, 10}, {50, 5, 40}}, z:tolist())
    z:sum():backward()
    assert.same({10, 11, 0, 10, 11, 0}, m.grad:tolist())
  end)

  it("are those of the numbers that were recorded", function()
    for name, change in pairs {
      fill_ = function(x) x:fill_(9) end, mul_ = function(x) x:mul_(10) end, item = function(x) x[1] = 5 end,
      part = function(x) x["1:"]:zero_() end, data = function(x) x.data:fill_(9) end, normal_ = function(x) x:normal_() end,
      twice = function(x)
        x:add_(1)
        x:copy_(x * 2)
      end, mask = function(x) x[x:gt(1)] = 0 end,
      init = function(x) suture.nn.init.zeros_(x) end,
    } do
      local a = leaf(1, 2, 3)
      local s = (a * a):sum()
      local later = a * a -- nobody looks at it before
      suture.no_grad(change, a)
      s:backward()
      assert.same({2, 4, 6}, a.grad:tolist(), name)
      assert.same({1, 4, 9}, later:tolist(), name)
    end
  end)

  it("are those of the numbers before a step, and of an input before it is refilled", function()
    local l = suture.nn.Linear(2, 1, {bias = false})
    l.weight.data = tensor {{3.0, 4.0}}
    local x = tensor {{1.0, 2.0}}
    local y = l(x)
    local loss = (y * y):sum()
    l.weight:mul_(10)
    x:fill_(100)
    loss:backward()
    assert.same({{22, 44}}, l.weight.grad:tolist())
    local opt = suture.optim.SGD(l:parameters(), {lr = 1})
    x:copy_(tensor {{1.0, 2.0}})
    local h = l(x)
    local before = (h * l.weight[0][0]):sum()
    opt:step()
    assert.same({{30 - 22, 40 - 44}}, l.weight:tolist())
    opt:zero_grad()
    before:backward()
    assert.same({{30 + 110, 60}}, l.weight.grad:tolist())
    assert.is_true(l:parameters()[1] == l.weight)
  end)

  it("do not see what is written under no_grad, or through x.data", function()
    local a = leaf(1, 2)
    local y = a * 3
    suture.no_grad(function() y:mul_(100) end)
    y.data[0] = 7
    y:detach()["1:"]:add_(1)
    assert.same({7, 601}, y:tolist())
    y = y * y
    y:sum():backward()
    assert.same({42, 3606}, a.grad:tolist())
  end)

  it("do not flow through what was made under no_grad, though nobody has looked at it", function()
    local a = leaf(1, 2)
    local twice = suture.no_grad(function() return a * 2 end)
    local s = (twice * a):sum()
    s:backward()
    assert.same({2, 4}, a.grad:tolist())
  end)

  it("are refused where they would be lost", function()
    local a = leaf(1, 2)
    fails("x is a leaf that requires a gradient", a.add_, a, a * 2)
    fails("x is a leaf that requires a gradient", function() a[0] = (a * 2)[1] end)
    fails("x is detached from what it is a part of", function() suture.zeros(2).data:copy_(a) end)
    fails("several of its elements are one number", function() (a * 1):expand(3, 2):mul_(2) end)
    assert.same({1, 2}, a:tolist())
  end)

  it("keep their place when a value that keeps its gradient changes", function()
    local a = leaf(1, 2)
    local y = a * 3
    y:retain_grad()
    y:mul_(5)
    y:sum():backward()
    assert.same({1, 1}, y.grad:tolist())
    assert.same({15, 15}, a.grad:tolist())
  end)
end)

describe("views by whole numbers", function()
  local x = suture.arange(24):float():reshape(2, 3, 4)
  local ways = {
    {"reshape", 4, 6}, {"reshape", -1, 2}, {"view", 24}, {"permute", 2, 0, -2}, {"transpose", 0, -1}, {"narrow", 1, 1, 2},
    {"narrow", -1, -3, 2}, {"select", 1, -1}, {"flatten", 1, 2}, {"flatten"},
  }

  -- The same by the long way, which options in a table take.
  local function long(x, name, a, b, c)
    if name == "reshape" or name == "view" or name == "permute" then
      return x[name](x, {a, b, c})
    end
    local names = {transpose = {"dim0", "dim1"}, narrow = {"dim", "start", "length"}, select = {"dim", "index"},
      flatten = {"start_dim", "end_dim"}}
    local opts, given = {}, {a, b, c}
    for i, n in ipairs(names[name]) do opts[n] = given[i] end
    return x[name](x, opts)
  end

  it("are those that arguments by name give, and write through", function()
    for _, way in ipairs(ways) do
      local name = way[1]
      local y, z = x[name](x, table.unpack(way, 2)), long(x, table.unpack(way))
      assert.same(z:tolist(), y:tolist())
      assert.equal(z.shape, y.shape)
      local w = x:clone()
      local part = w[name](w, table.unpack(way, 2))
      part:fill_(-1)
      near(x:sum():item() - y:sum():item() - y:numel(), w:sum():item())
      local a = x:clone()
      a.requires_grad = true
      a[name](a, table.unpack(way, 2)):sum():backward()
      assert.equal(y:numel(), a.grad:sum():item())
    end
    local whole = tensor({2 ^ 40 + 1 | 0, 2, 3, 4}, {dtype = "int64"})
    local part = whole:reshape(2, 2):transpose(0, 1):narrow(0, 0, 1)
    assert.same({{2 ^ 40 + 1 | 0, 3}}, part:tolist())
    whole[0] = 2 ^ 41 | 0
    assert.same({{2 ^ 41 | 0, 3}}, part:tolist())
  end)

  it("are refused by name where they do not fit", function()
    for _, case in ipairs {
      {"do not fit", "reshape", 5, -1}, {"has 24 elements", "reshape", 5, 5}, {"expects sizes and at most one -1", "reshape", -2, 3},
      {"given twice", "permute", 0, 1, 1}, {"out of range", "permute", 0, 1, 3}, {"3 dimensions, got 2", "permute", 0, 1},
      {"out of range", "transpose", 0, 3}, {"do not lie in", "narrow", 0, 1, 2}, {"out of range", "narrow", 3, 0, 1},
      {"out of range", "select", 0, 2}, {"expects start_dim", "flatten", 2, 1}, {"whole number", "reshape", 4.5, 6},
    } do
      fails(case[1], x[case[2]], x, table.unpack(case, 3))
    end
  end)

  it("make no table", function()
    local function bytes(f)
      for _ = 1, 100 do f() end
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      for _ = 1, 1000 do f() end
      local after = collectgarbage "count"
      collectgarbage "restart"
      return after - before
    end
    suture.no_grad(function()
      local plain = bytes(function() return x:abs() end)
      for _, name in ipairs {"reshape", "transpose", "narrow"} do
        local f = ({reshape = function() return x:reshape(4, 6) end, transpose = function() return x:transpose(0, 1) end,
          narrow = function() return x:narrow(0, 0, 1) end})[name]
        assert.is_true(bytes(f) <= plain * 1.05, name)
      end
    end)
  end)
end)

describe("indices", function()
  it("take negative numbers, and refuse negative steps by name", function()
    local t = suture.arange(6):float()
    assert.same({0, 1, 2, 3}, t[":4"]:tolist())
    assert.same({4, 5}, t["-2:"]:tolist())
    assert.equal(5, t[-1]:item())
    t["-2:"] = 9
    t[{-3}] = 7
    assert.same({0, 1, 2, 7, 9, 9}, t:tolist())
    fails("a step is a whole number of 1 or above (x:flip(dim) turns round)", function() return t["::-1"] end)
    fails("a step is a whole number of 1 or above", function() t["::0"] = 1 end)
    fails("index 6 is out of range", function() t[6] = 1 end)
    fails("index -7 is out of range", function() return t[-7] end)
  end)
end)
