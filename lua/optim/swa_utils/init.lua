--- optim.swa_utils: averages of weights, by torch.optim.swa_utils' names, arguments and formulas: AveragedModel(m),
-- SWALR(opt, {swa_lr =}), update_bn(loader, m). fit's options swa and ema do all of it.
local absent = require "suture.base.absent"
local core = require "suture.core"
local fault = require "suture.base.fault"
local Module = require "suture.nn.module"
local nn = require "suture.nn"
local options = require "suture.base.options"
local stray = require "suture.base.stray"
local tensor = require "suture.tensor"
local is, rows = core.tensor.is, core.rows

local swa_utils = {SWALR = require("suture.optim.lr_scheduler").SWALR}

local read = options.named("AveragedModel", "avg_fn:fn=nil use_buffers:bool=false")

-- What is averaged of a model.
local function averaged(m, buffers)
  local list = {}
  for p in m:parameters() do list[#list + 1] = p end
  for b in m:buffers() do if buffers then list[#list + 1] = b end end
  return list
end

local AveragedModel = nn.class "AveragedModel"

--- swa = optim.swa_utils.AveragedModel(m[, {avg_fn = (mean), use_buffers = false}]): a module that has a copy of m,
-- swa.module, and runs it. swa:update_parameters(m) takes m's parameters, and with use_buffers its buffers, into the
-- average; the first time copies them. avg_fn: function(average, new, n) → the new average; n: how many are in it, by
-- default average + (new - average) / (n + 1). swa.n_averaged counts. Izmailov et al. 2018, arXiv:1803.05407.
function AveragedModel:init(m, opts)
  if not Module.is_module(m) then fault("AveragedModel expects a model, got %s", options.show(m)) end
  local o = read(opts)
  self.module = m:clone()
  self._avg_fn, self._use_buffers = o.avg_fn or false, o.use_buffers
  self:register_buffer("n_averaged", core.tensor.full({}, 0, "int64"))
end

function AveragedModel:forward(...) return self.module(...) end

--- swa:update_parameters(m): see AveragedModel.
function AveragedModel:update_parameters(m)
  if not Module.is_module(m) then fault("update_parameters expects a model, got %s", options.show(m)) end
  local to, from = averaged(self.module, self._use_buffers), averaged(m, self._use_buffers)
  if #to ~= #from then
    fault("update_parameters: the model has %d tensors to average, the average %d: it is of another model", #from, #to)
  end
  local n = self.n_averaged:item()
  tensor.no_grad(function()
    if n == 0 then rows.copy(to, from)
    elseif not self._avg_fn then rows.blend(to, from, n / (n + 1), 1 / (n + 1))
    else
      for i, t in ipairs(to) do
        local new = self._avg_fn(t, from[i], n)
        if not is(new) then fault("AveragedModel: avg_fn gave %s, a tensor is expected", options.show(new)) end
        t:copy_(new)
      end
    end
  end)
  core.tensor.count_up(self.n_averaged)
end

swa_utils.AveragedModel = AveragedModel

-- The statistics of these BatchNorm modules are the plain means over all batches that f() gives, which run through m.
function swa_utils._estimate(m, list, f, ...)
  local was = {}
  local back <close> = setmetatable({}, {__close = function()
    for sub, momentum in pairs(was) do rawset(sub._fields, "momentum", momentum) end
  end})
  for _, sub in ipairs(list) do
    was[sub] = sub._fields.momentum
    rawset(sub._fields, "momentum", false)
    sub:reset_running_stats()
  end
  for x in f, ... do
    tensor.no_grad(function() core.graph.eval {(m(x))} end)
    core.graph.settle()
  end
end

-- BatchNorm modules whose statistics training moves.
function swa_utils._norms(m)
  local list = {}
  for sub in m:modules() do
    if sub._is_batchnorm and sub:is_training() and rawget(sub, "_buffers").running_mean then list[#list + 1] = sub end
  end
  return list
end

--- optim.swa_utils.update_bn(loader, m): BatchNorm's running statistics become the plain means over all batches of the
-- loader, which run through m in train mode: an iterator, as train:batches(16), or a list of batches; of a batch {x, y}
-- x is taken. Frozen modules keep theirs.
function swa_utils.update_bn(loader, m)
  if not Module.is_module(m) then fault("update_bn expects a loader and a model, got %s", options.show(m)) end
  if type(loader) ~= "function" and type(loader) ~= "table" then
    fault("update_bn: the loader is an iterator, as train:batches(16), or a list of batches, got %s",
      options.show(loader))
  end
  local training = m.training
  m:train()
  local back <close> = setmetatable({}, {__close = function() if not training then m:eval() end end})
  local list = swa_utils._norms(m)
  if #list == 0 then return end
  local next_batch, k = loader, 0
  if type(loader) == "table" then
    next_batch = function()
      k = k + 1
      return loader[k]
    end
  end
  swa_utils._estimate(m, list, function()
    local x = next_batch()
    if type(x) == "table" and not is(x) then x = x[1] end
    if x ~= nil and not is(x) then fault("update_bn: a batch is %s, a tensor is expected", options.show(x)) end
    return x
  end)
end

return absent.table(stray.guard(swa_utils, "optim.swa_utils."), "optim.swa_utils")
