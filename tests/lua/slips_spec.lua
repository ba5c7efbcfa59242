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
