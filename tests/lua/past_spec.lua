-- Checkpoints, m:before(n) and what diff says of it.
local kit = require "kit"
local suture = require "suture"
local nn, past = suture.nn, require "suture.base.past"
suture.history(true)

local net

local function line(code)
  local said, ok, why = kit.line(code, {m = net, nn = nn, no_grad = suture.no_grad, randn = suture.randn})
  assert(ok, why)
  return said
end

before_each(function()
  suture.history(false)
  suture.history(true)
  suture.seed(1)
  net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
  rawset(_G, "past_net", net)
  line "m[0].weight = nn.Parameter(m[0].weight * 2)"
  line "m:freeze '0'"
  line "no_grad(function() m[2].bias:add_(1) end)"
  line "m:replace('2', nn.Linear(6, 5))"
end)
after_each(function() rawset(_G, "past_net", nil) end)

describe("m:before", function()
  it("gives m as it was, and leaves it as it is", function()
    local now, labels = kit.copies(net), tostring(suture.history())
    local was = net:before()
    assert.equal(3, was[2].out_features)
    assert.equal(5, net[2].out_features)
    assert.is_nil(kit.first_difference(now, kit.copies(net)))
    assert.equal(labels, tostring(suture.history()))
    assert.is_false(net:before(3)[0].weight.requires_grad == false)
    assert.is_false(net:before(2)[0].weight.requires_grad)
  end)

  it("is what undo would make of it, to the bit", function()
    for n = 1, 4 do
      local was = kit.copies(net:before(n))
      suture.undo(n)
      assert.is_nil(kit.first_difference(was, kit.copies(net)))
      suture.redo(n)
    end
  end)

  it("looks forward to a checkpoint that was undone", function()
    suture.checkpoint "end"
    suture.undo(2)
    assert.equal(5, net:before "end"[2].out_features)
    assert.equal(3, net[2].out_features)
    suture.redo "end"
    assert.equal(5, net[2].out_features)
  end)

  it("refuses what it cannot do", function()
    kit.fails("before: there are only 4 changes to go back", net.before, net, 5)
    kit.fails("before: expects a number of steps above 0, got 0", net.before, net, 0)
    kit.fails("before: no checkpoint 'x'", net.before, net, "x")
    suture.checkpoint "begin"
    kit.fails("no checkpoint 'bgin': did you mean begin?", net.before, net, "bgin")
    suture.history(false)
    kit.fails("before: no history is kept", net.before, net)
    suture.history(true)
  end)
end)

describe("a checkpoint", function()
  it("is where undo and redo go", function()
    suture.undo(3)
    suture.checkpoint "one"
    local want = kit.copies(net)
    suture.redo(3)
    suture.undo "one"
    assert.is_nil(kit.first_difference(want, kit.copies(net)))
    assert.equal("nothing to undo", suture.undo "one")
    suture.redo(2)
    kit.fails('redo: checkpoint one lies the other way: undo "one"', suture.redo, "one")
  end)

  it("is shown in the history, and listed", function()
    suture.checkpoint "now"
    suture.undo(4)
    suture.checkpoint "start"
    assert.same({{name = "start", changes = 0}, {name = "now", changes = 4}}, suture.checkpoint())
    local shown = tostring(suture.history())
    kit.fails("0  the beginning  [start]", error, shown, 0)
    kit.fails("(undone)  [now]", error, shown, 0)
  end)

  it("stays on a way that was left, and is gone back to from another", function()
    suture.checkpoint "left"
    suture.undo(2)
    line "m:eval()"
    kit.fails('undo: checkpoint left lies on another way: back_to "left"', suture.undo, "left")
    assert.equal(5, net:before "left"[2].out_features)
    assert.is_false(net.training)
    suture.back_to "left"
    assert.equal(5, net[2].out_features)
    assert.is_true(net.training)
  end)

  it("stays where it is when the oldest changes are forgotten, and goes with them", function()
    local most = past.most
    suture.checkpoint "four"
    suture.undo(4)
    suture.checkpoint "start"
    suture.redo(4)
    past.most = 3
    line "m:eval()"
    past.most = most
    kit.fails("no checkpoint 'start'", suture.undo, "start")
    local want = net:before(1)
    suture.undo "four"
    assert.equal(want.training, net.training)
    assert.is_true(net.training)
  end)

  it("has a name that can be typed", function()
    kit.fails("checkpoint: expects a name of letters", suture.checkpoint, "a b")
    kit.fails("checkpoint: expects a name of letters", suture.checkpoint, "3")
    suture.checkpoint "again"
    suture.undo()
    assert.equal("checkpoint again: after 3 changes (it was after 4)", suture.checkpoint "again")
  end)
end)

describe("diff", function()
  it("says the norm of each tensor's change, and its share", function()
    local d = suture.diff(net:before(4), net:before(1))
    assert.equal("0.weight", d.values[1].name)
    local w = net:before(4)[0].weight
    kit.near(w:norm():item(), d.values[1].norm)
    kit.fails(("norm %.3g, 100%% of the first's"):format(w:norm():item()), error, tostring(d), 0)
    kit.near(math.sqrt(3), d.values[2].norm)
  end)
end)

describe("redo", function()
  it("is not lost by a line that fails", function()
    suture.undo(2)
    for _, code in ipairs {"m:nothing()", "m[2] = 3", "m(randn(1, 9))", "m:replace('7', nn.ReLU())", "error 'no'"} do
      assert.is_false((pcall(line, code)))
    end
    suture.redo(2)
    assert.equal(5, net[2].out_features)
  end)
end)
