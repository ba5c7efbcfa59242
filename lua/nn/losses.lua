--- The losses of F.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local signatures = require "suture.nn.signatures"
local tensor = require "suture.tensor"
local op, raw = tensor._op, core.tensor
local is, arguments = raw.is, options.arguments

local F = {}

local function given(what, name, x)
  if not is(x) then fault("%s: expects a tensor for %s, got %s", what, name, options.show(x)) end
  return x
end

-- Names of signatures as one.
local function joined(...)
  local out = {}
  for i, name in ipairs {...} do out[i] = signatures[name] end
  return table.concat(out, " ")
end

local REDUCTION = signatures.reduction

local function reduced(x, reduction)
  if reduction == "mean" then return x:mean() end
  return reduction == "sum" and x:sum() or x
end

local reductions = {none = 0, mean = 1, sum = 2} -- what the core's losses call it

-- Class numbers as a tensor or a list; of one sample a number.
local function class_target(what, target)
  if type(target) == "number" or type(target) == "table" and not getmetatable(target) then target = tensor(target) end
  return given(what, "the target", target)
end

local function class_numbers(what, target, logits, ignore_index)
  if raw.dtype(target) ~= "int64" then
    fault("%s: class numbers are whole, targets of int64, got %s (y:long())", what, raw.dtype(target))
  end
  raw.check_targets(what, target, logits, ignore_index)
end

-- Of probabilities, one for each class, in the logits' shape.
local function soft_cross_entropy(logits, target, a)
  if raw.dtype(target) ~= "float32" then
    fault("cross_entropy: a target of the logits' shape %s holds probabilities, of float32, got %s "
      .. "(class numbers have one dimension less)",
      raw.shape(logits), raw.dtype(target))
  end
  if a.ignore_index >= 0 then fault "cross_entropy: ignore_index goes with class numbers, not with probabilities" end
  local rank = raw.rank(logits)
  local dim = rank > 1 and 1 or 0
  local n, log = raw.size(logits, dim), logits:log_softmax(dim)
  if a.label_smoothing > 0 then target = target * (1 - a.label_smoothing) + a.label_smoothing / n end
  if a.weight then
    if raw.rank(a.weight) ~= 1 or raw.size(a.weight, 0) ~= n then
      fault("cross_entropy: weight expects a number for each of %d classes, got %s", n, raw.shape(a.weight))
    end
    local place = {}
    for d = 1, rank do place[d] = d == dim + 1 and n or 1 end
    log = log * a.weight:reshape(place)
  end
  local loss = -(log * target):sum(dim)
  if a.reduction == "mean" then return loss:sum() / math.max(1, raw.numel(loss)) end
  return reduced(loss, a.reduction)
end

-- Losses of class numbers take (N, C), (N, C, L) and (N, C, H, W): more dimensions are made one. Returns also what
-- gives a value for each of them its shape back.
local function few_dims(logits, target)
  if raw.rank(logits) < 5 then return logits, target, function(loss) return loss end end
  local shape = target.shape
  local function back(loss) return raw.rank(loss) > 0 and loss:reshape(shape) or loss end
  return logits:flatten(2), target:flatten(1), back
end

function F._cross_entropy(logits, target, a)
  given("cross_entropy", "the logits", logits)
  target = class_target("cross_entropy", target)
  if raw.shape(target) == raw.shape(logits) then return soft_cross_entropy(logits, target, a) end
  if raw.rank(target) == raw.rank(logits) then
    local wanted = {table.unpack(raw.shape(logits))}
    table.remove(wanted, math.min(2, #wanted))
    fault("cross_entropy: a target of shape %s holds neither class numbers, of shape (%s), nor probabilities, of %s%s",
      raw.shape(target), table.concat(wanted, ", "), raw.shape(logits),
      raw.rank(target) > 1 and raw.size(target, 1) == 1 and " (y:squeeze(1))" or "")
  end
  class_numbers("cross_entropy", target, logits, a.ignore_index)
  local back
  logits, target, back = few_dims(logits, target)
  return back(op "cross_entropy"(logits, target, a.weight,
    {label_smoothing = a.label_smoothing, ignore_index = a.ignore_index, reduction = reductions[a.reduction]}))
end

local ce_args = options.signature("cross_entropy", joined("weight", "ignore_index", "reduction", "label_smoothing"))

--- F.cross_entropy(logits, target[, options]): logits (N, classes) or (N, classes, …), target class numbers (int64) of
-- shape (N) or (N, …), from 0; or probabilities (float32) of logits' shape.
-- Options: weight (a tensor, one per class), ignore_index (-100), reduction ("mean", "sum", "none"), label_smoothing
-- (0).
function F.cross_entropy(logits, target, ...) return F._cross_entropy(logits, target, ce_args(...)) end

local nll_args = arguments("nll_loss", joined("weight", "ignore_index", "reduction"))

--- F.nll_loss(log_probabilities, target[, options]): as cross_entropy of class numbers, without the softmax.
-- Options: weight (a tensor, one per class), ignore_index (-100), reduction ("mean", "sum", "none").
function F.nll_loss(log, target, ...)
  local weight, ignore_index, reduction = nll_args(...)
  given("nll_loss", "the log-probabilities", log)
  target = class_target("nll_loss", target)
  class_numbers("nll_loss", target, log, ignore_index)
  local back
  log, target, back = few_dims(log, target)
  return back(op "nll_loss"(log, target, weight, {ignore_index = ignore_index, reduction = reductions[reduction]}))
end

local function fits(what, x, y)
  given(what, "x", x)
  given(what, "the target", y)
  if x.shape ~= y.shape then fault("%s: x has shape %s, the target %s", what, x.shape, y.shape) end
end

local mse_args, l1_args = arguments("mse_loss", REDUCTION), arguments("l1_loss", REDUCTION)

--- F.mse_loss(x, target[, reduction ("mean")]): the square of the difference.
function F.mse_loss(x, target, ...)
  fits("mse_loss", x, target)
  local d = x - target
  return reduced(d * d, mse_args(...))
end

--- F.l1_loss(x, target[, reduction ("mean")]): the absolute difference.
function F.l1_loss(x, target, ...)
  fits("l1_loss", x, target)
  return reduced((x - target):abs(), l1_args(...))
end

local smooth_args = arguments("smooth_l1_loss", joined("reduction", "beta"))

--- F.smooth_l1_loss(x, target[, reduction, beta (1)]): d²/2β where |d| < β, |d| - β/2 beyond.
function F.smooth_l1_loss(x, target, ...)
  fits("smooth_l1_loss", x, target)
  local reduction, beta = smooth_args(...)
  local d = (x - target):abs()
  if beta == 0 then return reduced(d, reduction) end
  local near = d:clamp(nil, beta)
  return reduced(near * near * (0.5 / beta) + (d - near), reduction)
end

local huber_args = arguments("huber_loss", joined("reduction", "delta"))

--- F.huber_loss(x, target[, reduction ("mean"), delta (1)]): d²/2 where |d| < delta, delta (|d| - delta/2) beyond.
-- Huber 1964.
function F.huber_loss(x, target, ...)
  fits("huber_loss", x, target)
  local reduction, delta = huber_args(...)
  return op "huber_loss"(x, target, {reduction = reductions[reduction], delta = delta})
end

local bce_logits_args = arguments("binary_cross_entropy_with_logits", joined("weight", "pos_weight", "reduction"))

--- F.binary_cross_entropy_with_logits(x, target[, weight, pos_weight, reduction ("mean")]): targets from 0 to 1.
function F.binary_cross_entropy_with_logits(x, target, ...)
  local what = "binary_cross_entropy_with_logits"
  fits(what, x, target)
  local weight, pos_weight, reduction = bce_logits_args(...)
  weight, pos_weight = weight and weight:expand(x.shape), pos_weight and pos_weight:expand(x.shape)
  return op(what)(x, target, weight, pos_weight, {reduction = reductions[reduction]})
end

local focal_args = arguments("sigmoid_focal_loss", "alpha:num=0.25 gamma:rate=2 reduction:none|mean|sum=none")

--- F.sigmoid_focal_loss(x, target[, alpha (0.25), gamma (2), reduction ("none")]): the binary cross entropy of logits,
-- where what is right already counts less: (1 - p)^gamma times it, p the probability of the truth; alpha weighs targets
-- of 1, 1 - alpha those of 0 (below 0: neither). Lin et al. 2017, arXiv:1708.02002; torchvision.ops'. fit takes its
-- mean.
function F.sigmoid_focal_loss(x, target, ...)
  fits("sigmoid_focal_loss", x, target)
  for i, t in ipairs {x, target} do
    if raw.dtype(t) ~= "float32" then
      fault("sigmoid_focal_loss: %s expects float32 numbers, got %s (:float() makes them so)",
        i == 1 and "x" or "the target", raw.dtype(t))
    end
  end
  local alpha, gamma, reduction = focal_args(...)
  local p = x:sigmoid()
  local loss = F.binary_cross_entropy_with_logits(x, target, {reduction = "none"})
  loss = loss * (1 - (p * target + (1 - p) * (1 - target))):pow(gamma)
  if alpha >= 0 then loss = loss * (alpha * target + (1 - alpha) * (1 - target)) end
  return reduced(loss, reduction)
end

local bce_args = arguments("binary_cross_entropy", joined("weight", "pos_weight", "reduction"))

--- F.binary_cross_entropy(p, target[, {weight, reduction ("mean")}]): of probabilities; logarithms are cut off at -100,
-- as in PyTorch; a p outside 0 to 1 is an error, where it is NaN too (in fit, which computes it later, a loss that is
-- not finite).
function F.binary_cross_entropy(p, target, ...)
  fits("binary_cross_entropy", p, target)
  local weight, pos_weight, reduction = bce_args(...)
  if pos_weight then fault "binary_cross_entropy: pos_weight is an option of binary_cross_entropy_with_logits" end
  weight = weight and weight:expand(p.shape)
  if core.graph.op_of(p) ~= "sigmoid" then raw.check_unit("binary_cross_entropy", p) end
  return op "binary_cross_entropy"(p, target, weight, {reduction = reductions[reduction]})
end

--- Adds the losses to the table of functions.
return function(functions)
  for name, f in pairs(F) do functions[name] = f end
end
