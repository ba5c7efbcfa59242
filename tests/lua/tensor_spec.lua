local suture = require "suture"
suture.history(true) -- as at the prompt
local tensor, F = suture.tensor, suture.F

local kit = require "kit"
local near, fails = kit.near, kit.fails

describe("tensors", function()
  it("divide rounding down, with a remainder of the divisor's sign", function()
    assert.same({3, -4}, (tensor {7, -7} // 2):tolist())
    assert.same({1, 2}, (tensor {7, -7} % 3):tolist())
    assert.equal("int64", (tensor {7} // 2).dtype)
    assert.equal("float32", (tensor {7} // 2.0).dtype)
    near({0.5, 1.5}, (tensor {2.5, -0.5} % 2):tolist())
  end)

  it("are indexed as in PyTorch", function()
    local x = suture.arange(24):reshape(2, 3, 4)
    assert.same({12, 13, 14, 15}, x[{1, 0, ":"}]:tolist())
    assert.equal(23, x[{-1, -1, -1}]:item())
    assert.same({{4, 6}, {16, 18}}, x[{":", 1, "::2"}]:tolist())
    assert.same({{8, 9, 10, 11}, {20, 21, 22, 23}}, x[{"...", -1, ":"}]:tolist())
    assert.same({3, 7, 11}, x[{0, "...", 3}]:tolist())
    assert.equal("(2, 1, 3, 4)", tostring(x[{":", "None"}].shape))
    assert.equal("(1, 2, 3, 4)", tostring(x["None"].shape))
    assert.same({{{1, 2}, {5, 6}}}, x[{":1", ":-1", "1:3"}]:tolist())
    assert.equal("(0, 3, 4)", tostring(x["5:"].shape))
    assert.equal("(2, 3, 4)", tostring(x["..."].shape))
    local v = tensor {10, 11, 12, 13}
    assert.same({10, 11}, v[":2"]:tolist())
    assert.same({13, 10, 13}, v[tensor {3, 0, -1}]:tolist())
    assert.same({{13, 10}}, v[{{{3, 0}}}]:tolist())
    assert.same({12, 13}, v[v:gt(11)]:tolist())
    assert.equal(0, v[v:gt(99)]:numel())
    local m = tensor {{1, 2}, {3, 4}, {5, 6}}
    assert.equal(5, m[{2, 0}]:item())
    assert.same({{5, 6}, {1, 2}}, m[{{2, 0}}]:tolist())
    assert.same({{3, 4}}, m[tensor {1}]:tolist())
    assert.same({3, 4}, m[tensor(1)]:tolist())
    assert.same({6, 1}, m[{{2, 0}, {1, 0}}]:tolist())
    assert.same({{2, 1}, {4, 3}, {6, 5}}, m[{":", {1, 0}}]:tolist())
    assert.same({2, 4}, m[{{true, true, false}, 1}]:tolist())
    assert.same({{{6, 5}, {2, 1}}}, m[{tensor {{{2}, {0}}}, tensor {{{1, 0}}}}]:tolist())
    -- advanced indices side by side stay in their place, apart they come to the front
    assert.equal("(2, 5, 4)", tostring(x[{":", {0, 1, 2, 0, 1}}].shape))
    assert.equal("(2, 4)", tostring(x[{{0, 1}, {2, 0}}].shape))
    assert.equal("(5, 3)", tostring(x[{{0, 1, 0, 1, 0}, ":", {0, 1, 2, 3, 0}}].shape))
    assert.same(x:permute(1, 0, 2)[{{0, 2}, {1, 0}}]:tolist(), x[{{1, 0}, {0, 2}}]:tolist())
    fails("no field 'foo' in x", function() return x.foo end)
  end)

  it("are assigned to as in PyTorch", function()
    local x = suture.zeros(3, 4)
    x[{0, 1}] = 9
    x[{":", 2}] = tensor {1, 2, 3}
    x[2] = 5
    x["-1:"][0] = x[2]
    assert.same({{0, 9, 1, 0}, {0, 0, 2, 0}, {5, 5, 5, 5}}, x:tolist())
    x[{"...", -1}] = tensor {{7}, {8}, {9}}[{":", 0}]
    x[{"::2", ":2"}] = tensor {{-1, -2}}
    assert.same({{-1, -2, 1, 7}, {0, 0, 2, 8}, {-1, -2, 5, 9}}, x:tolist())
    x[x:lt(0)] = 0
    x[x:eq(0)] = suture.arange(6)
    assert.same({{0, 1, 1, 7}, {2, 3, 2, 8}, {4, 5, 5, 9}}, x:tolist())
    x[{{2, 0}, {0, 3}}] = tensor {100, 200}
    x[{{0, 1}}] = x[{{1, 0}}]
    assert.same({{2, 3, 2, 8}, {0, 1, 1, 200}, {100, 5, 5, 9}}, x:tolist())
    x[{":", {1, 2}}] = tensor {{1}, {2}, {3}}
    assert.same({{2, 1, 1, 8}, {0, 2, 2, 200}, {100, 3, 3, 9}}, x:tolist())
    x["..."] = 1.5
    assert.is_true(x:eq(1.5):all())
    local n, b = tensor {1, 2, 3}, tensor {false, false}
    n[0] = 7.9
    b[1] = true
    assert.same({7, 2, 3}, n:tolist())
    assert.same({false, true}, b:tolist())
    local p = suture.zeros(2, 2, 2, 2) -- rank 4 lies channels-last
    p[{1, 0, 1, 0}] = 4
    p[{":", 1}] = suture.arange(4):reshape(2, 2)
    assert.same({{{{0, 0}, {0, 0}}, {{0, 1}, {2, 3}}}, {{{0, 0}, {4, 0}}, {{0, 1}, {2, 3}}}}, p:tolist())
    p[p:eq(4)] = -1
    assert.equal(-1, p[{1, 0, 1, 0}]:item())
    local w = suture.ones(2)
    w.requires_grad = true
    fails("a gradient flows to what comes in", function() x.data[{0, "0:2"}] = w * 2 end)
    suture.no_grad(function() x[{0, "0:2"}] = w * 2 end)
    assert.same({2, 2}, x[{0, ":2"}]:tolist())
  end)

  it("are made from nested lists", function()
    local x = tensor {{1, 2, 3}, {4, 5, 6.5}}
    assert.equal("(2, 3)", tostring(x.shape))
    assert.equal(2, x.shape[1])
    assert.equal(3, x:size(1))
    assert.equal(3, x:size(-1))
    assert.equal(6, x:numel())
    assert.equal(2, x:dim())
    assert.equal(2, #x)
    assert.same({{1, 2, 3}, {4, 5, 6.5}}, x:tolist())
    assert.equal("float32", x.dtype)
    assert.equal("int64", tensor({1, 2}).dtype)
    assert.equal("bool", tensor({true, false}).dtype)
    assert.equal("float32", tensor({1, 2}, {dtype = "float32"}).dtype)
    assert.equal(7, tensor(7):item())
    fails("different lengths", tensor, {{1, 2}, {3}})
    fails("a list and a number", tensor, {1, {2}})
    fails("expects numbers, got string", tensor, {"a"})
    fails("dtype", tensor, {1}, {dtype = "float16"})
    fails("did you mean dtype", tensor, {1}, {dtpe = "float32"})
  end)

  it("have constructors", function()
    assert.same({{0, 0, 0}, {0, 0, 0}}, suture.zeros(2, 3):tolist())
    assert.same({1, 1}, suture.ones({2}):tolist())
    assert.same({{7, 7}}, tensor.full({1, 2}, 7):tolist())
    assert.same({0, 1, 2}, suture.arange(3):tolist())
    assert.same({1, 3}, suture.arange(1, 5, 2):tolist())
    assert.same({5, 4}, suture.arange(5, 3, -1):tolist())
    near({0, 0.5, 1}, tensor.linspace(0, 1, 3):tolist())
    assert.same({{1, 0}, {0, 1}}, tensor.eye(2):tolist())
    assert.equal("(3, 4)", tostring(tensor.zeros_like(suture.randn(3, 4)).shape))
    fails("0 or above", suture.zeros, -1)
    fails("whole numbers", suture.zeros, 1.5)
    fails("at most 8 of them", suture.zeros, 1, 1, 1, 1, 1, 1, 1, 1, 1)
  end)

  it("draw the same numbers from the same seed", function()
    suture.seed(5)
    local a, b = suture.randn(1000), suture.rand(1000)
    suture.seed(5)
    assert.is_true(a:equal(suture.randn(1000)))
    assert.is_true(b:equal(suture.rand(1000)))
    assert.is_false(a:equal(suture.randn(1000)))
    assert.is_true(math.abs(a:mean():item()) < 0.15)
    assert.is_true(math.abs(a:std():item() - 1) < 0.15)
    assert.is_true(b:min():item() >= 0 and b:max():item() < 1)
    local p = tensor.randperm(20):tolist()
    table.sort(p)
    assert.same(suture.arange(20):tolist(), p)
  end)

  it("compute", function()
    local x, y = tensor {1.0, 2.0, 4.0}, tensor {2.0, 2.0, 2.0}
    near({3, 4, 6}, (x + y):tolist())
    near({-1, 0, 2}, (x - y):tolist())
    near({2, 4, 8}, (x * 2):tolist())
    near({2, 1, 0.5}, (2 / x):tolist())
    near({1, 4, 16}, (x ^ 2):tolist())
    near({-1, -2, -4}, (-x):tolist())
    near({math.exp(1), math.exp(2), math.exp(4)}, x:exp():tolist())
    near({0, math.log(2), math.log(4)}, x:log():tolist())
    near({2, 2, 3}, x:clamp(2, 3):tolist())
    assert.same({false, true, false}, x:eq(y):tolist())
    assert.same({false, false, true}, x:gt(y):tolist())
    near({{11}, {22}}, tensor({{1, 2}, {2, 4}}):matmul(tensor {{3}, {4}}):tolist())
    near({1, 1}, suture.randn(2, 5):softmax(1):sum(1):tolist())
    fails("do not broadcast", function() return suture.ones(2, 3) + suture.ones(4) end)
    fails("expects tensors or numbers", function() return x + "a" end)
    fails("matmul", function() return suture.ones(2, 3):matmul(suture.ones(2, 3)) end)
  end)

  it("keep whole numbers whole", function()
    local x = tensor {1, 2, 3}
    assert.equal("int64", (x + 1).dtype)
    assert.equal("float32", (x + 1.5).dtype)
    assert.equal("float32", (x / 2).dtype)
    assert.equal(6, x:sum():item())
    assert.equal("integer", math.type(x:eq(x):sum():item()))
    fails("float32", function() x.requires_grad = true end)
  end)

  it("change shape", function()
    local x = suture.randn(2, 3, 4, 5)
    assert.equal("(2, 60)", tostring(x:reshape(2, -1).shape))
    assert.equal("(2, 60)", tostring(x:flatten(1).shape))
    assert.equal("(2, 4, 5, 3)", tostring(x:permute(0, 2, 3, 1).shape))
    assert.is_true(x:permute(0, 2, 3, 1):permute(0, 3, 1, 2):equal(x))
    assert.equal("(2, 5, 4, 3)", tostring(x:transpose(1, -1).shape))
    assert.equal("(1, 2, 3)", tostring(suture.ones(2, 3):unsqueeze(0).shape))
    assert.equal("(2, 3)", tostring(suture.ones(1, 2, 1, 3):squeeze().shape))
    assert.equal("(4, 3)", tostring(suture.ones(1, 3):expand(4, -1).shape))
    assert.equal("(3, 2)", tostring(suture.ones(2, 3):t().shape))
    assert.same(x:tolist()[2][3], x[1][2]:tolist())
    assert.same({{1, 2}}, tensor({{0, 1, 2}}):narrow(1, 1, 2):tolist())
    assert.same({0, 2, 4}, suture.arange(5):slice(0, 0, nil, 2):tolist())
    assert.same({2, 1, 0}, suture.arange(3):flip(0):tolist())
    assert.same({2, 0}, suture.arange(3):index_select(0, {2, 0}):tolist())
    fails("reshape", x.reshape, x, 7, 7)
    fails("out of range", function() return x[2] end)
    fails("out of range", x.sum, x, 4)
    fails("dimension", x.permute, x, 0, 1)
  end)

  it("are joined", function()
    local x = tensor {{1, 2}}
    assert.same({{1, 2}, {1, 2}}, tensor.cat({x, x}):tolist())
    assert.same({{1, 2, 1, 2}}, tensor.cat({x, x}, 1):tolist())
    assert.equal("(2, 1, 2)", tostring(tensor.stack({x, x}).shape))
    local many = {}
    for i = 1, 30 do many[i] = tensor {i} end
    local all = tensor.cat(many):tolist()
    for i = 1, 30 do assert.equal(i, all[i]) end
    fails("cat", tensor.cat, {})
  end)

  it("reduce", function()
    local x = tensor {{1.0, 5.0, 3.0}, {4.0, 2.0, 6.0}}
    near(21, x:sum():item())
    near({5, 7, 9}, x:sum(0):tolist())
    near({{3}, {4}}, x:mean(1, true):tolist())
    near(3.5, x:var():item())
    near({4, 4}, x:var(1):tolist())
    near(6, x:max():item())
    local values, places = x:max(1)
    near({5, 6}, values:tolist())
    assert.same({1, 2}, places:tolist())
    assert.same({1, 2}, x:argmax(1):tolist())
    assert.equal(5, x:argmax():item())
    assert.same({0, 1}, x:argmin(1):tolist())
    local top, where = x:topk(2)
    near({{5, 3}, {6, 4}}, top:tolist())
    assert.same({{1, 2}, {2, 0}}, where:tolist())
  end)

  it("change in place when they are leaves", function()
    local x = suture.ones(3)
    local later = x * 2
    assert.equal(x, x:add_(1))
    near({2, 2, 2}, x:tolist())
    near({2, 2, 2}, later:tolist()) -- laziness is not seen
    x:zero_()
    x[1] = 5
    near({0, 5, 0}, x:tolist())
    x:copy_(tensor {1.0, 2.0, 3.0})
    near({2, 4, 6}, x:mul_(2):tolist())
    fails("expects shape (3)", x.copy_, x, suture.ones(2, 3))
    local w = tensor({1.0}, {requires_grad = true})
    assert.same({3}, (w * 2):add_(1):tolist())
  end)

  it("are themselves", function()
    local x = suture.ones(2)
    local t = {x}
    assert.is_true(x == t[1])
    local note, said = require "suture.base.note", {}
    local write = note.write
    note.write = function(text) said[#said + 1] = text end
    assert.is_false(x == suture.ones(2)) -- the same numbers, another object: said once
    assert.is_false(x == suture.ones(2))
    note.write = write
    assert.is_true(#said <= 1)
    assert.is_true(#said == 0 or said[1]:find("x:eq(y)", 1, true) ~= nil)
    assert.is_true(x[0] == x[0])
    assert.is_true(x[0] == tensor(1))
    assert.is_false(x[0] == tensor(2.0))
    assert.is_true(tensor {true} == tensor(1))
    local sum = {}
    for i, v in pairs(tensor {5, 6}) do sum[#sum + 1] = i + v:item() end
    assert.same({5, 7}, sum)
    fails("ipairs begins at 1", function() for _ in ipairs(x) do end end)
    assert.is_true(x:equal(suture.ones(2)))
    assert.is_true(x:allclose(suture.ones(2) + 1e-9))
    assert.is_false(x:detach() == x)
    fails("item", x.item, x)
    fails("no field 'no_such_field' in x", function() return x.no_such_field end)
    fails("no field", function() x.foo = 1 end)
  end)

  it("print as in PyTorch", function()
    assert.equal("tensor([1, 2], shape=(2), dtype=int64)", tostring(tensor {1, 2}))
    assert.equal("tensor([[1.0000, 2.5000],\n        [3.0000, 4.0000]], shape=(2, 2))", tostring(tensor {{1, 2.5}, {3, 4}}))
    assert.equal("tensor(1.5000)", tostring(tensor(1.5)))
    assert.truthy(tostring(suture.arange(2000)):find("^tensor%(shape=%(2000%), dtype=int64%)\n"))
    assert.is_truthy(tostring(tensor({1.0}, {requires_grad = true})):find "requires_grad=true")
  end)

  it("let go of memory", function()
    collectgarbage()
    local before = suture.core.engine.memory()
    for _ = 1, 200 do local x = suture.zeros(1000, 1000) end -- 4 MB each
    local now, peak = suture.core.engine.memory()
    assert.is_true(now - before < 300e6)
  end)

  it("read and write npy", function()
    local path = os.tmpname() .. ".npy"
    local x = suture.randn(2, 3, 4, 5)
    suture.save_tensor(x, path)
    assert.is_true(suture.load_tensor(path):equal(x))
    os.remove(path)
  end)
end)

describe("every public name of tensors and functions", function()
  it("has a help text", function()
    local text, lacking = require "suture.shell.help".text, {}
    for where, list in pairs {["tensor."] = tensor, ["F."] = F, ["x:"] = getmetatable(suture.zeros(1))} do
      for name, f in pairs(list) do
        if type(f) == "function" and name:sub(1, 1) ~= "_" and text(f):find("No doc comment", 1, true) then
          lacking[#lacking + 1] = where .. name
        end
      end
    end
    table.sort(lacking)
    assert.equal("", table.concat(lacking, " "))
  end)
end)

describe("F", function()
  it("pads as PyTorch", function()
    local x = tensor {{{{1.0, 2.0}}}}
    assert.same({{{{0, 1, 2, 0, 0}, {0, 0, 0, 0, 0}}}}, F.pad(x, {1, 2, 0, 1}):tolist())
    assert.same({{{{2}}}}, F.pad(x, {-1, 0}):tolist())
  end)

  it("checks class numbers", function()
    local x = suture.randn(4, 5)
    fails("target 7 at index 3 is not below 5 classes", F.cross_entropy, x, tensor {0, 1, 2, 7})
    fails("target -1 at index 0", F.cross_entropy, x, tensor {-1, 1, 2, 3})
    assert.is_truthy(F.cross_entropy(x, tensor {-100, 1, 2, 3}):item())
    fails("label_smoothing expects a number from 0 to 1", F.cross_entropy, x, tensor {0, 1, 2, 3}, {label_smoothing = 2})
  end)

  it("weighs classes, not pixels, where the target holds probabilities", function()
    suture.seed(2)
    local x, y, w = suture.randn(2, 3, 4, 5), suture.randn(2, 3, 4, 5):softmax(1), tensor {1.0, 2.0, 5.0}
    local log = x:log_softmax(1)
    local want = -(log * y * w:reshape(1, 3, 1, 1)):sum(1)
    near(want:mean():item(), F.cross_entropy(x, y, {weight = w}):item())
    assert.is_true(want:allclose(F.cross_entropy(x, y, {weight = w, reduction = "none"}), {atol = 1e-5}))
    fails("weight expects a number for each of 3 classes", F.cross_entropy, x, y, {weight = suture.ones(5)})
    local classes = y:argmax(1)
    near(F.cross_entropy(x, classes):item(), F.cross_entropy(x:reshape(2, 3, 2, 2, 5), classes:reshape(2, 2, 2, 5)):item())
    assert.equal("(2, 2, 2, 5)", tostring(F.cross_entropy(x:reshape(2, 3, 2, 2, 5), classes:reshape(2, 2, 2, 5), {reduction = "none"}).shape))
  end)

  it("has PyTorch's losses", function()
    local x, y = tensor {0.5, 2.0}, tensor {1.0, 0.0}
    near(2.125, F.mse_loss(x, y):item())
    near(1.25, F.l1_loss(x, y):item())
    near((0.125 + 1.5) / 2, F.smooth_l1_loss(x, y):item())
    near((math.log(1 + math.exp(-0.5)) + math.log(1 + math.exp(2))) / 2, F.binary_cross_entropy_with_logits(x, y):item())
    near(math.log(2), F.cross_entropy(suture.zeros(3, 2), tensor {0, 1, 1}):item())
    near(F.cross_entropy(suture.zeros(1, 2), tensor {0}):item(), F.nll_loss(suture.zeros(1, 2):log_softmax(1), tensor {0}):item())
    near(-(0.5 + 4) / 2, F.nll_loss(tensor {{0.5, 9}, {9, 4.0}}, tensor {0, 1}):item()) -- of any numbers, as in PyTorch
  end)

  it("take their options by place and by name, and act on them", function()
    local x = tensor {{1.0, -2}, {3, -4}}
    assert.same({4, -6}, x:sum {dim = 0}:tolist())
    assert.same({{-1}, {-1}}, x:sum(1, {keepdim = true}):tolist())
    assert.same({-2, -2}, x:sum({0, 1}, {keepdim = false, dtype = "int64"}):reshape(1):expand(2):tolist())
    assert.equal("int64", x:sum {dtype = "int64"}.dtype)
    assert.same({2, -3}, x:mean {dim = 0}:tolist())
    assert.same({{3, 8}}, x:prod {dim = 0, keepdim = true}:tolist())
    near({{math.sqrt(5)}, {5}}, x:norm(2, 1, true):tolist())
    near({4, 6}, x:norm {p = 1, dim = 0}:tolist())
    near({3, 4}, x:norm(math.huge, 0):tolist())
    near({1, 2}, x:norm(-math.huge, 0):tolist())
    near({2, 2}, x:norm(0, 0):tolist())
    near((1 + 8 + 27 + 64) ^ (1 / 3), x:norm(3):item())
    near(math.sqrt(30), x:norm "fro":item())
    assert.same({true, false}, tensor {{1, 0}, {2, 3}}:all(0):tolist())
    assert.same({{false}, {true}}, tensor {{0, 0}, {0, 3}}:any(1, true):tolist())
    assert.is_true(x:all())
    assert.is_false(suture.zeros(3):any())
    near({1.23, -2.35}, tensor {1.234, -2.345678}:round {decimals = 2}:tolist(), 1e-6)
    near({1200, -200}, tensor {1234.0, -234.5}:round {decimals = -2}:tolist())
    near(tensor {2, 2}:tolist(), x:var(0, false):tolist(), 2)
    near({1, 1}, x:std {dim = 0, unbiased = false}:tolist())
    near({math.sqrt(2), math.sqrt(2)}, x:std(0):tolist())
    near(tensor({1.0, 2, 3, 6}):var():item() * 3 / 2, tensor({1.0, 2, 3, 6}):var {correction = 2}:item())
    near(3.5, tensor({1.0, 2, 3, 6}):var(false):item())
    near({21, 18}, tensor {1, -2}:add(tensor {10, 10}, {alpha = 2}):tolist())
    near({-19, -22}, tensor {1, -2}:sub(10, {alpha = 2}):tolist())
    assert.same({-4, 3}, tensor {-7, 7}:div(2, {rounding_mode = "floor"}):tolist())
    assert.same({-3, 3}, tensor {-7, 7}:div(2, {rounding_mode = "trunc"}):tolist())
    near({0.841192, -0.158808}, tensor {1.0, -1.0}:gelu "tanh":tolist(), 1e-5)
    near({0.841192}, tensor {1.0}:gelu {approximate = "tanh"}:tolist(), 1e-5)
    near({math.log(1 + math.exp(2)) / 2}, tensor {1.0}:softplus(2):tolist())
    near({1}, tensor {1.0}:softplus {beta = 2, threshold = 1}:tolist())
    assert.same({{3, -4}, {1, -2}}, x:flip {dims = {0}}:tolist())
    assert.same({{-4, 3}, {-2, 1}}, x:flip(0, 1):tolist())
    assert.same({{1, -2}}, x:split({1, 1}, 0)[1]:tolist())
    assert.same({1, 2}, tensor {0.5, 2.5}:clamp(tensor {1, 1}, 2):tolist())
    assert.same({{1, 2, 3, 4}}, suture.arange(1, 5):reshape {shape = {1, -1}}:tolist())
    assert.equal(11, tensor {1, 2, 3}:matmul(tensor {0, 1, 3}):item())
    assert.same({5, 11}, tensor {{1, 2}, {3, 4}}:matmul(tensor {1, 2}):tolist())
    assert.equal("int64", tensor.full({2}, 7).dtype)
    assert.equal("float32", tensor.full({2}, 7.0).dtype)
    assert.equal("bool", tensor.full({2}, true).dtype)
    assert.equal("int64", tensor.zeros_like(tensor {1, 2}).dtype)
    assert.equal("int64", tensor {true, 2}.dtype)
    local x3 = tensor {1.0, 2}
    assert.is_true(rawequal(x3, x3:to "float32") and rawequal(x3, x3:to "cpu"))
  end)

  it("find the k greatest or least along any dimension", function()
    local x = tensor {{1.0, 5, 3}, {9, 2, 0 / 0}}
    local v, i = x:topk(2, {largest = false})
    assert.same({{1, 3}, {2, 9}}, v:tolist())
    assert.same({{0, 2}, {1, 0}}, i:tolist())
    v, i = x:topk(1, 0)
    assert.same({1, 0}, {i[0][0]:item(), i[0][1]:item()})
    assert.equal("(1, 3)", tostring(v.shape))
    assert.is_true(x:topk(1)[1][0]:ne(x:topk(1)[1][0]):item()) -- NaN comes first
    x = tensor {1, 4, 2}
    assert.equal("int64", x:topk(2).dtype)
    assert.equal("(0)", tostring(x:topk(0).shape))
    local w = tensor({{1.0, 5, 3}}, {requires_grad = true});
    (w:topk(2) * tensor {10, 100}):sum():backward()
    assert.same({{0, 10, 100}}, w.grad:tolist())
  end)

  it("draw what they are asked for", function()
    assert.equal("float32", tensor.randint(5, {3}, {dtype = "float32"}).dtype)
    assert.equal("(3)", tostring(tensor.randint(2, 5, {3}).shape))
    assert.equal("(3)", tostring(tensor.randint(5, {size = {3}}).shape))
    fails('dtype expects "float32"', suture.randn, 2, {dtype = "int64"})
    assert.equal(1e6, tensor.eye(1000):sum():item() * 1000)
  end)

  it("stay of their dtype in place", function()
    local n = tensor {1, 2}
    fails("the result is float32", n.add_, n, 0.5)
    n:add_(1)
    n:fill_(3.9)
    assert.same({3, 3}, n:tolist())
    local x, y = tensor {1.0, 2}, tensor {10.0, 20}
    assert.same({21, 42}, x:add_(y, {alpha = 2}):tolist())
    assert.same({1, 2}, x:sub_(y, {alpha = 2}):tolist())
    assert.same({1, 1}, x:clamp_(0, 1):tolist())
    fails("by name: {alpha = …}", x.add_, x, y, 0.5)
    fails("does not fit into", x.add_, x, suture.ones(3, 2))
    local w = suture.ones(2)
    w.requires_grad = true
    fails("would be lost: x is a leaf that requires a gradient", w.add_, w, w * 2)
  end)
end)
