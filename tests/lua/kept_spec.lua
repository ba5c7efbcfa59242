--- What a forward keeps where no assignment to a module is seen, and what is left of it after backward.
local suture = require "suture"
local nn, F = suture.nn, suture.nn.functional
local near = require("kit").near

-- What the forward of `Net` keeps below, and where: name → f() → the value.
local kept_up, kept_list, kept_deep = nil, {}, {a = {b = {}}}
local helper_up
local function helper(x) helper_up = x * 7 end

local places = {
  ["a field"] = function(m) return m.h end,
  ["a field's table"] = function(m) return m.acts.first end,
  ["a field's list"] = function(m) return m.acts[1] end,
  ["a global"] = function() return KEPT end,
  ["a global's table"] = function() return KEPT_TABLE.x end,
  ["a global's long list"] = function() return KEPT_LIST[#KEPT_LIST] end,
  ["an upvalue"] = function() return kept_up end,
  ["an upvalue's list"] = function() return kept_list[#kept_list] end,
  ["a table within tables"] = function() return kept_deep.a.b.c end,
  ["an upvalue of a function that it calls"] = function() return helper_up end,
  ["its class"] = function(m) return getmetatable(m).last end,
}

local function net()
  local Net = nn.class "KeepingNet"
  function Net:init()
    self.l1, self.l2 = nn.Linear(3, 4), nn.Linear(4, 2)
    self.acts, self.h = {}, nil
  end
  function Net:forward(x)
    local h = self.l1(x)
    self.h = h * 1
    self.acts.first, self.acts[1] = h * 2, h * 3
    _G.KEPT, KEPT_TABLE.x, KEPT_LIST[#KEPT_LIST + 1] = h * 4, h * 5, h * 6
    kept_up, kept_list[#kept_list + 1], kept_deep.a.b.c, Net.last = h * 8, h * 9, h * 10, h * 11
    helper(h)
    return self.l2(F.relu(h))
  end
  return Net()
end

local factors = {["a field"] = 1, ["a field's table"] = 2, ["a field's list"] = 3, ["a global"] = 4,
  ["a global's table"] = 5, ["a global's long list"] = 6, ["an upvalue of a function that it calls"] = 7,
  ["an upvalue"] = 8, ["an upvalue's list"] = 9, ["a table within tables"] = 10, ["its class"] = 11}

describe("what a forward keeps", function()
  before_each(function()
    _G.KEPT, _G.KEPT_TABLE, _G.KEPT_LIST = nil, {}, {}
    for i = 1, 1000 do KEPT_LIST[i] = i end
    suture.seed(4)
  end)
  after_each(function() _G.KEPT, _G.KEPT_TABLE, _G.KEPT_LIST = nil, nil, nil end)

  it("can be read after backward and the optimizer's step, as it was", function()
    local m = net()
    local opt = suture.optim.SGD(m:parameters(), {lr = 0.5})
    for _ = 1, 2 do
      local x = suture.randn(5, 3)
      local want = F.linear(x, m.l1.weight, m.l1.bias):detach():clone():tolist()
      opt:zero_grad()
      m(x):pow(2):sum():backward()
      opt:step()
      for place, read in pairs(places) do
        local ok, got = pcall(function() return (read(m) / factors[place]):tolist() end)
        assert(ok, place .. ": " .. tostring(got))
        near(want, got)
      end
    end
  end)

  it("costs nothing where the library's own forward runs, and nothing is kept", function()
    local kept = require "suture.nn.kept"
    assert.is_false(kept.may(getmetatable(nn.Linear(2, 2)).forward))
    assert.is_false(kept.may(getmetatable(suture.zoo.cifar_resnet20()).forward))
    assert.is_true(kept.may(getmetatable(net()).forward))
    local core = require "suture.core"
    local m = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    local cost = {}
    for _, with in ipairs {false, true} do -- a user's forward that keeps nothing computes no more
      local Outer = nn.class "KeepsNothing"
      function Outer:init() self.m = m end
      function Outer:forward(x) return self.m(x) end
      local f = with and Outer() or m
      m:zero_grad()
      local steps = core.trace.timed(function() f(suture.ones(2, 3)):sum():backward() end)
      cost[#cost + 1] = #steps
    end
    assert.equal(cost[1], cost[2])
  end)

  it("is looked for in tables that hold themselves, and in many", function()
    local m = net()
    KEPT_TABLE.self, KEPT_TABLE.many = KEPT_TABLE, {}
    for i = 1, 5000 do KEPT_TABLE.many[i] = {i} end
    m(suture.randn(2, 3)):sum():backward()
    assert.equal(4, KEPT:size(1))
    KEPT:sum():item()
  end)
end)
