-- What is typed by habit and means nothing here is refused, with what to type instead.
local suture = require "suture"
local nn, data = suture.nn, suture.data
local fails = require("kit").fails

local function classes()
  return data.tensors(suture.randn(4, 2), suture.tensor({0, 1, 0, 1}, {dtype = "int64"}), {classes = {"cat", "dog"}})
end

describe("a slip", function()
  it("of a dot for a colon is told, of every forward and of data sets", function()
    local Own = nn.class "SlipOwn"
    function Own:init() self.l = nn.Linear(2, 2) end
    function Own:forward(x) return self.l(x) end
    local x = suture.randn(1, 2)
    for _, m in ipairs {nn.Linear(2, 2), nn.Sequential(nn.ReLU()), Own()} do
      fails("m:forward(x) with a colon", function() return m.forward(x) end)
      assert.equal(2, #m:forward(x).shape)
    end
    fails("m:forward(x) with a colon", function() return suture.zoo.cifar_resnet20().forward(x) end)
    local ds = classes()
    fails("ds:batches(…)", function() return ds.batches(2) end)
    fails("ds:class_name(…)", function() return ds.class_name(0) end)
    assert.equal("dog", ds:class_name(1))
  end)

  it("in options of batches, and one that nothing would look at, is refused", function()
    local ds = classes()
    for _, name in ipairs {"shuffle", "drop_last", "augment"} do
      fails(name .. " is true or false, got", ds.batches, ds, 2, {[name] = "yes"})
    end
    fails('min_delta goes with epochs = "converge" or best', suture.fit, nn.Linear(2, 2), ds, {min_delta = 1, epochs = 1})
  end)

  it("of a view that would be a copy is refused; what lies in another order is copied by contiguous", function()
    local x = suture.arange(6):reshape(2, 3)
    for _, part in ipairs {x:t(), x:narrow(1, 0, 2), x:permute(1, 0), suture.ones(1, 3):expand(2, 3)} do
      fails("x:reshape(…) copies them", part.view, part, part:numel())
      fails("view_as: the numbers of x", part.view_as, part, suture.ones(part:numel()))
      local copy = part:contiguous()
      assert.is_false(copy == part)
      copy:view(part:numel()):zero_()
    end
    assert.same({0, 1, 2, 3, 4, 5}, x:view(6):tolist())
    assert.equal(x, x:contiguous())
    x:narrow(0, 1, 1):contiguous():view(3):zero_() -- one after another: no copy
    assert.same({{0, 1, 2}, {0, 0, 0}}, x:t():t():view(2, 3):tolist())
    local w = suture.ones(2, 3)
    w.requires_grad = true
    local y = w:t():contiguous():view(6) * suture.arange(6)
    y:sum():backward()
    assert.same({{0, 2, 4}, {1, 3, 5}}, w.grad:tolist())
  end)

  it("in sums of bools gives what PyTorch gives, or is refused", function()
    local a, b = suture.tensor({1, 0, 1}):bool(), suture.tensor({1, 1, 0}):bool()
    for _, y in ipairs {a + b, a:maximum(b), a:clone():add_(b)} do
      assert.equal("bool", y.dtype)
      assert.same({true, true, true}, y:tolist())
    end
    assert.same({true, false, false}, (a * b):tolist())
    assert.same({2, 1, 2}, (a + 1):tolist())
    assert.equal("int64", (a + 1).dtype)
    for _, f in ipairs {function() return a - b end, function() return 1 - a end, function() return -a end} do
      fails("bool tensors", f)
    end
    fails("does not fit into bool", a.add_, a, 1)
  end)

  it("of a softmax over nobody knows what, or of a tensor's file under another kind's name, is refused", function()
    fails("over which dimension of (2, 3, 4)", suture.F.softmax, suture.randn(2, 3, 4))
    fails("over which dimension", suture.F.log_softmax, suture.randn(2, 3, 4, 4))
    assert.near(1, suture.F.softmax(suture.randn(2, 3))[0]:sum():item(), 1e-6)
    fails("whose names end in .npy", suture.save_tensor, suture.ones(2), "x.txt")
  end)

  it("in what a model knows of its pictures is refused", function()
    local m = nn.Linear(2, 2)
    for _, v in ipairs {"a", {1, "x"}, {0, 3}, {}} do
      fails("input_shape: expects sizes", function() m.input_shape = v end)
    end
    m.input_shape = {1, 3, 8, 8}
    m.preprocess = {rezise = 8}
    fails("m.preprocess: no option 'rezise'", suture.image.preprocess, suture.rand(3, 9, 9), m)
    m.preprocess = {size = 4}
    assert.same({1, 3, 4, 4}, {table.unpack(suture.image.preprocess(suture.rand(3, 9, 12), m).shape)})
  end)

  it("in the names of classes is refused; a class of one's own may call something else so in its init", function()
    local m = nn.Linear(2, 2)
    for _, v in ipairs {3, "a,b", {"a", 2}} do fails("classes: expects a list of names", function() m.classes = v end) end
    m.classes = {"a", "b"}
    m.classes = nil
    local Own = nn.class "SlipClasses"
    function Own:init(n) self.classes, self.l = n, nn.Linear(2, n) end
    assert.equal(7, Own(7).classes)
  end)

  it("of a tensor's places and dimensions is told", function()
    local x = suture.randn(2, 3)
    local read = assert(load("local x, k = ... return x[k]", "=user"))
    fails('x[{"None"}]', read, x, true)
    fails('x[{"None"}]', read, x, nil)
    fails("flip: dims is missing", x.flip, x)
  end)
end)
