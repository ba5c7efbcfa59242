--- nn.init: the ways to fill a parameter before training. Each changes the tensor in place and returns it.
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local options = require "suture.base.options"
local raw = require("suture.core").tensor

local init = {}
local trace = require "suture.nn.trace"

-- Numbers into t, unless nn.init.skip runs.
local function redraw(t, kind, a, b)
  if trace.is_skipping() then return t end
  return raw.redraw(journal.writes(t), kind, a, b)
end

local function fill(t, v) return raw.fill(journal.writes(t), v) end

--- nn.init.skip(f, …): calls f(…) with random initialisation off: for models whose numbers are loaded anyway.
function init.skip(f, ...) return trace.skipped(f, ...) end

local function want(what, t)
  if not raw.is(t) then fault("%s: expects a tensor, got %s", what, type(t)) end
end

--- nn.init.fans(what, t): fan_in and fan_out of a weight (out, in, …): inputs and outputs per element, the kernel's
-- area counted in. what: who asks, for the error where t has fewer than 2 dimensions.
local function fans(what, t)
  local shape = raw.shape(t)
  if #shape < 2 then fault("%s: expects at least 2 dimensions, got shape %s", what, shape) end
  local area = 1
  for i = 3, #shape do area = area * shape[i] end
  return shape[2] * area, shape[1] * area
end
init.fans = fans

--- nn.init.calculate_gain(nonlinearity[, param]): the factor recommended for "relu", "leaky_relu", "tanh", "linear" …
function init.calculate_gain(nonlinearity, param)
  local gains = {linear = 1, conv2d = 1, sigmoid = 1, tanh = 5 / 3, relu = math.sqrt(2), selu = 3 / 4}
  if nonlinearity == "leaky_relu" then return math.sqrt(2 / (1 + (param or 0.01) ^ 2)) end
  return gains[nonlinearity] or fault("calculate_gain: no nonlinearity '%s'", tostring(nonlinearity))
end

local function kaiming_std(what, t, opts)
  want(what, t)
  opts = opts or {}
  options.check(what, opts, {a = true, mode = true, nonlinearity = true})
  local fan_in, fan_out = fans(what, t)
  local mode = opts.mode or "fan_in"
  if mode ~= "fan_in" and mode ~= "fan_out" then
    fault('%s: mode is "fan_in" or "fan_out", got %s', what, tostring(mode))
  end
  local fan = mode == "fan_in" and fan_in or fan_out
  return init.calculate_gain(opts.nonlinearity or "leaky_relu", opts.a or 0) / math.sqrt(fan)
end

--- nn.init.kaiming_normal_(t[, {a = 0, mode = "fan_in", nonlinearity = "leaky_relu"}]): He et al. 2015,
-- arXiv:1502.01852.
function init.kaiming_normal_(t, opts) return redraw(t, "normal", 0, kaiming_std("kaiming_normal_", t, opts)) end

--- nn.init.kaiming_uniform_(t[, {a, mode, nonlinearity}]): the same standard deviation, uniform.
function init.kaiming_uniform_(t, opts)
  local bound = math.sqrt(3) * kaiming_std("kaiming_uniform_", t, opts)
  return redraw(t, "uniform", -bound, bound)
end

--- nn.init.xavier_uniform_(t[, gain (1)]), nn.init.xavier_normal_(t[, gain]): Glorot and Bengio 2010.
function init.xavier_uniform_(t, gain)
  want("xavier_uniform_", t)
  local i, o = fans("xavier_uniform_", t)
  local bound = (gain or 1) * math.sqrt(6 / (i + o))
  return redraw(t, "uniform", -bound, bound)
end

--- nn.init.xavier_normal_(t[, gain (1)]): see xavier_uniform_.
function init.xavier_normal_(t, gain)
  want("xavier_normal_", t)
  local i, o = fans("xavier_normal_", t)
  return redraw(t, "normal", 0, (gain or 1) * math.sqrt(2 / (i + o)))
end

--- nn.init.normal_(t[, mean (0), std (1)]): the normal distribution.
function init.normal_(t, mean, std) want("normal_", t) return redraw(t, "normal", mean or 0, std or 1) end

--- nn.init.uniform_(t[, a (0), b (1)]): spread evenly over [a, b).
function init.uniform_(t, a, b) want("uniform_", t) return redraw(t, "uniform", a or 0, b or 1) end

--- nn.init.constant_(t, value): all elements equal.
function init.constant_(t, value) want("constant_", t) return fill(t, value) end

--- nn.init.zeros_(t): all elements 0.
function init.zeros_(t) want("zeros_", t) return fill(t, 0) end

--- nn.init.ones_(t): all elements 1.
function init.ones_(t) want("ones_", t) return fill(t, 1) end

--- nn.init.trunc_normal_(t[, mean (0), std (1), a (-2), b (2)]): normal, drawn again outside [a, b].
function init.trunc_normal_(t, mean, std, a, b)
  want("trunc_normal_", t)
  mean, std, a, b = mean or 0, std or 1, a or -2, b or 2
  if trace.is_skipping() then return t end
  redraw(t, "normal", mean, std)
  if #raw.shape(t) == 0 or t:detach():min():item() >= a and t:detach():max():item() <= b then return t end
  local flat = raw.flat(t)
  for i, v in ipairs(flat) do
    while v < a or v > b do v = raw.item(raw.random("normal", {}, mean, std)) end
    flat[i] = v
  end
  return raw.copy(t, raw.from_list(raw.shape(t), flat))
end

return init
