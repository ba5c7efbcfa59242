--- Figures beyond accuracy and loss, scikit-learn's by name and formula: of classes, of labels that may come together,
-- of numbers. Predictions are gathered batch by batch.
local core = require "suture.core"
local counted = require "suture.base.counted"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local text = require "suture.base.text"
local measure, rows = core.measure, core.rows
local metrics = {}
metrics.__index = metrics

-- The option topk: a list of whole numbers above 0; by default 1 and 5.
local function tops(what, given)
  if given == nil then return {1, 5} end
  if type(given) == "number" then given = {given} end
  local ok = type(given) == "table" and #given > 0
  for _, k in ipairs(ok and given or {}) do ok = ok and math.type(k) == "integer" and k > 0 end
  if not ok then fault("%s: topk is a whole number above 0 or a list of them, got %s", what, options.show(given)) end
  return given
end

--- For #ds samples. what: the function that errors name; o: topk and bins; loss_name: says what predictions mean.
function metrics.new(what, ds, o, loss_name)
  return setmetatable({what = what, ds = ds, n = #ds, topk = tops(what, o.topk), asked = o.topk ~= nil, bins = o.bins,
    count = 0, loss_name = loss_name, labels = {}}, metrics)
end

-- What kind of targets y are for this prediction: "classes", "labels" (several may be there) or "numbers".
local function kind_of(self, prediction, y)
  if not core.tensor.is(prediction) then
    fault("%s: metrics: the loss gives no predictions: return them behind it, as return loss, logits", self.what)
  end
  if self.ds:labels() and #y.shape == 1 and #prediction.shape == 2 and prediction.shape[2] > 1 then return "classes" end
  if prediction.shape ~= y.shape then
    fault("%s: metrics: the model gives %s for targets of %s", self.what, tostring(prediction.shape), tostring(y.shape))
  end
  local named = self.loss_name
  if #y.shape == 2 and (named:find "binary_cross_entropy" or named:find "focal" or named:find "BCE") then
    return "labels"
  end
  return "numbers"
end

-- What the model says of labels as probabilities: the plain cross entropy is of such.
local function probabilities(self, prediction)
  local plain = self.loss_name == "binary_cross_entropy" or self.loss_name == "BCELoss"
  return plain and prediction or prediction:sigmoid()
end

--- Takes in what the model gave for a batch and its targets.
function metrics:add(prediction, y)
  self.kind = self.kind or kind_of(self, prediction, y)
  local scores = prediction
  if self.kind == "classes" then scores = F.softmax(prediction, 1)
  elseif self.kind == "labels" then scores = probabilities(self, prediction) end
  if #scores.shape ~= 2 then scores, y = scores:reshape(scores.shape[1], -1), y:reshape(y.shape[1], -1) end
  self.scores = self.scores or rows.new(scores, self.n)
  local places = {}
  for i = 1, y.shape[1] do places[i] = self.count + i - 1 end
  rows.put(self.scores, places, scores)
  if self.kind == "classes" then
    for i, k in ipairs(y:tolist()) do self.labels[self.count + i] = math.tointeger(k) end
  else
    self.targets = self.targets or rows.new(y, self.n)
    rows.put(self.targets, places, y)
  end
  self.count = self.count + #places
end

local function ratio(a, b) return b > 0 and a / b or 0 end

-- Precision, recall and F1 of hits, what was taken for it and what it is.
local function three(hits, taken, support)
  local precision, recall = ratio(hits, taken), ratio(hits, support)
  return precision, recall, precision + recall > 0 and 2 * precision * recall / (precision + recall) or 0
end

-- The means of the fields over those of a list that count.
local function means(list, out, counts)
  for _, name in ipairs {"precision", "recall", "f1", "auc", "average_precision"} do
    local sum, n = 0, 0
    for _, one in ipairs(list) do
      if one[name] and counts(one) then sum, n = sum + one[name], n + 1 end
    end
    out[name] = n > 0 and sum / n or nil
  end
end

local List = {__name = "figures of classes", __index = counted.places("classes", "class y is [y + 1]")}
function List.__tostring(list)
  local width = 5
  for _, one in ipairs(list) do width = math.max(width, math.min(20, text.columns(text.safe(one.class, true)))) end
  local function cell(s, side) return text.pad(text.cut(text.safe(s, true), width), width, side) end
  local function figure(v) return v and ("%.3f"):format(v) or "-" end
  local lines = {cell "class" .. "  precision  recall     f1    auc  samples"}
  for _, one in ipairs(list) do
    lines[#lines + 1] = ("%s  %9s  %6s  %5s  %5s  %7d"):format(cell(one.class), figure(one.precision),
      figure(one.recall), figure(one.f1), figure(one.auc), one.support)
  end
  return table.concat(lines, "\n")
end

local function classes(self, out)
  local n, c, names = self.count, self.scores.shape[2], self.ds.classes
  local scores, counts = self.scores:tolist(), {}
  for i = 1, c do
    counts[i] = {}
    for j = 1, c do counts[i][j] = 0 end
  end
  local top, bin = {}, {}
  for b = 1, self.bins do bin[b] = {n = 0, right = 0, sure = 0} end
  for _, k in ipairs(self.topk) do
    if self.asked and k > c then fault("%s: topk = %d: there are %d classes", self.what, k, c) end
    top[k] = 0
  end
  for i = 1, n do
    local row, truth = scores[i], self.labels[i] + 1
    local guess, above = 1, 0
    for k = 1, c do
      if row[k] > row[guess] then guess = k end
      if row[k] > row[truth] or row[k] == row[truth] and k < truth then above = above + 1 end
    end
    counts[truth][guess] = counts[truth][guess] + 1
    for k in pairs(top) do if above < k then top[k] = top[k] + 1 end end
    local b = bin[math.min(self.bins, math.max(1, math.ceil(row[guess] * self.bins)))]
    b.n, b.sure, b.right = b.n + 1, b.sure + row[guess], b.right + (guess == truth and 1 or 0)
  end
  out.ece = 0
  for _, b in ipairs(bin) do out.ece = out.ece + math.abs(b.right - b.sure) / n end
  out.reliability = bin
  out.top, out.counts, out.names, out.classes = {}, counts, {}, setmetatable({}, List)
  for k, right in pairs(top) do out.top[k] = right / n end
  for k = 1, c do
    local taken, support, is = 0, 0, {}
    for j = 1, c do taken, support = taken + counts[j][k], support + counts[k][j] end
    for i = 1, n do is[i] = self.labels[i] == k - 1 and 1 or 0 end
    local one = {class = names[k] or tostring(k - 1), index = k - 1, support = support, taken = taken}
    one.precision, one.recall, one.f1 = three(counts[k][k], taken, support)
    one.auc, one.average_precision = measure.ranks(self.scores, k - 1, is)
    out.classes[k], out.names[k] = one, one.class
  end
  means(out.classes, out, function(one) return one.support + one.taken > 0 end)
end

local function labels(self, out)
  local n, c = self.count, self.scores.shape[2]
  local scores, truths, names = self.scores:tolist(), self.targets:tolist(), self.ds.source.label_names or {}
  out.classes = setmetatable({}, List)
  local all_hits, all_taken, all_support, exact = 0, 0, 0, 0
  for i = 1, n do
    local same = true
    for k = 1, c do same = same and (scores[i][k] >= 0.5) == (truths[i][k] >= 0.5) end
    exact = exact + (same and 1 or 0)
  end
  for k = 1, c do
    local hits, taken, support, is = 0, 0, 0, {}
    for i = 1, n do
      local said, so = scores[i][k] >= 0.5, truths[i][k] >= 0.5
      hits, taken, support = hits + (said and so and 1 or 0), taken + (said and 1 or 0), support + (so and 1 or 0)
      is[i] = so and 1 or 0
    end
    local one = {class = names[k] or tostring(k - 1), index = k - 1, support = support, taken = taken}
    one.precision, one.recall, one.f1 = three(hits, taken, support)
    one.auc, one.average_precision = measure.ranks(self.scores, k - 1, is)
    out.classes[k] = one
    all_hits, all_taken, all_support = all_hits + hits, all_taken + taken, all_support + support
  end
  means(out.classes, out, function() return true end)
  out.micro_f1, out.exact = select(3, three(all_hits, all_taken, all_support)), exact / n
end

local function numbers(self, out)
  local d = self.scores - self.targets
  out.mse, out.mae = (d * d):mean():item(), d:abs():mean():item()
  out.rmse = math.sqrt(out.mse)
  -- the share of the variance that is explained, the mean over columns, as r2_score
  local sums, sum, n = (d * d):sum(0):tolist(), 0, 0
  local off = self.targets - self.targets:mean(0, true)
  for k, total in ipairs((off * off):sum(0):tolist()) do
    if total > 0 then sum, n = sum + 1 - sums[k] / total, n + 1 end
  end
  out.r2 = n > 0 and sum / n or nil
end

--- Writes the figures into `out`.
function metrics:into(out)
  out.kind = self.kind
  if self.kind == "classes" then classes(self, out) elseif self.kind == "labels" then labels(self, out)
  else numbers(self, out) end
end

--- What result() gave, in lines.
function metrics.lines(r)
  local lines = {}
  local function figure(name, v) return v and ("%s %.4f"):format(name, v) or name .. " -" end
  if r.kind == "numbers" then
    return {("%s · %s · %s"):format(figure("rmse", r.rmse), figure("mae", r.mae), figure("r2", r.r2))}
  end
  if r.top then
    local ks, parts = {}, {}
    for k in pairs(r.top) do ks[#ks + 1] = k end
    table.sort(ks)
    for _, k in ipairs(ks) do if k > 1 then parts[#parts + 1] = figure("top-" .. k, r.top[k]) end end
    parts[#parts + 1] = figure("calibration error", r.ece)
    lines[1] = table.concat(parts, " · ")
  else lines[1] = ("%s · %s"):format(figure("all labels right", r.exact), figure("f1 of all together", r.micro_f1)) end
  lines[2] = ("means of classes: %s · %s · %s · %s"):format(figure("precision", r.precision),
    figure("recall", r.recall), figure("f1", r.f1), figure("auc", r.auc))
  if #r.classes <= 20 then lines[3] = tostring(r.classes)
  else lines[3] = ("%d classes: r.classes has the figures of each"):format(#r.classes) end
  return lines
end

return metrics
