-- Modules that are registered at several places, and what names mean then.
local suture = require "suture"
local kit = require "kit"
local nn = suture.nn
local fails = kit.fails

local Twice = nn.class "Twice"
function Twice:init()
  self.a = nn.Linear(4, 4)
  self.b = self.a
  self.c = nn.Linear(4, 2)
  self.relu = nn.ReLU()
  self.r2 = self.relu
  self.r3 = self.relu
end
function Twice:forward(x) return self.c(self.r3(self.r2(self.relu(self.b(self.a(x)))))) end

local Doubled = nn.class "Doubled"
function Doubled:init() self.runs = 0 end
function Doubled:forward(x)
  self.runs = self.runs + 1
  return x * 2
end

local said
local function telling(f, ...)
  local note = require "suture.base.note"
  local write = note.write
  said = {}
  note.write = function(text) said[#said + 1] = text end
  local ok, err = pcall(f, ...)
  note.write = write
  if not ok then error(err, 0) end
  return table.concat(said, "\n")
end

describe("a module at two places", function()
  local m
  before_each(function()
    suture.seed(3)
    m = Twice()
    m.input_shape = {1, 4}
  end)

  it("is meant by each of its names", function()
    m:freeze("b")
    assert.is_false(m.a.weight.requires_grad)
    m:unfreeze("a")
    m:freeze("b.weight")
    assert.same({false, true}, {m.a.weight.requires_grad, m.a.bias.requires_grad})
    m:unfreeze("b.weight")
    m:eval("r2")
    assert.is_false(m.relu.training)
    m:train("r3")
    assert.is_true(m.relu.training)
    fails("nothing in Twice is called 'd'", m.freeze, m, "d")
  end)

  it("stays at the others when one is replaced, and a line says so", function()
    assert.matches("relu was the same module as r2 and r3, which stays",
      telling(function() m:replace("relu", nn.GELU()) end), 1, true)
    assert.is_true(m.r2 == m.r3 and m.r2 ~= m.relu)
  end)

  it("is found at each, so that all can be replaced", function()
    local found = m:find(nn.ReLU)
    assert.same({"relu", "r2", "r3"}, found:keys())
    assert.same({"b"}, m:find("b"):keys())
    telling(function() for path in m:find(nn.ReLU) do m:replace(path, nn.GELU()) end end)
    assert.equal(0, #m:find(nn.ReLU))
    assert.equal(3, #m:find(nn.GELU))
    assert.equal(2, #m:find(nn.Linear) - 1) -- a, b and c
  end)

  it("is sewn in around at the place that is named", function()
    local d = Doubled()
    local x = suture.randn(2, 4)
    local before = m(x):tolist()
    assert.matches("a was the same module as b", telling(kit.line, 'm:insert_after("a", d)', {m = m, d = d}), 1, true)
    local y = m.c(nn.ReLU()(m.b(m.b(x) * 2)))
    assert.same(y:tolist(), m(x):tolist())
    assert.equal(1, d.runs)
    assert.is_true(m.a ~= m.b and rawequal(m.a.weight, m.b.weight) and rawequal(m.a.bias, m.b.bias))
    kit.line("suture.undo()", {suture = suture})
    require("suture.base.journal").prompt(false)
    assert.same(before, m(x):tolist())
    assert.is_true(m.a == m.b)
    telling(function() m:insert_before("r2", d) end)
    m(x)
    assert.equal(2, d.runs)
  end)

  it("comes back from a file as it was, with what was sewn in", function()
    local folder = kit.temp_folder()
    telling(function() m:insert_after("a", nn.Dropout(0.5)) end)
    for _, ending in ipairs {"safetensors", "pth"} do
      m:save(folder .. "/m." .. ending)
      local o = suture.open(folder .. "/m." .. ending)
      assert.is_true(o.a ~= o.b and rawequal(o.a.weight, o.b.weight) and o.relu == o.r3)
      assert.is_true(o.a_after ~= nil)
    end
    kit.run("rm -r " .. folder)
  end)

  it("has its head changed at all of them", function()
    local H = nn.class "TwoHeads"
    function H:init() self.fc = nn.Linear(4, 3) self.out = self.fc end
    function H:forward(x) return self.out(x) end
    local h = H()
    h.input_shape = {1, 4}
    local new = h:reset_head(2)
    assert.is_true(h.fc == new and h.out == new)
    assert.equal(2, h(suture.ones(1, 4)).shape[2])
  end)

  it("is no place to stop at, and its calls have one name", function()
    fails("'r2' is the same module as 'relu', 'r3'", m.cut, m, "r2")
    fails("m:replace(\"r2\", m:at(\"r2\"):clone())", m.cut, m, "r2")
    fails("is the same module as", m.freeze_to, m, "b")
    fails("'r2' is the same module as 'relu'", m.graph, m, "r2")
    fails("'r2' is the same module as 'relu'", m.activations, m, suture.ones(1, 4), "r2")
    local t = suture.trace(m, suture.ones(1, 4))
    fails("'r2' is the same module as 'relu'", t.value, t, "r2")
    assert.is_true(t:value("relu", 3) ~= nil)
    m:replace("r2", m:at("r2"):clone())
    m:cut("r2")
    assert.equal(4, m(suture.ones(1, 4)).shape[2])
  end)
end)

describe("pairs of a module", function()
  it("are what it has under names", function()
    local m = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    m.note = "mine"
    m:register_buffer("seen", suture.zeros(1))
    local names = {}
    for name, v in pairs(m) do
      names[#names + 1] = name
      assert.is_true(rawequal(v, m[name]))
    end
    assert.same({"0", "1", "seen", "note"}, names)
    local own = {}
    for name in pairs(m[0]) do own[name] = true end
    assert.is_true(own.weight and own.bias and own.in_features)
  end)
end)

describe("a clone", function()
  it("has its own numbers, marks and hooks, and what was shared is shared", function()
    local m = Twice()
    m.classes = {"x", "y"}
    m.c:freeze()
    m.tied = nn.Linear(4, 4)
    m.tied.weight = m.a.weight
    local calls = 0
    m.a:register_forward_hook(function() calls = calls + 1 end)
    local n = m:clone()
    assert.is_true(n.a == n.b and n.relu == n.r3 and n.a ~= m.a)
    assert.is_true(rawequal(n.tied.weight, n.a.weight) and not rawequal(n.a.weight, m.a.weight))
    assert.same({"x", "y"}, n.classes)
    assert.same({false, true}, {n.c.weight.requires_grad, n.a.weight.requires_grad})
    n(suture.ones(1, 4))
    assert.equal(2, calls)
    n.a.weight:fill_(0)
    assert.is_true(m.a.weight:abs():sum():item() > 0)
    n:unfreeze()
    assert.is_false(m.c.weight.requires_grad)
    n.classes[1] = "z"
    assert.equal("x", m.classes[1])
  end)
end)
