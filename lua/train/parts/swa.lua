--- swa = {start =, lr =}: stochastic weight averaging: from the epoch `start` on the rates are those of SWALR, and the
-- model at the end has the mean of the weights of these epochs, with BatchNorm's statistics estimated anew by a pass
-- over the training data: torch.optim.swa_utils. Izmailov et al. 2018, arXiv:1803.05407.
local averaged = require "suture.train.averaged"
local core = require "suture.core"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local options = require "suture.base.options"
local scheduler = require "suture.optim.common.scheduler"
local swa_utils = require "suture.optim.swa_utils"

local read = options.named("swa", "start:count=nil lr:any=nil anneal_epochs:natural=10 anneal_strategy:cos|linear=cos")

-- update_bn over the training data, as augmented in training.
local function estimate(t, list)
  local o = t.options
  swa_utils._estimate(t.model, list, t.data:batches(o.batch, {seed = t.seed, epoch = t.epoch + 1, threads = o.threads,
    drop_last = t._session.drop_last}))
end

return {
  options = "swa:any=nil",
  new = function(t)
    local o = t.options
    if o.swa == nil or o.swa == false then return nil end
    local given = read(o.swa == true and {} or o.swa)
    if o.ema then fault("%s: swa and ema are two ways of averaging: one of them", t.what) end
    if o.best then
      fault("%s: swa averages epochs, best keeps one%s", t.what,
        t._converge and ' · epochs = a number' or " · best = false")
    end
    local first = given.start or math.max(1, (o.epochs * 3 + 3) // 4)
    if first > o.epochs then fault("%s: swa.start is epoch %d of %d", t.what, first, o.epochs) end
    local self = averaged()
    local function schedule(trainer)
      local lrs = {}
      for i, group in ipairs(trainer.optimizer.param_groups) do lrs[i] = group.lr end
      scheduler.forget(trainer.optimizer)
      self.schedule = swa_utils.SWALR(trainer.optimizer, {swa_lr = given.lr or lrs, anneal_epochs = given.anneal_epochs,
        anneal_strategy = given.anneal_strategy})
      if self.stands then self.schedule:load_state_dict(self.stands) end
    end
    -- Before its first epoch ends the rates are as they would be.
    function self.rates(_, trainer, epoch)
      if epoch <= first then return false end
      if not self.schedule and self.stands then schedule(trainer) end
      if not self.schedule then return false end
      scheduler.resume(self.schedule)
      return true
    end
    function self.ended(_, trainer, row)
      if row.epoch < first then return end
      local had = self.count
      self:take(trainer, had / (had + 1), 1 / (had + 1))
      if not self.schedule then schedule(trainer) end
      self.schedule:step()
    end
    function self.finish(_, trainer)
      if not self:put(trainer) then return end
      local list = swa_utils._norms(trainer.model)
      if #list == 0 then return end
      local ok, err = pcall(estimate, trainer, list)
      if ok then return end
      local whole <close> = interrupt.defer()
      core.graph.drop_effects()
      self:begin(true) -- averages without their statistics are no model
      if not interrupt.is(err) then error(err, 0) end
      trainer.interrupted = trainer.interrupted or interrupt.take() or interrupt.last() or "SIGINT"
    end
    local state, load = self.state, self.load
    function self.state(_, trainer)
      local s = state(self, trainer)
      s.schedule = self.schedule and self.schedule:state_dict()
      return s
    end
    function self.load(_, trainer, s)
      load(self, trainer, s)
      self.stands = s.schedule
    end
    return self
  end,
}
