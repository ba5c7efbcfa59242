local suture = require "suture"
suture.history(true) -- as at the prompt
local nn = suture.nn
local undo = require "suture.model.undo"
local trace = require "suture.nn.trace"

local function net()
  return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
end
local function bits(m)
  local out = {}
  for name, t in m:state_dict() do out[name] = suture.core.tensor.bytes(t) end
  return out
end
local function result(m, x)
  local modes = {}
  for sub in m:modules() do modes[sub] = sub.training rawset(sub, "_training", false) end
  local y = suture.no_grad(function() return suture.core.tensor.bytes(m(x)) end)
  for sub, on in pairs(modes) do rawset(sub, "_training", on) end
  return y
end
local line = require("kit").line

describe("undo in scripts", function()
  local m, x
  before_each(function()
    suture.seed(5)
    m, x = net(), suture.randn(2, 3, 8, 8)
    undo.clear()
  end)

  it("goes back and forth through a chain, to the bit", function()
    local states = {}
    local function keep() states[#states + 1] = {bits(m), result(m, x)} end
    keep()
    m:replace("5", nn.Linear(4, 7)) keep()
    m:insert_after("2", nn.Conv2d(4, 4, 1)) keep()
    m:remove("1") keep()
    m[1] = nn.Sigmoid() keep()
    m:cut("3") keep()
    assert.equal(5, #undo.history())
    for i = 5, 1, -1 do
      assert.matches("^undone: ", suture.undo())
      assert.same(states[i][1], bits(m))
      assert.equal(states[i][2], result(m, x))
    end
    assert.equal("nothing to undo", suture.undo())
    for i = 2, 6 do
      assert.matches("^redone: ", suture.redo())
      assert.same(states[i][1], bits(m))
      assert.equal(states[i][2], result(m, x))
    end
    assert.equal("nothing to redo", suture.redo())
    suture.undo(5)
    assert.same(states[1][1], bits(m))
    m:freeze() -- a new change is another way: what was undone is none to redo
    assert.equal("nothing to redo", suture.redo())
  end)

  it("takes back marks", function()
    m:freeze("0")
    m:eval()
    m:bn_eval()
    m:requires_grad_(false)
    suture.undo()
    assert.is_true(m[5].weight.requires_grad)
    suture.undo()
    assert.is_nil(rawget(m[1], "_bn_eval"))
    suture.undo()
    assert.is_true(m.training)
    suture.undo()
    assert.is_true(m[0].weight.requires_grad)
    assert.is_false(suture.core.tensor.frozen(m[0].weight))
    suture.redo()
    assert.is_true(suture.core.tensor.frozen(m[0].weight))
  end)

  it("takes back training and loading", function()
    local before = bits(m)
    local images, labels = suture.randn(12, 3, 8, 8), suture.tensor {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}
    suture.fit(m, suture.data.tensors(images, labels), {epochs = 2, batch = 4, quiet = true, lr = 0.1})
    local trained, y = bits(m), result(m, x)
    assert.not_same(before, trained)
    assert.equal(1, #undo.history())
    assert.matches("fit", suture.undo())
    assert.same(before, bits(m))
    suture.redo()
    assert.same(trained, bits(m))
    assert.equal(y, result(m, x))
    local other = bits(net():load_state_dict(m:state_dict()) and m)
    assert.same(trained, other)
    suture.undo(2) -- the loading into another net, the training
    assert.same(before, bits(m))
    local fresh = net()
    undo.clear()
    m:load_state_dict(fresh:state_dict())
    assert.same(bits(fresh), bits(m))
    suture.undo()
    assert.same(before, bits(m))
    assert.has_error(function() m:load_state_dict {} end)
    assert.matches("nothing to undo", suture.undo())
  end)

  it("holds no more than it may", function()
    local past, note = require "suture.base.past", require "suture.base.note"
    local limit, write = past.limit, note.write
    local notes = {}
    note.write = function(text) notes[#notes + 1] = text end
    past.limit = 2000
    for _ = 1, 9 do
      local change <close> = require("suture.base.journal").begin {label = "fit", apart = true}
      m[0].weight:add_(1)
      m[5].weight:add_(1)
    end
    past.limit, note.write = limit, write
    assert.is_true(#undo.history() < 9 and #undo.history() >= 1)
    assert.matches("oldest changes are forgotten", notes[1])
  end)

  it("counts what was taken out, and forgets models that nobody holds", function()
    local past, note = require "suture.base.past", require "suture.base.note"
    local limit, write = past.limit, note.write
    note.write = function() end
    m:replace("5", nn.Linear(4, 1000))
    m:replace("5", nn.Linear(4, 3)) -- the one of 5000 numbers is kept by history alone
    assert.equal(2, #undo.history())
    past.limit = 10000
    m:freeze()
    past.limit, note.write = limit, write
    assert.equal(1, #undo.history())
    local function others()
      net():freeze()
      net():replace("5", nn.Linear(4, 2))
    end
    others()
    assert.equal(3, #undo.history())
    collectgarbage()
    assert.equal(1, #undo.history())
    suture.undo()
    assert.is_false(suture.core.tensor.frozen(m[0].weight))
    suture.redo()
    assert.is_true(suture.core.tensor.frozen(m[0].weight))
  end)

  it("keeps none in a script that does not ask, and says so", function()
    suture.history(false)
    m:freeze()
    assert.equal(0, #suture.history())
    assert.matches("history%(true%)", tostring(suture.history()))
    local ok, err = pcall(suture.undo)
    assert.is_false(ok)
    assert.matches("undo: no history is kept.*history%(true%)", err)
    assert.is_false((pcall(suture.history, 1)))
    local before = bits(m)
    assert.is_false((pcall(m.load_state_dict, m, {}))) -- what fails is put back all the same
    assert.same(before, bits(m))
    suture.history(true)
    m:unfreeze()
    assert.matches("undone", suture.undo())
  end)

  it("says what is wrong", function()
    local ok, err = pcall(suture.undo, "x")
    assert.is_false(ok)
    assert.matches("no checkpoint 'x'", err)
    ok, err = pcall(suture.undo, -1)
    assert.is_false(ok)
    assert.matches("expects a number of steps above 0", err)
  end)
end)

describe("undo at the prompt", function()
  local g
  before_each(function()
    suture.seed(5)
    g = net()
    g.input_shape = {1, 3, 8, 8}
    rawset(_G, "guinea", g)
    rawset(_G, "nn", nn)
    undo.clear()
  end)
  after_each(function()
    rawset(_G, "guinea", nil)
    rawset(_G, "nn", nil)
  end)

  it("sees assignments and says what was replaced", function()
    local before = bits(g)
    assert.equal("5: Linear(4 → 3) replaced by Linear(4 → 2)", line "guinea[5] = nn.Linear(4, 2)")
    assert.equal(1, #undo.history())
    suture.undo()
    assert.same(before, bits(g))
  end)

  it("tells what went into a list or out of it, not what moved", function()
    local last = #g._names - 1
    assert.equal(("1: GELU() inserted (%d behind it moved up)"):format(last), (line "guinea:insert_after('0', nn.GELU())":match "[^\n]*inserted[^\n]*"))
    assert.equal(("2: %s removed (%d behind it moved down)"):format(undo.words(g[2]), last - 1), (line "guinea:remove '2'":match "[^\n]*removed[^\n]*"))
    assert.matches(("%d: Tanh%%(%%) added"):format(last + 1), (line "guinea:append(nn.Tanh())"))
    assert.equal(3, #undo.history())
    suture.undo()
    suture.undo()
    suture.undo()
    assert.equal(last + 1, #g._names)
  end)

  it("says where a model no longer fits, and loses nothing", function()
    local said = line "guinea[5] = nn.Linear(9, 2)"
    assert.matches("guinea no longer fits: 5: Linear expects 9 features", said)
    assert.matches("got 4", said)
    assert.matches("guinea:graph{depth=1} shows the path", said, 1, true)
    assert.equal(9, g[5].in_features)
    assert.equal("", (line "local nothing = 1"))
    suture.undo()
    assert.equal(3, g[5].out_features)
  end)

  it("sees any mark and any write", function()
    local before = bits(g)
    line "for p in guinea:parameters() do p.requires_grad = false end"
    line "guinea[5].weight:zero_() guinea[5].bias:fill_(3)"
    assert.not_same(before, bits(g))
    assert.equal(2, #undo.history())
    line "undo = nil"
    suture.undo()
    assert.same(before, bits(g))
    assert.is_false(g[5].weight.requires_grad)
    suture.undo()
    assert.is_true(g[5].weight.requires_grad)
    suture.redo(2)
    assert.same({3, 3, 3}, g[5].bias:tolist())
  end)

  it("keeps one entry for a line that fails half way", function()
    local before = bits(g)
    local said, ok = line "guinea[5] = nn.Linear(4, 2) guinea:replace('9', nn.ReLU())"
    assert.is_false(ok)
    assert.matches("replaced", said)
    suture.undo()
    assert.same(before, bits(g))
  end)
end)

describe("cut", function()
  it("stops there, in calls and records, and is undone", function()
    local m = net():eval()
    local x = suture.randn(2, 3, 8, 8)
    local whole = m(x)
    m:cut("3")
    assert.same({2, 4, 1, 1}, {table.unpack(m(x).shape)})
    local list = trace.record(m, x)
    assert.equal(5, #list) -- the model and four layers
    assert.is_truthy(list[1].last_node_order)
    m:insert_after("3", nn.Flatten())
    m:cut("4")
    assert.same({2, 4}, {table.unpack(m(x).shape)})
    m:cut(nil)
    assert.same({2, 3}, {table.unpack(m(x).shape)})
    m:remove("4")
    assert.equal(suture.core.tensor.bytes(whole), suture.core.tensor.bytes(m(x)))
  end)
end)
