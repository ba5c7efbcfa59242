--- nn.init: the ways to fill a parameter before training. Each changes the tensor in place and returns it.
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local options = require "suture.base.options"
local raw = require("suture.core").tensor
local suggest = require "suture.base.suggest"
local arguments = options.arguments

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

local gains = {linear = 1, conv2d = 1, sigmoid = 1, tanh = 5 / 3, relu = math.sqrt(2), selu = 3 / 4}
local gain_args = arguments("calculate_gain", "nonlinearity:str param:num=nil")

--- nn.init.calculate_gain(nonlinearity[, param]): the factor recommended for "relu", "leaky_relu" (param: its slope,
-- 0.01), "tanh", "linear" …
function init.calculate_gain(...)
  local nonlinearity, param = gain_args(...)
  if nonlinearity == "leaky_relu" then return math.sqrt(2 / (1 + (param or 0.01) ^ 2)) end
  if param then fault("calculate_gain: param is the slope of leaky_relu, %s has none", nonlinearity) end
  return gains[nonlinearity] or fault("calculate_gain: no nonlinearity '%s'%s", nonlinearity,
    suggest.hint(nonlinearity, gains))
end

-- f(t, …) whose arguments behind the tensor have this signature.
local function filler(what, signature, f)
  local read = arguments(what, signature)
  local function fills(t, ...)
    want(what, t)
    return f(t, read(...))
  end
  docs[fills] = f -- whose comment is its help
  return fills
end

local KAIMING = "a:num=0 mode:fan_in|fan_out=fan_in nonlinearity:str=leaky_relu"

local function kaiming_std(what, t, a, mode, nonlinearity)
  local fan_in, fan_out = fans(what, t)
  local slope = nonlinearity == "leaky_relu" and a or nil
  return init.calculate_gain(nonlinearity, slope) / math.sqrt(mode == "fan_in" and fan_in or fan_out)
end

--- nn.init.kaiming_normal_(t[, a (0), mode ("fan_in"), nonlinearity ("leaky_relu")]): normal numbers of the standard
-- deviation that keeps the size of what flows; a: the slope of leaky_relu. He et al. 2015, arXiv:1502.01852.
init.kaiming_normal_ = filler("kaiming_normal_", KAIMING, function(t, ...)
  return redraw(t, "normal", 0, kaiming_std("kaiming_normal_", t, ...))
end)

--- nn.init.kaiming_uniform_(t[, a (0), mode ("fan_in"), nonlinearity ("leaky_relu")]): the same standard deviation,
-- uniform.
init.kaiming_uniform_ = filler("kaiming_uniform_", KAIMING, function(t, ...)
  local bound = math.sqrt(3) * kaiming_std("kaiming_uniform_", t, ...)
  return redraw(t, "uniform", -bound, bound)
end)

--- nn.init.xavier_uniform_(t[, gain (1)]), nn.init.xavier_normal_(t[, gain]): Glorot and Bengio 2010.
init.xavier_uniform_ = filler("xavier_uniform_", "gain:rate=1", function(t, gain)
  local i, o = fans("xavier_uniform_", t)
  local bound = gain * math.sqrt(6 / (i + o))
  return redraw(t, "uniform", -bound, bound)
end)

--- nn.init.xavier_normal_(t[, gain (1)]): see xavier_uniform_.
init.xavier_normal_ = filler("xavier_normal_", "gain:rate=1", function(t, gain)
  local i, o = fans("xavier_normal_", t)
  return redraw(t, "normal", 0, gain * math.sqrt(2 / (i + o)))
end)

--- nn.init.normal_(t[, mean (0), std (1)]): the normal distribution.
init.normal_ = filler("normal_", "mean:finite=0 std:rate=1", function(t, ...) return redraw(t, "normal", ...) end)

--- nn.init.uniform_(t[, a (0), b (1)]): spread evenly over [a, b).
init.uniform_ = filler("uniform_", "a:finite=0 b:finite=1", function(t, a, b)
  if a > b then fault("uniform_: expects a ≤ b, got %s and %s", a, b) end
  return redraw(t, "uniform", a, b)
end)

--- nn.init.constant_(t, value): all elements equal.
init.constant_ = filler("constant_", "val:num", function(t, v) return fill(t, v) end)

--- nn.init.zeros_(t): all elements 0.
init.zeros_ = filler("zeros_", "", function(t) return fill(t, 0) end)

--- nn.init.ones_(t): all elements 1.
init.ones_ = filler("ones_", "", function(t) return fill(t, 1) end)

local TRUNCATED = "mean:finite=0 std:rate=1 a:finite=-2 b:finite=2"

--- nn.init.trunc_normal_(t[, mean (0), std (1), a (-2), b (2)]): normal, drawn again outside [a, b].
init.trunc_normal_ = filler("trunc_normal_", TRUNCATED, function(t, mean, std, a, b)
  if a > b then fault("trunc_normal_: expects a ≤ b, got %s and %s", a, b) end
  if trace.is_skipping() then return t end
  redraw(t, "normal", mean, std)
  if #raw.shape(t) == 0 or t:detach():min():item() >= a and t:detach():max():item() <= b then return t end
  local flat = raw.flat(t)
  for i, v in ipairs(flat) do
    while v < a or v > b do v = raw.item(raw.random("normal", {}, mean, std)) end
    flat[i] = v
  end
  return raw.copy(t, raw.from_list(raw.shape(t), flat))
end)

return init
