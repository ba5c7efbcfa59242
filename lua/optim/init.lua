--- Optimizers, with torch.optim's names, arguments and formulas: one file each in lua/optim, found from the folder.
-- opt = optim.SGD(m:parameters(), {lr = 0.1}); opt:zero_grad(), opt:step(), opt.param_groups[1].lr = 0.01,
-- opt:add_param_group{params = m.fc:parameters()}, opt:state_dict(), opt:load_state_dict(sd).
local absent = require "suture.base.absent"
local core = require "suture.core"
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local optimizer = require "suture.optim.common.optimizer"
local options = require "suture.base.options"
local stray = require "suture.base.stray"

local optim = {}

-- The declarations by the names that fit takes: "sgd", "adam", …
optim._kinds = {}

local function register(kind)
  optim[kind.name], optim._kinds[kind.name:lower()] = stray.checked(kind.make, kind.where), kind
  return optim[kind.name]
end

for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/optim/([%w_]+)%.lua$"
  if name and name ~= "init" then register(require("suture.optim." .. name)) end
end

optim.lr_scheduler = require "suture.optim.lr_scheduler"
optim.swa_utils = require "suture.optim.swa_utils"

--- optim.optimizer "Lion" {options = "lr:rate=1e-4 …", state = "exp_avg", step = function(p, g, s, group, t) … end}: an
-- optimizer of one's own: gives its constructor, which is optim.Lion from then on, and fit's optimizer = "lion".
-- options: name:kind=default of each (kinds: rate, a number of 0 or above; num, bool, betas …); state: names of tensors
-- kept for each parameter, zero at first ("buf?momentum": where that option is not 0 or false); step: gives the
-- parameter's new numbers from p, its gradient g, the state s (assign new tensors to its fields), the group's options,
-- and t, the number of the step from 1. Further fields: check = function(group, say), fit = {options that fit gives},
-- about = "…" (for help).
function optim.optimizer(name)
  local declare = optimizer.declare(name)
  return function(declared) return register(declare(declared)) end
end

--- optim.clip_grad_norm_(params, max_norm): scales gradients so that their norm together is at most max_norm; returns
-- the norm before. Pascanu et al. 2013, arXiv:1211.5063.
function optim.clip_grad_norm_(params, max_norm)
  if type(max_norm) ~= "number" or
    not (max_norm > 0) then fault("clip_grad_norm_: max_norm expects a number above 0, got %s",
    options.show(max_norm)) end
  return core.optim.clip(core.optim.group(optimizer.tensors("clip_grad_norm_", params)), max_norm)
end

return absent.table(stray.guard(optim, "optim."), "optim")
