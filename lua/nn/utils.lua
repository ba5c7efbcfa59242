--- nn.utils: small things done to parameters.
local tensor = require "suture.tensor"
local raw = require("suture.core").tensor
local utils = {}

local function each(parameters, f)
  if raw.is(parameters) then return f(parameters) end
  for _, p in ipairs(parameters) do f(p) end
end

--- nn.utils.clip_grad_norm_(parameters, max_norm): scales all gradients so that their common 2-norm is at most
-- max_norm, and returns the norm there was.
function utils.clip_grad_norm_(parameters, max_norm)
  local squares = {}
  each(parameters, function(p)
    local g = p.grad
    if g then squares[#squares + 1] = (g * g):sum() end
  end)
  if #squares == 0 then return 0.0 end
  local norm = math.sqrt(tensor.stack(squares):sum():item())
  local scale = max_norm / (norm + 1e-6)
  if scale < 1 then each(parameters, function(p) if p.grad then p.grad:mul_(scale) end end) end
  return norm
end

--- nn.utils.clip_grad_value_(parameters, limit): cuts every gradient to -limit … limit.
function utils.clip_grad_value_(parameters, limit)
  each(parameters, function(p) if p.grad then p.grad:clamp_(-limit, limit) end end)
end

return utils
