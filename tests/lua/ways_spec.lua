-- The past as a tree: random changes of models of the zoo, walked through in any order, to the bit (OPS=n: n of each).
local kit = require "kit"
local suture = require "suture"
local nn, past, optim = suture.nn, require "suture.base.past", suture.optim
local show = require("suture.base.options").show
local frozen, digest = suture.core.tensor.frozen, suture.core.digest.text

local function sorted(t)
  local names = {}
  for name in next, t do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Everything of a tree of tables and tensors, as text.
local function words(v)
  if suture.core.tensor.is(v) then return suture.core.digest.tensor(v) end
  if type(v) ~= "table" then return show(v) end
  local out = {}
  for k, x in next, v do out[#out + 1] = tostring(k) .. "=" .. words(x) end
  table.sort(out)
  return "{" .. table.concat(out, ";") .. "}"
end

-- All of a model and its optimizer: weights, modes, structure, layer options, hooks; the optimizer's options and memory.
local function all_of(m, opt, schedule)
  local out = {}
  for path, sub in m:named_modules() do
    out[#out + 1] = ("%s %s %s %s %s %s %d"):format(path, getmetatable(sub).__name, sub._training, sub._frozen, sub._bn_eval,
      rawget(sub, "_cut"), #(rawget(sub, "_hooks") or {}))
    for _, name in ipairs(sorted(sub._fields)) do out[#out + 1] = name .. "=" .. show(sub._fields[name]) end
  end
  for name, t in m:state_dict() do
    out[#out + 1] = ("%s %s %s %s"):format(name, t.requires_grad, frozen(t), suture.core.digest.tensor(t))
  end
  out[#out + 1] = words(opt:state_dict()) .. words(schedule:state_dict())
  return digest(table.concat(out, "\n"))
end

local function pick(list) return list[math.random(#list)] end

local function layers(m, kind)
  local list = {}
  for path, sub in m:named_modules() do
    if getmetatable(sub).__name == kind then list[#list + 1] = {path = path, module = sub} end
  end
  return list
end

local function head(m) return pick(layers(m, "Linear")) end

-- f(m, opt, schedule): a line of the prompt.
local changes = {
  function(m) pick(layers(m, "Conv2d")).module:freeze() end,
  function(m) pick(layers(m, "Conv2d")).module:unfreeze() end,
  function(m) m:freeze() end,
  function(m) m:unfreeze() end,
  function(m) m:train(not m.training) end,
  function(m) m:bn_eval() end,
  function(m)
    local at = head(m)
    m:replace(at.path, nn.Linear(at.module.in_features, math.random(2, 20)))
  end,
  function(m) head(m).module.weight:mul_(0.5) end,
  function(m) pick(layers(m, "Conv2d")).module.weight:add_(math.random()) end,
  function(m) pick(layers(m, "Conv2d")).module.stride = pick {1, 2} end,
  function(m) pick(layers(m, "Conv2d")).module.note = math.random(1000) end,
  function(m) pick(layers(m, "Conv2d")).module:register_forward_hook(function() end) end,
  function(m) head(m).module:reset_parameters() end,
  function(m) pick(layers(m, "Conv2d")).module.weight.requires_grad = math.random() < 0.5 end,
  function(m) m:cut(math.random() < 0.5 and pick(layers(m, "Conv2d")).path or nil) end,
  function(_, opt) opt.param_groups[1].lr = math.random() end,
  function(_, opt) opt.param_groups[1].weight_decay = math.random() end,
  function(m, opt)
    for p in m:parameters() do if not frozen(p) and p.requires_grad then p.grad = suture.randn(p.shape) * 0.01 end end
    opt:step()
    opt:zero_grad()
  end,
  function(_, _, schedule) schedule:step() end,
}

local names = {"cifar_resnet20", "squeezenet1_1", "mnasnet0_5"}

describe("the past", function()
  setup(function() suture.history(true) end)
  teardown(function()
    past.clear()
    suture.history(false)
    rawset(_G, "net_of_ways", nil)
  end)

  for _, name in ipairs(names) do
    it("of a random " .. name .. " comes back on every way, to the bit", function()
      local seed = os.time() % 100000
      local where = ("seed %d: "):format(seed)
      math.randomseed(seed)
      suture.seed(seed)
      past.clear()
      local m = suture.zoo[name]()
      if #layers(m, "Linear") == 0 then m = nn.Sequential(m, nn.Linear(1000, 10)) end
      local opt = pick {optim.SGD, optim.AdamW}(m:parameters(), {lr = 0.01})
      if opt.kind == "SGD" then opt.param_groups[1].momentum = 0.9 end
      local schedule = optim.lr_scheduler.StepLR(opt, 2)
      local states, most, limit = {[0] = all_of(m, opt, schedule)}, past.most, past.limit
      past.most, past.limit = 1000, 1 << 40 -- nothing is forgotten
      local env = {m = m, opt = opt, schedule = schedule}
      local steps = 0
      local function check(what)
        local at = past.at()
        assert(states[at.number] == all_of(m, opt, schedule), where .. what .. " gave other bits at step " .. at.number)
      end
      while steps < (tonumber(os.getenv "OPS") or 60) do
        local r = math.random()
        if r < 0.7 then
          env.f = pick(changes)
          local _, ok, why = kit.line("f(m, opt, schedule)", env)
          assert(ok, why)
          suture.history()
          if not states[past.at().number] then
            states[past.at().number], steps = all_of(m, opt, schedule), steps + 1
          end
        elseif r < 0.82 then suture.undo(math.random(1, 4)) check "undo"
        elseif r < 0.9 then suture.redo(math.random(1, 4)) check "redo"
        elseif r < 0.95 then suture.back_to(math.random(0, steps)) check "back_to"
        else
          local to = suture.history().steps
          to = to[1] and past.numbered(pick(to).step) or past.at()
          local here = all_of(m, opt, schedule)
          past.visit(to, function() check "visit" end)
          assert(here == all_of(m, opt, schedule), where .. "a visit changed what is")
        end
      end
      for n = steps, 0, -1 do
        if past.numbered(n) then
          suture.back_to(n)
          check "the last walk"
        end
      end
      past.most, past.limit = most, limit
    end)
  end

  local function said(f)
    local note, lines = require "suture.base.note", {}
    local write = note.write
    note.write = function(text) lines[#lines + 1] = text end
    f()
    note.write = write
    return table.concat(lines, "\n")
  end

  local m
  local function line(code) assert(select(2, kit.line(code, {m = m, nn = nn}))) end
  local function fresh(n)
    past.clear()
    m = nn.Sequential(nn.Linear(64, n), nn.ReLU(), nn.Linear(n, 8))
    rawset(_G, "net_of_ways", m)
  end

  it("takes memory for what changed alone, and says what each step takes", function()
    fresh(4096)
    line "m[2].bias:add_(1)"
    collectgarbage()
    collectgarbage()
    local before, model = suture.core.engine.memory(), 4 * (64 * 4096 + 4096 + 4096 * 8 + 8)
    for _ = 1, 20 do line "m[2].bias:add_(1)" end
    collectgarbage()
    collectgarbage()
    assert.is_true(suture.core.engine.memory() - before < model / 4)
    local h = suture.history()
    assert.equal(21 * 32, h.bytes)
    for _, step in ipairs(h) do assert.equal(32, step.bytes) end
    line "m:replace('2', nn.Linear(4096, 3))"
    line "m:eval()"
    h = suture.history()
    assert.same({4 * (4096 * 8 + 8), 0}, {h[22].bytes, h[23].bytes})
    assert.matches("22  2: Linear%(4096 → 8%) replaced by Linear%(4096 → 3%) +131 KB\n", tostring(h))
    assert.matches("to go back takes 132 KB", tostring(h))
  end)

  it("keeps the way that was left, and shows it", function()
    fresh(4)
    line "m:eval()"
    line "m:freeze '0'"
    line "m:freeze '2'"
    suture.undo(2)
    line "m[2].bias:add_(1)"
    local h = suture.history()
    assert.equal(2, #h)
    assert.equal("  1  4 modules in eval mode\n│   2  0 frozen\n│   3  2 frozen\n  4  2.bias written       32 B\nto go back takes 32 B\n"
      .. "│ is another way that was taken: back_to(3) goes there", (tostring(h):gsub("2%.bias written +", "2.bias written       ")))
    assert.equal("nothing to redo", suture.redo())
    assert.equal("after step 3: 2 frozen", suture.back_to(3))
    assert.is_true(frozen(m[2].bias))
    suture.undo()
    suture.redo()
    assert.is_true(frozen(m[2].bias))
    assert.equal("at the beginning", suture.back_to(0))
    assert.is_true(m.training)
    assert.equal("nothing to undo", suture.undo())
    kit.fails("back_to: there is no step 9", suture.back_to, 9)
    kit.fails("back_to: expects the number of a step or the name of a checkpoint, got 1.5", suture.back_to, 1.5)
  end)

  it("forgets other ways before the one that is gone, and says which limit it was", function()
    local most, limit = past.most, past.limit
    fresh(4)
    line "m:eval()"
    line "m:freeze '0'"
    suture.undo()
    past.most = 2
    assert.matches("to keep no more than 2 ", said(function() line "m:freeze '2'" end))
    assert.same({1, 3}, {suture.history().steps[1].step, suture.history().steps[2].step})
    assert.equal(2, #suture.history().steps)
    past.most, past.limit = most, 1000
    assert.matches("to hold no more than 1.00 KB", said(function()
      for _ = 1, 9 do line "m[0].weight:add_(1)" end
    end))
    past.limit = limit
  end)

  it("has an optimizer's options, groups and memory, and where a schedule stands", function()
    fresh(4)
    local opt = optim.Adam(m[0]:parameters(), {lr = 0.5})
    local schedule = optim.lr_scheduler.ExponentialLR(opt, 0.1)
    local env = {m = m, opt = opt, schedule = schedule, x = suture.ones(2, 64)}
    local function run(code) assert(select(2, kit.line(code, env))) end
    local states = {words(opt:state_dict())}
    for i, code in ipairs {"m(x):sum():backward() opt:step()", "opt.param_groups[1].lr = 0.25", "schedule:step()",
      "opt:add_param_group{params = m[2]:parameters(), lr = 1}", "local s = opt:state_dict() s.param_groups[1].lr = 0.125 opt:load_state_dict(s)"} do
      run(code)
      states[i + 1] = words(opt:state_dict())
    end
    run "opt:load_state_dict(opt:state_dict())" -- what it has already: no change
    local labels = {}
    for i, e in ipairs(suture.history()) do labels[i] = e.label end
    assert.equal(5, #labels)
    assert.same({"2 tensors written", "Adam: lr = 0.25 (was 0.5)", "Adam: a group added"}, {labels[1], labels[2], labels[4]})
    assert.equal(1, schedule.last_epoch)
    for i = 5, 1, -1 do
      suture.undo()
      assert.equal(states[i], words(opt:state_dict()))
    end
    assert.equal(0, schedule.last_epoch)
    for i = 2, 6 do
      suture.redo()
      assert.equal(states[i], words(opt:state_dict()))
    end
  end)
end)
