-- The past as a tree: hundreds of random changes of models of the zoo, walked through in any order, to the bit.
local kit = require "kit"
local suture = require "suture"
local nn, past, optim = suture.nn, require "suture.base.past", suture.optim
local show = require("suture.base.options").show
local bytes, frozen = suture.core.tensor.bytes, suture.core.tensor.frozen

local function sorted(t)
  local names = {}
  for name in next, t do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Everything of a tree of tables and tensors, as text.
local function words(v)
  if suture.core.tensor.is(v) then return bytes(v) end
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
    out[#out + 1] = ("%s %s %s %s"):format(name, t.requires_grad, frozen(t), bytes(t))
  end
  local digest = 0
  local text = table.concat(out, "\n") .. words(opt:state_dict()) .. words(schedule:state_dict())
  for i = 1, #text - 7, 8 do digest = (digest * 31 + string.unpack("i8", text, i)) ~ digest >> 29 end
  return digest .. " " .. #text .. text:sub(-8)
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
      local states, most = {[0] = all_of(m, opt, schedule)}, past.most
      past.most = 1000
      local env = {m = m, opt = opt, schedule = schedule}
      local steps = 0
      local function check(what)
        local at = past.at()
        assert(states[at.number] == all_of(m, opt, schedule), where .. what .. " gave other bits at step " .. at.number)
      end
      while steps < 170 do
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
      past.most = most
    end)
  end
end)
