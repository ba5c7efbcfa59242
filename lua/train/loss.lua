--- What training lowers: the cross entropy of a model's logits, another loss of predictions and targets, or a loss of
-- one's own. A model that gives back several results in training, as GoogLeNet and Inception v3 do, has auxiliary
-- heads: the loss of each counts m.aux_weight beside 1 for the first. Of a model without aux_weight the first result
-- alone is trained.
local core = require "suture.core"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local suggest = require "suture.base.suggest"
local is, numel = core.tensor.is, core.tensor.numel
local loss = {}

--- Calls m(…) and returns a list of what is trained: the logits, then those of auxiliary heads, but of ones that no
-- parameter which trains can change.
function loss.heads(m, ...)
  local out = table.pack(m(...))
  local heads = {out[1]}
  for i = 2, (m.aux_weight or 0) ~= 0 and out.n or 1 do
    if out[i] and out[i].requires_grad then heads[#heads + 1] = out[i] end
  end
  return heads
end

-- f of each head and the targets y, added up by weight.
local function weighted(m, heads, y, f)
  local sum = f(heads[1], y)
  for i = 2, #heads do sum = sum + m.aux_weight * f(heads[i], y) end
  return sum
end

--- The cross entropy of these heads of m for the classes y. opts: those of F.cross_entropy.
function loss.of(m, heads, y, opts)
  return weighted(m, heads, y, function(logits, target) return F.cross_entropy(logits, target, opts) end)
end

-- ---- targets ----

--- What the targets y are, in words: "float32 of shape (N, 1)"; and what to write where they would be class numbers.
function loss.targets_text(y)
  local dims = {"N"}
  for i = 2, #y.shape do dims[i] = tostring(y.shape[i]) end
  local column = y.dtype == "int64" and #y.shape == 2 and y.shape[2] == 1
  return ("%s of shape (%s)"):format(y.dtype, table.concat(dims, ", "))
    .. (column and " (y:squeeze(1) are class numbers)" or "")
end

-- Whether y holds the probabilities of the classes of logits.
local function probabilities(y, logits)
  return y.shape == logits.shape and #y.shape == 2 and y.shape[2] > 1 and y:min():item() >= 0 and
    (y:sum(1) - 1):abs():max():item() < 1e-3
end

--- Compares a list of heads with the targets y of a dataset, for the cross entropy: an error where one has fewer
-- classes than the labels need, or where the targets are neither classes nor probabilities of them.
function loss.check_classes(what, heads, ds, y)
  local labels, most = ds:labels(), 0
  for _, k in ipairs(labels or {}) do if k > most then most = k end end
  for i, logits in ipairs(heads) do
    local shape = logits.shape
    if not labels and y.dtype == "int64" and #y.shape == 2 and y.shape[2] == 1 and #shape == 2 and shape[2] > 1 then
      fault("%s: the targets are %s; class numbers have shape (N): y:squeeze(1) makes them so", what,
        loss.targets_text(y))
    end
    if not labels and not probabilities(y, logits) then
      fault("%s: the targets are %s, not classes nor probabilities of them (the model gives %s): say the loss, as " ..
        "loss = F.mse_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits, or loss = function(m, x, y) … end",
        what, loss.targets_text(y), tostring(shape))
    end
    if #shape ~= 2 then
      fault("%s: the model's output has shape %s; (N, classes) is expected", what, tostring(shape))
    end
    if labels and most >= shape[2] then
      fault("%s: the dataset has %d classes, the model's %shead %d · m:reset_head(%d) makes one that fits", what,
        #ds.classes > 0 and #ds.classes or most + 1, i > 1 and "auxiliary " or "", shape[2],
        math.max(#ds.classes, most + 1))
    end
  end
end

--- How many of a batch are right, as a tensor to be computed; nil where that makes no sense: the targets are no classes
-- (classes: whether they are), or what the loss gave besides its value are no logits of them.
function loss.right(logits, classes, y)
  if not classes or not is(logits) or #y.shape ~= 1 or #logits.shape ~= 2 or logits.shape[2] < 2 or
    logits.shape[1] ~= y.shape[1] then
    return nil
  end
  return logits:argmax(1):eq(y):sum()
end

-- ---- the option `loss` ----

-- The losses of F by the names one may say: "mse_loss" and "mse", "bce" for binary_cross_entropy.
local function named()
  local out = {}
  for name, f in pairs(F) do
    if name:find "_loss$" or name:find "^[^_].*cross_entropy" or name == "cross_entropy" then
      out[name] = f
      out[(name:gsub("_loss$", ""):gsub("^binary_cross_entropy", "bce"))] = f
    end
  end
  return out
end

local function name_of(f)
  for name, g in pairs(F) do if g == f then return name end end
end

local function show_names()
  local list = {}
  for name in pairs(named()) do if not name:find "_loss$" and not name:find "^binary" then list[#list + 1] = '"' ..
    name .. '"' end end
  table.sort(list)
  return table.concat(list, ", ")
end

-- A loss that is one number and can be lowered.
local function checked(what, name, value)
  if not is(value) or numel(value) ~= 1 then
    fault("%s: the loss (%s) is %s; a tensor of one number is expected%s", what, name,
      is(value) and "of shape " .. tostring(value.shape) or options.show(value), is(value) and " · :mean() makes one" or
        "")
  end
  return value
end

local function samples(y) return y.shape[1] end

-- How the batch's mean, or whatever the loss is, counts in the mean over a dataset: by samples.
local function total(value, y) return value * y.shape[1] end

local number_by_number = {MSELoss = true, L1Loss = true, SmoothL1Loss = true, HuberLoss = true, BCELoss = true,
  BCEWithLogitsLoss = true}

-- Losses that compare number by number, those of F and of nn: what the model gives and the targets are of one shape.
local function want_shape(what, name, x, y)
  if not is(x) or x.shape == y.shape then return end
  local instead
  if y.dtype == "int64" and #y.shape == 1 and #x.shape == 2 and x.shape[2] > 1 then
    instead = ('leave the loss out (cross_entropy is that of class numbers), or loss = function(x, y) return %s(x, ' ..
      'F.one_hot(y, %d):float()) end'):format(name, x.shape[2])
  elseif #y.shape == 1 and #x.shape == 2 and x.shape[2] == 1 then
    instead = ("loss = function(x, y) return %s(x:squeeze(1), y%s) end"):format(name, y.dtype == "int64" and ":float()"
      or "")
  else
    instead = "reshape the targets, or loss = function(x, y) … end"
  end
  fault("%s: %s compares number by number: the model gives %s, the targets are %s · %s", what, name,
    tostring(x.shape), loss.targets_text(y), instead)
end

-- A loss f of prediction and target. plain: want_shape's.
local function of_predictions(what, name, f, plain)
  if plain then
    local of = f
    function f(x, y)
      want_shape(what, plain, x, y)
      return of(x, y)
    end
  end
  return {
    name = name, counts = samples,
    train = function(m, x, y)
      local heads = loss.heads(m, x)
      return checked(what, name, weighted(m, heads, y, f)), heads[1]
    end,
    total = function(m, x, y)
      local prediction = m(x)
      return total(checked(what, name, f(prediction, y)), y), prediction
    end,
  }
end

--- The option `loss` of the function `what` as an object: `name`; `train(m, x, y, ds)` → a tensor of one number to be
-- lowered and the logits or nil; `total(m, x, y, ds)` → the sum over the batch for measuring, and the logits or nil.
-- ds, where it is given, is compared with what the model gives first. given: nil or "cross_entropy": of the logits and
-- classes, or probabilities of their shape. A name ("mse", "l1", …), a loss of F, or a module as nn.MSELoss(): of
-- prediction and target. A function of one's own is told by how many parameters it names: two are prediction and
-- target, three (m, x, y); the latter returns the loss and, for the accuracy, the logits.
-- weight: a tensor, what each class counts in the cross entropy of training, or nil. The object has `counts(y)` too:
-- by how much the loss of a batch counts where several make one step.
function loss.objective(what, given, label_smoothing, weight)
  local f = given
  if type(given) == "string" then
    f = named()[given]
    if not f then
      fault("%s: no loss %s%s (%s, a loss of F or nn, or function(m, x, y) … end)", what, options.show(given),
        suggest.hint(given, named()), show_names())
    end
  end
  if f == nil or f == F.cross_entropy then
    local smooth = {label_smoothing = label_smoothing, weight = weight}
    return {
      name = "cross_entropy", classes = true,
      counts = function(y)
        return weight and y.dtype == "int64" and weight:index_select(0, y):sum():item() or samples(y)
      end,
      train = function(m, x, y, ds)
        local heads = loss.heads(m, x)
        if ds then loss.check_classes(what, heads, ds, y) end
        return loss.of(m, heads, y, smooth), heads[1]
      end,
      total = function(m, x, y, ds, smoothing)
        local logits = m(x)
        if ds then loss.check_classes(what, {logits}, ds, y) end
        return F.cross_entropy(logits, y, {reduction = "sum", label_smoothing = smoothing}), logits
      end,
    }
  end
  if label_smoothing ~= 0 then
    fault("%s: label_smoothing belongs to the cross entropy: with a loss of your own give it there, as " ..
      "nn.CrossEntropyLoss{label_smoothing = %g}", what, label_smoothing)
  end
  if weight then
    fault("%s: class_weights belong to the cross entropy: with a loss of your own give them there, as " ..
      "nn.CrossEntropyLoss{weight = tensor {…}}", what)
  end
  if Module.is_module(f) then
    local class = getmetatable(f)
    return of_predictions(what, tostring(f):match "^[%w_]+" or "a module", f, number_by_number[class.__name] and
      class._builtin and "nn." .. class.__name .. "()")
  end
  local known = name_of(f)
  if f == F.sigmoid_focal_loss then -- of which torchvision takes no mean
    return of_predictions(what, known, function(x, y) return f(x, y, {reduction = "mean"}) end,
      "F." .. known)
  end
  if known and named()[known] == f then
    return of_predictions(what, known, f, known ~= "nll_loss" and "F." .. known)
  end
  if known or type(f) ~= "function" then
    fault("%s: loss expects a name (%s), a loss of F or nn, or function(m, x, y) … end, got %s", what, show_names(),
      known and "F." .. known or options.show(f))
  end
  local info = debug.getinfo(f, "u")
  if info.isvararg or info.nparams < 2 or info.nparams > 3 then
    fault("%s: a loss of your own names its parameters: function(prediction, target) … end or function(m, x, y) … " ..
      "end; this one names %s", what, info.isvararg and "..." or tostring(info.nparams))
  end
  if info.nparams == 2 then return of_predictions(what, "your loss", f) end
  local function train(m, x, y)
    local value, logits = f(m, x, y)
    return checked(what, "your loss", value), logits
  end
  return {name = "your loss", counts = samples, train = train, total = function(m, x, y)
    local value, logits = train(m, x, y)
    return total(value, y), logits
  end}
end

return loss
