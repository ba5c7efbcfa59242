local suture = require "suture"
local nn, optim = suture.nn, suture.optim
local S = optim.lr_scheduler

local fails = require("kit").fails

local function sgd() return optim.SGD(nn.Linear(2, 2):parameters(), {lr = 0.1, momentum = 0.9}) end

describe("learning-rate schedulers", function()
  it("go on where another stood", function()
    local function run(make)
      local whole, rates = make(sgd()), {}
      for i = 1, 12 do
        whole:step(1 / i)
        rates[i] = whole:get_last_lr()[1]
      end
      local opt = sgd()
      local first = make(opt)
      for i = 1, 5 do first:step(1 / i) end
      local later = sgd()
      local second = make(later)
      later:load_state_dict(opt:state_dict())
      second:load_state_dict(first:state_dict())
      for i = 6, 12 do
        second:step(1 / i)
        assert.equal(rates[i], later.param_groups[1].lr)
      end
    end
    run(function(opt) return S.ReduceLROnPlateau(opt, {patience = 1, threshold = 0.5}) end)
    local function plain(make)
      run(function(opt)
        local s = make(opt)
        return setmetatable({step = function() s:step() end}, {__index = function(_, k)
          return function(_, ...) return s[k](s, ...) end
        end})
      end)
    end
    plain(function(opt) return S.StepLR(opt, 4, 0.5) end)
    plain(function(opt) return S.CosineAnnealingWarmRestarts(opt, 3, {T_mult = 2}) end)
    plain(function(opt) return S.OneCycleLR(opt, 0.5, 20) end)
    plain(function(opt) return S.SequentialLR(opt, {S.LinearLR(opt), S.ExponentialLR(opt, 0.9)}, {3}) end)
  end)

  it("refuse what makes no sense, and leave the rates", function()
    local opt = sgd()
    fails("did you mean StepLR", function() return S.StepLr end)
    fails("expects an optimizer first", S.StepLR, 3)
    fails("step_size is missing", S.StepLR, opt)
    fails("did you mean gamma", S.StepLR, opt, {step_size = 2, gama = 1})
    fails("total_steps is missing", S.OneCycleLR, opt, 1)
    fails("3 values for 1 groups", S.OneCycleLR, opt, {1, 2, 3}, {total_steps = 5})
    fails("factor expects a number below 1", S.ReduceLROnPlateau, opt, {factor = 1})
    fails("is no scheduler of this optimizer", S.SequentialLR, opt, {S.LinearLR(sgd())}, {3, 4})
    fails("2 schedulers take 1 milestones", S.SequentialLR, opt, {S.LinearLR(opt), S.StepLR(opt, 2)}, {3, 4})
    opt.param_groups[1].lr = 0.1
  end)

  it("say where they stand", function()
    local opt = sgd()
    local s = S.StepLR(opt, 1, 0.5)
    s:step()
    assert.equal("StepLR(epoch 1, lr 0.05)", tostring(s))
    fails("expects the metric it watches", function() S.ReduceLROnPlateau(opt):step() end)
    fails("a number of 0 or above is expected", S.LambdaLR, opt, function() return -1 end)
    assert.equal(0.05, opt.param_groups[1].lr)
  end)
end)
