local suture = require "suture"
suture.history(true) -- as at the prompt
local nn, zoo, tensor = suture.nn, suture.zoo, suture.tensor
local undo = require "suture.model.undo"

local function net() return zoo.cifar_resnet20() end
local function out(m, x) return suture.no_grad(function() return m(x):tolist() end) end

describe("surgery", function()
  local m, x
  before_each(function()
    undo.clear()
    suture.seed(1)
    m, x = net():eval(), suture.randn(2, 3, 32, 32)
    undo.clear()
  end)

  it("replaces, and undo gives the same bits back", function()
    local before = out(m, x)
    local old = m:replace("linear", nn.Linear(64, 3))
    assert.equal(10, old.out_features)
    assert.equal(3, #out(m, x)[1])
    suture.undo()
    assert.same(before, out(m, x))
    suture.redo()
    assert.equal(3, #out(m, x)[1])
  end)

  it("inserts beside a part without renaming others", function()
    local keys = #m:state_dict()
    m:insert_after("layer1", nn.Conv2d(16, 16, 1))
    assert.equal(keys + 2, #m:state_dict())
    assert.is_table(m:at("layer1_after"))
    local y = out(m, x)
    m:remove("layer1_after")
    assert.equal(keys, #m:state_dict())
    assert.not_same(y, out(m, x))
  end)

  it("inserts into a Sequential with later parts moving", function()
    m:insert_before("layer1.1", nn.Identity())
    assert.equal(4, #m.layer1)
    assert.equal("Identity", getmetatable(m.layer1[1]).__name)
    m:remove("layer1.1")
    assert.equal(3, #m.layer1)
  end)

  it("cuts and makes whole", function()
    m:cut("layer2")
    assert.same({2, 32, 16, 16}, {table.unpack(m(x).shape)})
    m:cut(nil)
    assert.same({2, 10}, {table.unpack(m(x).shape)})
  end)

  it("finds and resets the head", function()
    local path, head = nn.Module.head(m)
    assert.equal("linear", path)
    assert.equal(head, m.linear)
    m:freeze()
    m:reset_head(4)
    assert.is_true(m.linear.weight.requires_grad)
    assert.is_false(m.conv1.weight.requires_grad)
  end)

  it("resets auxiliary heads with the head, and freezes them with what runs before", function()
    local google = nn.init.skip(zoo.googlenet)
    google:reset_head(3)
    for _, head in ipairs {"fc", "aux1.fc2", "aux2.fc2"} do assert.equal(3, google:at(head).out_features) end
    google:eval():freeze_to("fc")
    local trained = {}
    for name, p in google:named_parameters() do if p.requires_grad then trained[#trained + 1] = name end end
    assert.same({"fc.weight", "fc.bias"}, trained)
  end)

  it("takes back freezing and modes", function()
    m:train()
    m:freeze("layer1")
    assert.is_false(m.layer1[0].conv1.weight.requires_grad)
    suture.undo()
    assert.is_true(m.layer1[0].conv1.weight.requires_grad)
    suture.undo()
    assert.is_false(m.training)
  end)

  it("leaves the model as it was after an error", function()
    local before = out(m, x)
    assert.has_error(function() m:replace("layer9", nn.Identity()) end)
    assert.has_error(function() m:replace("linear", 3) end)
    assert.has_error(function() m:cut("nothing") end)
    assert.has_error(function() m:reset_head(0) end)
    assert.same(before, out(m, x))
  end)

  it("keeps what was sewn in around a part that is replaced", function()
    m:insert_before("layer1", nn.Identity())
    m:insert_after("layer1", nn.Conv2d(16, 16, 1))
    m:insert_after("layer1", nn.Sigmoid())
    local ran = {}
    local function order()
      ran = {}
      for _, r in ipairs((require("suture.nn.trace").record(m, x))) do
        if r.path:find "^layer1[_%w]*$" then ran[#ran + 1] = r.path end
      end
      return ran
    end
    assert.same({"layer1_before", "layer1", "layer1_after2", "layer1_after"}, order())
    m:replace("layer1", nn.Conv2d(16, 16, 3, {padding = 1}))
    m.layer1_after = nn.ReLU()
    assert.same({"layer1_before", "layer1", "layer1_after2", "layer1_after"}, order())
    assert.equal("ReLU", getmetatable(m:remove("layer1_after")).__name)
    assert.same({"layer1_before", "layer1", "layer1_after2"}, order())
    suture.undo(6)
    assert.same({"layer1"}, order())
  end)

  it("puts an Identity where a part must stay", function()
    local old = m:remove("layer1.0.bn1")
    assert.equal("BatchNorm2d", getmetatable(old).__name)
    assert.equal("Identity", getmetatable(m.layer1[0].bn1).__name)
    assert.equal(10, #out(m, x)[1])
  end)

  it("finds a head that is a 1 × 1 convolution", function()
    local net1 = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net1.input_shape = {1, 3, 8, 8}
    assert.equal("1", (net1:head()))
    net1:reset_head(7)
    assert.same({1, 7}, {table.unpack(net1(suture.zeros(1, 3, 8, 8)).shape)})
  end)

  it("says what is wrong, and where", function()
    local function fails(pattern, f, ...)
      local ok, err = pcall(f, ...)
      assert.is_false(ok)
      assert.matches(pattern, err)
    end
    fails("replace: no module 'layer1.0.con1' in CifarResNet: did you mean layer1.0.conv1", m.replace, m, "layer1.0.con1", nn.ReLU())
    fails("the path is empty", m.replace, m, "", nn.ReLU())
    fails("got the class ReLU", m.replace, m, "bn1", nn.ReLU)
    fails("is a parameter or a buffer", m.remove, m, "conv1.weight")
    fails("cannot contain itself", m.insert_after, m, "layer1", m)
    fails("expects a path", m.insert_before, m, nil, nn.ReLU())
    fails("expects a number of classes", m.reset_head, m, "two")
    m.idle = nn.ReLU()
    fails("cut: 'idle' does not run", m.cut, m, "idle")
    assert.is_nil(rawget(m, "_cut"))
    fails("no Linear layer", nn.ReLU().head, nn.ReLU())
  end)

  it("names both shapes where it no longer fits", function()
    m.layer2[0].conv1 = nn.Conv2d(7, 32, 3, {padding = 1})
    local ok, err = pcall(m, x)
    assert.is_false(ok)
    assert.matches("layer2%.0%.conv1: Conv2d expects 7 channels.*got 16", err)
  end)
end)

describe("save and open", function()
  it("rebuilds a model that was operated on", function()
    local m = net():eval()
    m:freeze()
    m.linear = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 3))
    m:insert_after("layer1", nn.Conv2d(16, 16, 1))
    m:remove("layer3.2")
    m:eval()
    m.classes = {"a", "b", "c"}
    local x = suture.randn(2, 3, 32, 32)
    for _, ending in ipairs {"safetensors", "pth"} do
      local path = os.tmpname() .. "." .. ending
      m:save(path)
      local again = suture.open(path)
      os.remove(path)
      assert.same(out(m, x), out(again, x))
      assert.same({"a", "b", "c"}, again.classes)
      assert.equal(0.25, again.linear[2].p)
      assert.is_false(again.conv1.weight.requires_grad)
      assert.is_true(again.linear[0].weight.requires_grad)
      assert.equal(2, #again.layer3)
    end
  end)
end)
