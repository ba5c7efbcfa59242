--- Measuring a model: accuracy and loss, predictions, the confusion matrix.
local absent = require "suture.base.absent"
local core = require "suture.core"
local counted = require "suture.base.counted"
local tensor = require "suture.tensor"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local beforehand = require "suture.train.beforehand"
local losses = require "suture.train.loss"
local metrics = require "suture.train.metrics"
local mode = require "suture.train.mode"
local note = require "suture.base.note"
local Dataset = require "suture.data.dataset"
local custom = require "suture.data.custom"
local dataset = require "suture.data.readers.dataset"
local text = require "suture.base.text"
local evaluate = {}

-- The data set that was given: one of data's, or an object of the user's with len and get, which data.dataset takes.
local function check_dataset(what, ds)
  if not Dataset.is(ds) and custom.fits(ds) then ds = dataset(ds) end
  if not Dataset.is(ds) then
    fault("%s: expects a dataset (data.folder, data.shapes, data.tensors, data.dataset …), got %s", what,
      options.show(ds))
  end
  if #ds == 0 then fault("%s: the dataset is empty", what) end
  return ds
end
evaluate.check_dataset = check_dataset

local function check_model(what, m)
  if not require("suture.nn").Module.is_module(m) then fault("%s: expects a model, got %s", what, options.show(m)) end
end
evaluate.check_model = check_model

--- Calls, for the function `what`, each(x, y, places) for every batch of ds with m in eval and nothing recorded for
-- gradients.
function evaluate.each(what, m, ds, opts, each)
  mode.eval(m, function()
    for x, y, places in ds:batches(opts.batch, {augment = false, threads = opts.threads}) do
      if not ds.view then beforehand.check_numbers(what, ds, x, y, places) end
      tensor.no_grad(function() each(x, y, places) end)
    end
  end)
end

local Confusion = {__name = "confusion", __index = absent.index("the confusion", ""), __tostring = function(r)
  local n, width = #r.counts, 5
  for _, c in ipairs(r.classes) do width = math.max(width, math.min(12, text.columns(text.safe(c, true)))) end
  local function cell(s) return text.pad(text.cut(text.safe(tostring(s), true), width), width, "right") end
  local lines = {cell "" .. "  predicted", cell "true"}
  for i = 1, n do lines[2] = lines[2] .. " " .. cell(r.classes[i]) end
  lines[2] = lines[2] .. "  recall"
  for i = 1, n do
    local line, total = cell(r.classes[i]), 0
    for j = 1, n do
      line, total = line .. " " .. cell(r.counts[i][j]), total + r.counts[i][j]
    end
    lines[#lines + 1] = line .. (total > 0 and ("  %.3f"):format(r.counts[i][i] / total) or "      -")
  end
  lines[#lines + 1] = ("acc %.4f"):format(r.acc)
  return table.concat(lines, "\n")
end}

-- What plot(r) draws.
function Confusion.plotted(r)
  return {caption = ("confusion of %d pictures"):format(r.count), {"matrix", r.counts, {
    title = ("%.1f %% right"):format(100 * r.acc), x = "predicted", y = "true", row_names = r.classes,
    column_names = r.classes,
  }}}
end

local function confusion_of(counts, names, acc, count)
  local function places(list) counted.list(list, "counts", "class i taken for j is counts[i + 1][j + 1]") end
  places(counts)
  for _, row in ipairs(counts) do places(row) end
  names = counted.names(names, "class y is classes[y + 1]")
  return setmetatable({counts = counts, classes = names, acc = acc, count = count}, Confusion)
end

local figures = "top ece classes precision recall f1 auc average_precision confusion reliability micro_f1 exact mse " ..
  "rmse mae r2" -- what metrics = true adds
local field = absent.index("the evaluation", "acc correct kind counts names " .. figures)
local Result = {__name = "evaluation", __index = function(r, name)
  if not rawget(r, "kind") and (" " .. figures .. " "):find(" " .. tostring(name) .. " ", 1, true)
    and absent.by_user(2) then
    fault("evaluate: %s is counted with metrics = true: evaluate(m, ds, {metrics = true})", name)
  end
  return field(r, name)
end, __tostring = function(r)
  local acc = r.acc and ("acc %.4f (%d of %d)"):format(r.acc, r.correct, r.count) or
    ("acc - (%d samples)"):format(r.count)
  local line = ("%s · loss %.4f%s"):format(acc, r.loss, r.loss_name ~= "cross_entropy" and
    (" (%s)"):format(r.loss_name) or "")
  line = line:gsub("%-nan", "nan") -- C writes so of some
  return r.kind and table.concat({line, table.unpack(metrics.lines(r))}, "\n") or line
end}

local read = options.named("evaluate", "batch:count=64 threads:natural=nil label_smoothing:prob=0 loss:any=nil " ..
  "metrics:bool=false topk:any=nil bins:count=15")

--- Accuracy and loss of m on ds, in eval mode; m's own mode is put back after.
-- Where m has classes (fit and the zoo give them), those of ds are matched by name; one that m has not is an error.
-- Options: `batch` (64), `threads` (of the loader), `loss` (as fit's; default: the cross entropy, with
-- `label_smoothing` (0)). Returns a table with `loss` (the mean over samples), `count`, and where the targets are
-- classes and the loss tells logits `acc` (0 to 1) and `correct`; it prints itself, a missing accuracy as "-".
-- metrics = true: also, by scikit-learn's names and formulas, of classes `top` (top[5]: the share whose class is among
-- the five likeliest; `topk`, a number or a list (1, 5), says which), `ece` (expected calibration error of `bins` (15)
-- bins; Guo et al. 2017), `reliability` (of each bin {n, right, sure}: sums), `classes` (a list: precision, recall, f1,
-- auc (of ROC, against the rest), average_precision, support), their means over classes under the same names, and
-- `confusion`. Of labels that may come together (targets
-- of 0 and 1 (N, labels), with a binary cross entropy): the same but top, ece and confusion, `micro_f1` and `exact`
-- (the share with all labels right), at a probability of 0.5. Of other numbers: `mse`, `rmse`, `mae`, `r2`.
function evaluate.evaluate(m, ds, opts)
  check_model("evaluate", m)
  ds = check_dataset("evaluate", ds)
  return evaluate.numbered(m, beforehand.measured("evaluate", m, ds), opts)
end

--- The same for a data set whose classes are numbered as m's outputs are.
function evaluate.numbered(m, ds, opts)
  opts = read(opts)
  local objective = losses.objective("evaluate", opts.loss, opts.label_smoothing)
  if not opts.metrics and opts.topk ~= nil then fault "evaluate: topk goes with metrics = true" end
  local loss, correct, count, classes = 0, 0, 0, ds:labels() ~= nil
  local gathered = opts.metrics and metrics.new("evaluate", ds, opts, objective.name)
  evaluate.each("evaluate", m, ds, opts, function(x, y)
    local sum, logits = objective.total(m, x, y, count == 0 and ds, opts.label_smoothing)
    local right = losses.right(logits, classes, y)
    core.graph.eval {sum, right}
    if gathered then gathered:add(logits, y) end
    loss, correct, count = loss + sum:item(), right and correct + right:item(), count + y.shape[1]
  end)
  local r = {acc = correct and correct / count or nil, loss = loss / count, loss_name = objective.name,
    correct = correct and math.tointeger(correct) or correct or nil, count = count}
  if gathered then
    gathered:into(r)
    if r.counts then
      r.confusion = confusion_of(r.counts, r.names, r.acc, count)
      r.counts, r.names = nil, nil
    end
  end
  return setmetatable(r, Result)
end

local Predictions = {__name = "predictions", __tostring = function(list)
  local lines = {}
  for i, p in ipairs(list) do
    local parts = {}
    for _, c in ipairs(p) do parts[#parts + 1] = ("%5.1f %%  %s"):format(100 * c.p, c.class) end
    lines[i] = (#list > 1 and ("%d:\n  "):format(i - 1) or "") .. table.concat(parts, #list > 1 and "\n  " or "\n")
  end
  return text.safe(table.concat(lines, "\n"))
end}

--- The k (5) most likely classes for x: a tensor (N, C, H, W) or (C, H, W) already preprocessed, or the path of a
-- picture, which goes through m's own preprocessing. Returns, for each sample, a list of {class =, index = (from 0), p
-- =}.
function evaluate.predict(m, x, k)
  check_model("predict", m)
  if type(x) == "string" then x = require("suture.data.image").preprocess(x, m) end
  if not core.tensor.is(x) then fault("predict: expects a tensor or the path of a picture, got %s", options.show(x)) end
  k = k == nil and 5 or math.type(k) == "integer" and k > 0 and k or
    fault("predict: expects how many classes to name, a whole number above 0, got %s", options.show(k))
  if #x.shape == 3 then x = x:unsqueeze(0) end
  local out = {}
  mode.eval(m, function()
    tensor.no_grad(function()
      local logits = m(x)
      if #logits.shape ~= 2 then fault("predict: the model's output has shape %s; (N, classes) is expected",
        tostring(logits.shape)) end
      local n, names = logits.shape[2], m.classes or {}
      if #names ~= n then -- those of an older head name nothing
        if #names > 0 then
          note.once("predict classes", ("predict: the model gives %d classes and m.classes names %d: they are told by "
            .. "number · m.classes = {…} names them"):format(n, #names))
        end
        names = {}
      end
      for i, row in ipairs(F.softmax(logits, 1):tolist()) do
        local order = {}
        for c = 1, #row do order[c] = c end
        table.sort(order, function(a, b) return row[a] > row[b] or (row[a] == row[b] and a < b) end)
        out[i] = {}
        for j = 1, math.min(k, #order) do
          local c = order[j]
          out[i][j] = {class = rawget(names, c) or ("class %d"):format(c - 1), index = c - 1, p = row[c]}
        end
      end
    end)
  end)
  return setmetatable(out, Predictions)
end

local read_confusion = options.named("confusion", "batch:count=64 threads:natural=nil")

--- The confusion matrix of m on ds: `counts[i + 1][j + 1]` samples of class i taken for class j. Prints itself with
-- each class's recall. Options: `batch` (64), `threads`.
function evaluate.confusion(m, ds, opts)
  check_model("confusion", m)
  ds = check_dataset("confusion", ds)
  opts = read_confusion(opts)
  if not ds:labels() then
    local _, y = ds:batch {0}
    fault("confusion: the targets are %s, not classes%s", losses.targets_text(y),
      y.dtype == "int64" and #y.shape == 2 and y.shape[2] == 1 and ": class numbers have shape (N): y:squeeze(1)" or "")
  end
  ds = beforehand.measured("confusion", m, ds)
  local counts, right, count, n = {}, 0, 0, nil
  evaluate.each("confusion", m, ds, opts, function(x, y)
    local logits = m(x)
    if not n then
      losses.check_classes("confusion", {logits}, ds, y)
      n = logits.shape[2]
      for i = 1, n do
        counts[i] = {}
        for j = 1, n do counts[i][j] = 0 end
      end
    end
    local guess, truth = logits:argmax(1):tolist(), y:tolist()
    for i, t in ipairs(truth) do
      t = math.tointeger(t)
      local g = math.tointeger(guess[i])
      counts[t + 1][g + 1] = counts[t + 1][g + 1] + 1
      if t == g then right = right + 1 end
      count = count + 1
    end
  end)
  local classes = {}
  for i = 1, n do classes[i] = ds.classes and ds.classes[i] or tostring(i - 1) end
  return confusion_of(counts, classes, right / count, count)
end

return evaluate
