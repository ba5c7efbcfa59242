-- The journal: every change of any model, from anywhere, is kept and comes back to the bit.
local suture = require "suture"
suture.history(true) -- as at the prompt
local nn = suture.nn
local undo = require "suture.model.undo"

local function net()
  return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
end

-- All of a model: numbers, marks, fields, as one text.
local function all_of(m)
  local out = {}
  for path, sub in m:named_modules() do
    out[#out + 1] = ("%s %s %s %s %s %d"):format(path, getmetatable(sub).__name, sub._training, sub._frozen, sub._bn_eval, #(rawget(sub, "_hooks") or {}))
    local names = {}
    for name, v in pairs(sub._fields) do names[#names + 1] = name .. "=" .. require("suture.base.options").show(v) end
    table.sort(names)
    out[#out + 1] = table.concat(names, " ")
  end
  for name, t in m:state_dict() do
    out[#out + 1] = ("%s %s %s %s"):format(name, t.requires_grad, suture.core.tensor.frozen(t), suture.core.tensor.bytes(t))
  end
  return table.concat(out, "\n")
end

local line = require("kit").line

local changes = {
  ["freezing through a callback from library code"] = function(m) m:apply(function(sub) sub:freeze() end) end,
  ["nn.init"] = function(m) nn.init.zeros_(m[5].weight) end,
  ["trunc_normal_"] = function(m) nn.init.trunc_normal_(m[5].weight, 0, 0.02) end,
  ["reset_parameters"] = function(m) m[0]:reset_parameters() end,
  ["reset_running_stats"] = function(m)
    m[1].running_mean:fill_(3)
    m[1]:reset_running_stats()
  end,
  ["x[i] = v"] = function(m) m[5].bias[0] = 9 end,
  ["an in-place function"] = function(m) m[5].weight:mul_(2) end,
  ["p.data = x"] = function(m) m[5].bias.data = suture.ones(3) end,
  ["requires_grad"] = function(m) for p in m:parameters() do p.requires_grad = false end end,
  ["training = false"] = function(m) m[1].training = false end,
  ["a field"] = function(m) m[0].padding = 1 end,
  ["a field of the user's"] = function(m) m.note = "mine" end,
  ["a hook"] = function(m) m[2]:register_forward_hook(function() end) end,
  ["bn_eval"] = function(m) m:bn_eval() end,
  ["an optimizer's step"] = function(m)
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.1})
    suture.F.cross_entropy(m(suture.ones(2, 3, 8, 8)), suture.tensor {0, 1}):backward()
    opt:step()
  end,
  ["load_state_dict"] = function(m) m:load_state_dict(net():state_dict()) end,
  ["taking a parameter away"] = function(m) m[5].bias = nil end,
  ["a new parameter"] = function(m) m[5].bias = nn.Parameter(suture.ones(3)) end,
  ["surgery and marks together"] = function(m)
    m[5] = nn.Linear(4, 2)
    m:freeze "0"
    m:append(nn.ReLU())
    m:remove(2)
  end,
}

describe("a change", function()
  local names = {}
  for name in pairs(changes) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it("by " .. name .. " at the prompt is taken back and made again, to the bit", function()
      undo.clear()
      suture.seed(3)
      local m = net()
      local x = suture.ones(2, 3, 8, 8)
      m(x):sum():item() -- statistics have moved before
      local before = all_of(m)
      line("change(m)", {change = changes[name], m = m})
      local after = all_of(m)
      assert.not_equal(before, after)
      assert.equal(1, #undo.history())
      line "undo()"
      suture.undo()
      assert.equal(before, all_of(m))
      suture.redo()
      assert.equal(after, all_of(m))
      suture.undo()
      assert.equal(before, all_of(m))
    end)
    if name ~= "an optimizer's step" then
      it("by " .. name .. " in a script is taken back and made again, to the bit", function()
        require("suture.base.journal").prompt(false)
        undo.clear()
        suture.seed(3)
        local m = net()
        local before = all_of(m)
        changes[name](m)
        local after, steps = all_of(m), #undo.history()
        assert.is_true(steps >= 1)
        suture.undo(steps)
        assert.equal(before, all_of(m))
        suture.redo(steps)
        assert.equal(after, all_of(m))
        undo.clear()
      end)
    end
  end

  it("of a model that only a table or a local holds is kept too", function()
    undo.clear()
    local models = {deep = {net()}}
    local before = all_of(models.deep[1])
    line("models.deep[1]:freeze()", {models = models})
    suture.undo()
    assert.equal(before, all_of(models.deep[1]))
  end)

  it("in a script in a folder named lua is kept", function()
    require("suture.base.journal").prompt(false)
    undo.clear()
    local m = net()
    local before = all_of(m)
    assert(load("local m = ... m:freeze() m[5] = require('suture').nn.Linear(4, 9)", "@lua/mine.lua"))(m)
    assert.equal(2, #undo.history())
    suture.undo(2)
    assert.equal(before, all_of(m))
  end)

  it("that is no change is no entry: forward passes, looking, making models", function()
    undo.clear()
    local m = net()
    line([[
      m(torch.randn(2, 3, 8, 8)):sum():item()
      m:graph(1, 3, 8, 8) m:summary(1, 3, 8, 8) m:cost() m:audit()
      local other = torch.nn.Sequential(torch.nn.Linear(2, 2))
      other:freeze() torch.nn.init.zeros_(other[0].weight)
      m:train() m:unfreeze()]], {m = m, torch = suture})
    assert.equal(0, #undo.history())
  end)

  it("that fails half way leaves nothing of it", function()
    undo.clear()
    local m = net()
    local before = all_of(m)
    local _, ok = line("m:apply(function(sub) sub:freeze() if sub == m[5] then error 'stop' end end)", {m = m})
    assert.is_false(ok)
    assert.equal(before, all_of(m))
    assert.equal(0, #undo.history())
  end)

  it("of statistics comes back with what else the line changed", function()
    undo.clear()
    local m = net()
    local before = all_of(m)
    line("m(torch.ones(2, 3, 8, 8)):sum():item() m[5].bias:fill_(1)", {m = m, torch = suture})
    suture.undo()
    assert.equal(before, all_of(m))
  end)
end)

describe("after a line", function()
  it("a part that never runs is told at once, with what does", function()
    local m = suture.zoo.cifar_resnet20()
    rawset(_G, "m_of_journal", m)
    local said = line("m_of_journal.fc = nn.Linear(64, 2)", {nn = nn})
    assert.matches("m_of_journal.fc does not run: the forward of CifarResNet never calls it", said, 1, true)
    assert.matches("what runs last there is m_of_journal.linear: Linear(64 → 10)", said, 1, true)
    assert.is_nil(line("m_of_journal.linear = nn.Linear(64, 2)", {nn = nn}):find "does not run")
    rawset(_G, "m_of_journal", nil)
  end)

  it("a model in a table that no longer fits is told by its name there", function()
    rawset(_G, "zoo_of_journal", {first = net()})
    zoo_of_journal.first.input_shape = {1, 3, 8, 8} -- luacheck: ignore
    local said = line("zoo_of_journal.first[5] = nn.Linear(9, 2)", {nn = nn})
    assert.matches("zoo_of_journal.first no longer fits", said, 1, true)
    rawset(_G, "zoo_of_journal", nil)
  end)
end)

describe("freezing", function()
  it("one of two tied layers says that the other is frozen too", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    note.write = function(text) said[#said + 1] = text end
    local m = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    m[2].weight = m[0].weight
    m:freeze "0"
    note.write = write
    assert.equal(1, #said)
    assert.matches("0.weight is 2.weight too: it is frozen there as well", said[1], 1, true)
  end)
end)

describe("a forward that catches an error of a part", function()
  it("goes on under its own name", function()
    local Bad = nn.class "JournalBad"
    function Bad:forward() error "no" end
    local Outer = nn.class "JournalOuter"
    function Outer:init() self.bad, self.good = Bad(), nn.Linear(2, 2) end
    function Outer:forward(x)
      pcall(self.bad, x)
      return self.good(x) + 1
    end
    local m = Outer()
    local rows = m:graph(1, 2).nodes
    local paths = {}
    for _, row in ipairs(rows) do paths[#paths + 1] = row.path .. ":" .. (row.op or "") end
    assert.is_nil(table.concat(paths, " "):find "bad")
    assert.equal("(1, 2)", tostring(m(suture.ones(1, 2)).shape))
    assert.equal(0, suture.core.graph.depth())
  end)
end)

describe("what is hard to take back", function()
  before_each(function()
    require("suture.base.journal").prompt(false)
    undo.clear()
  end)

  it("looking changes nothing, whatever a forward keeps", function()
    local Counts = nn.class "JournalCounts"
    function Counts:init()
      self:register_buffer("n", suture.zeros(1))
      self.l, self.k = nn.Linear(2, 2), 0
    end
    function Counts:forward(x)
      self.n:add_(1)
      self.k, self.last = self.k + 1, x
      return self.l(x)
    end
    local m = Counts()
    m.input_shape = {1, 2}
    rawset(_G, "counts_of_journal", m)
    line("counts_of_journal.l = nn.Linear(2, 2)", {nn = nn}) -- the look after the line
    m:graph() m:summary() m:audit() m:cost() m:freeze_to "l"
    assert.same({0, 0}, {m.n:item(), m.k})
    assert.is_nil(m.last)
    line "counts_of_journal(require('suture').ones(1, 2)):sum():item()"
    assert.same({1, 1}, {m.n:item(), m.k})
    assert.matches("replaced by Linear", undo.history()[#undo.history() - 1].label .. undo.history()[#undo.history()].label)
    rawset(_G, "counts_of_journal", nil)
  end)

  it("a parameter that is written and then replaced within one change", function()
    local m = nn.Sequential(nn.Linear(2, 2))
    local before = all_of(m)
    line("m:apply(function(s) if s.weight then s.weight:zero_() s.weight = nn.Parameter(torch.ones(2, 2)) end end)", {m = m, nn = nn, torch = suture})
    assert.equal(1, #undo.history())
    suture.undo()
    assert.equal(before, all_of(m))
  end)

  it("surgery by a hook while the model runs", function()
    local m = net()
    m[2]:register_forward_hook(function() if #m == 6 then m[5] = nn.Linear(4, 9) end end)
    local before = all_of(m)
    line("m(torch.ones(2, 3, 8, 8))", {m = m, torch = suture})
    assert.equal(9, m[5].out_features)
    suture.undo()
    assert.equal(before, all_of(m))
  end)

  it("a change that a coroutine leaves open", function()
    local m = net()
    local before = all_of(m)
    local co = coroutine.wrap(function() m:apply(function(sub) sub:eval() coroutine.yield() end) end)
    co()
    m:freeze()
    suture.undo(#undo.history())
    assert.equal(before, all_of(m))
    line("local c = coroutine.wrap(function() m:apply(function(s) s:eval() coroutine.yield() end) end) c()", {m = m, coroutine = coroutine})
    suture.undo()
    assert.equal(before, all_of(m))
  end)

  it("a shared parameter whose first owner is gone", function()
    local a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.weight = a.weight
    a = nil -- luacheck: ignore
    undo.clear()
    collectgarbage() collectgarbage()
    local before = b.weight:tolist()
    line("b.weight:fill_(7)", {b = b})
    suture.undo()
    assert.same(before, b.weight:tolist())
  end)

  it("a part that was sewn in and is taken away by nil runs no more", function()
    local One = nn.class "JournalOne"
    function One:init() self.a = nn.Linear(2, 2) end
    function One:forward(x) return self.a(x) end
    local m, x = One(), suture.ones(1, 2)
    local y = m(x):tolist()
    m:insert_after("a", nn.Sigmoid())
    m.a_after = nil
    assert.same(y, m(x):tolist())
    suture.undo()
    assert.not_same(y, m(x):tolist())
  end)

  it("a parameter put into a frozen layer is frozen, and said so", function()
    local note = require "suture.base.note"
    local said, write = {}, note.write
    local m = nn.Sequential(nn.Linear(2, 2)):freeze()
    note.write = function(text) said[#said + 1] = text end
    m[0].weight = nn.Parameter(suture.ones(2, 2))
    note.write = write
    assert.is_true(suture.core.tensor.frozen(m[0].weight))
    assert.matches("is frozen, and so is the new weight", said[1])
  end)
end)
