--- nn.utils: small things done to parameters.
local fault = require "suture.base.fault"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local tensor = require "suture.tensor"
local raw = require("suture.core").tensor
local utils = {}

-- The gradients of these parameters: a tensor, a list of tensors, m:parameters(), or an iterator over them.
local function gradients(what, parameters)
  if raw.is(parameters) then parameters = {parameters} end
  if Module.is_module(parameters) then fault("%s: expects the parameters of the model: m:parameters()", what) end
  local list, out = {}, {}
  if type(parameters) == "function" then for p in parameters do list[#list + 1] = p end
  elseif type(parameters) == "table" then for i, p in ipairs(parameters) do list[i] = p end
  else fault("%s: expects m:parameters() or a list of tensors, got %s", what, options.show(parameters)) end
  for i, p in ipairs(list) do
    if not raw.is(p) then fault("%s: parameter %d is %s, not a tensor", what, i, options.show(p)) end
    out[#out + 1] = p.grad
  end
  return out
end

local norm_args = options.arguments("clip_grad_norm_", "max_norm:rate norm_type:any=2 error_if_nonfinite:bool=false")

--- nn.utils.clip_grad_norm_(parameters, max_norm[, norm_type (2), error_if_nonfinite (false)]): scales all gradients so
-- that their common norm is at most max_norm, and returns the norm there was. parameters: m:parameters(), a list of
-- tensors, or an iterator. norm_type: which p-norm; math.huge or "inf": the greatest element.
function utils.clip_grad_norm_(parameters, ...)
  local what = "clip_grad_norm_"
  local max_norm, p, strict = norm_args(...)
  if p == "inf" then p = math.huge end
  if type(p) ~= "number" or not (p > 0) then
    fault('%s: norm_type expects a number above 0 or "inf", got %s', what, options.show(p))
  end
  local list, parts = gradients(what, parameters), {}
  if #list == 0 then return 0.0 end
  for i, g in ipairs(list) do
    if p == math.huge then parts[i] = g:abs():max()
    elseif p == 2 then parts[i] = (g * g):sum()
    else parts[i] = g:abs():pow(p):sum() end
  end
  local all = tensor.stack(parts)
  local norm = p == math.huge and all:max():item() or all:sum():item() ^ (1 / p)
  if strict and (norm ~= norm or norm == math.huge) then
    fault("%s: the norm of the gradients is %s, and nothing is scaled", what, options.show(norm))
  end
  local scale = max_norm / (norm + 1e-6)
  if scale < 1 then for _, g in ipairs(list) do g:mul_(scale) end end
  return norm
end

--- nn.utils.clip_grad_value_(parameters, limit): cuts every gradient to -limit … limit.
function utils.clip_grad_value_(parameters, limit)
  if type(limit) ~= "number" or not (limit >= 0) then
    fault("clip_grad_value_: expects a limit of 0 or above, got %s", options.show(limit))
  end
  for _, g in ipairs(gradients("clip_grad_value_", parameters)) do g:clamp_(-limit, limit) end
end

return utils
