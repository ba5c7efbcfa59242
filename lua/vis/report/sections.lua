--- The sections of a report: each a function of what was measured, which gives HTML, or nil where there is nothing to
-- say.
local chart = require "suture.vis.common.chart"
local markup = require "suture.base.markup"
local pcall = require("suture.base.interrupt").pcall
local plot = require "suture.vis.plot"
local term = require "suture.base.text"
local escape = markup.escape

local sections = {}

local MANY = 30 -- classes: of more the matrix is not drawn

-- kind: "chart", or "colours" where they mean something and are the same on a dark page.
local function image(page, alt, kind)
  return ('<img class="%s" src="%s" alt="%s" width="%d">'):format(kind or "chart",
    markup.picture("svg+xml", page:render "svg"), escape(alt), math.ceil(page.width))
end

local function figure(v, digits) return v and ("%." .. (digits or 3) .. "f"):format(v) or "–" end

local function percent(v) return v and ("%.1f %%"):format(100 * v) or "–" end

-- Rows of cells as a table; a cell that is a number stands right. head: the columns' names.
local function tabled(head, rows, class)
  local out = {('<div class="scroll"><table class="%s"><thead><tr>'):format(class or "")}
  for _, name in ipairs(head) do out[#out + 1] = ("<th scope=col>%s</th>"):format(escape(name)) end
  out[#out + 1] = "</tr></thead><tbody>"
  for _, row in ipairs(rows) do
    out[#out + 1] = "<tr>"
    for i, cell in ipairs(row) do
      local tag = i == 1 and "th scope=row" or "td"
      out[#out + 1] = ("<%s>%s</%s>"):format(tag, type(cell) == "table" and cell.html or escape(tostring(cell)),
        i == 1 and "th" or "td")
    end
    out[#out + 1] = "</tr>"
  end
  return table.concat(out) .. "</tbody></table></div>"
end

-- Where the share lies with 95 of 100: Wilson 1927.
local function wilson(p, n)
  local z = 1.959964
  local middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
  return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
end

--- The figures first.
function sections.figures(r)
  local low, high = wilson(r.acc, r.count)
  local top
  for k, share in pairs(r.top) do if k > 1 and k < #r.classes then top = {k, share} end end
  local cards = {
    {percent(r.acc), "accuracy", ("%d of %d; 95 %% between %s and %s"):format(r.correct, r.count, percent(low),
      percent(high))},
    {figure(r.loss), "loss", "cross entropy, mean"},
    {figure(r.f1), "F1", "mean of the classes"},
    {figure(r.ece), "calibration error", ("expected, %d parts"):format(#r.reliability)},
  }
  if top then table.insert(cards, 2, {percent(top[2]), "top " .. top[1], "among the likeliest"}) end
  local out = {'<div class="cards">'}
  for _, c in ipairs(cards) do
    out[#out + 1] = ("<div><b>%s</b><span>%s</span><small>%s</small></div>"):format(escape(c[1]), escape(c[2]),
      escape(c[3]))
  end
  return table.concat(out) .. "</div>"
end

--- The curves of the last training.
function sections.training(_, _, fit)
  if not fit or #fit.history == 0 then return nil end
  local out = {}
  for _, panel in ipairs(plot(fit).panels) do out[#out + 1] = image(panel.canvas, "curves over the epochs") end
  local last = fit.history[#fit.history]
  local said = {term.plural(#fit.history, "epoch"), ("%.4g s"):format(fit.seconds), "seed " .. tostring(fit.seed)}
  if last.lr then said[#said + 1] = ("learning rate %.3g at the end"):format(last.lr) end
  if fit.best_epoch then said[#said + 1] = ("weights of epoch %d (%s)"):format(fit.best_epoch, fit.best_by) end
  if fit.interrupted then said[#said + 1] = "interrupted" end
  return '<div class="charts">' .. table.concat(out) .. "</div><p>" .. escape(table.concat(said, " · ")) .. "</p>"
end

-- The pairs of classes that are mixed up most.
local function mixed_up(counts, names)
  local pairs_ = {}
  for i, row in ipairs(counts) do
    for k, n in ipairs(row) do
      if i ~= k and n > 0 then pairs_[#pairs_ + 1] = {names[i], names[k], n} end
    end
  end
  table.sort(pairs_, function(a, b)
    if a[3] ~= b[3] then return a[3] > b[3] end
    return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
  end)
  return table.move(pairs_, 1, math.min(8, #pairs_), 1, {})
end

--- What is taken for what.
function sections.confusion(r)
  local counts, names = r.confusion.counts, r.confusion.classes
  local out = {}
  if #names <= MANY then
    local shown = {}
    for i, name in ipairs(names) do shown[i] = term.cut(escape(name), 18):gsub("&%w+;", "") end
    out[1] = image(chart.matrix(counts, {x = "predicted", y = "true", row_names = shown,
      column_names = #names <= 8 and shown or nil}), "confusion matrix", "colours")
  end
  local pairs_ = mixed_up(counts, names)
  if #pairs_ > 0 then
    out[#out + 1] = "<div><h3>Mixed up most</h3>" .. tabled({"is", "taken for", "times"}, pairs_) .. "</div>"
  end
  return '<div class="charts">' .. table.concat(out) .. "</div>"
end

--- Each class.
function sections.classes(r)
  local rows, list = {}, {table.unpack(r.classes)}
  local left = 0
  if #list > 200 then -- the worst of many
    table.sort(list, function(a, b) return a.f1 < b.f1 or a.f1 == b.f1 and a.index < b.index end)
    left = #list - 200
  end
  for i = 1, #list - left do
    local c = list[i]
    rows[i] = {c.class, figure(c.precision), figure(c.recall), figure(c.f1), figure(c.auc), c.support}
  end
  return tabled({"class", "precision", "recall", "F1", "AUC", "samples"}, rows, "numbers")
    .. (left > 0 and ("<p>The 200 with the least F1; %d more are left out.</p>"):format(left) or "")
end

--- How sure it is, and how often rightly.
function sections.calibration(r)
  local counts, sure, most = {}, 0, 0
  for i, b in ipairs(r.reliability) do
    counts[i], sure = b.n, sure + b.sure
    if b.n > 0 then most = math.max(most, math.abs(b.right - b.sure) / b.n) end
  end
  local mean = sure / r.count
  local words = math.abs(mean - r.acc) < 0.01 and "about as sure as it is right"
    or mean > r.acc and "surer than it is right" or "less sure than it is right"
  return '<div class="charts">'
    .. image(chart.reliability(r.reliability, {title = "reliability", width = 360, height = 320}),
      "reliability diagram")
    .. image(chart.bars(counts, {title = "how sure", x = "confidence", y = "samples", from = 0, to = 1, width = 360,
      height = 320}), "histogram of confidences") .. "</div>"
    .. ("<p>Expected calibration error %s over %d parts of equal width (Guo et al. 2017), the greatest of a part %s. "
      .. "Mean confidence %s at an accuracy of %s: it is %s.</p>"):format(figure(r.ece), #r.reliability, figure(most),
      percent(mean), percent(r.acc), words)
end

--- The worst samples. of: the list; why: why nothing shows where it looked.
function sections.mistakes(_, _, _, of, why)
  if #of == 0 then return nil end
  local out, wrong = {}, of[1].guess ~= of[1].truth
  local function shot(address, words)
    return address and ('<figure><img src="%s" alt="%s"><figcaption>%s</figcaption></figure>'):format(address,
      escape(words), escape(words)) or ""
  end
  for _, s in ipairs(of) do
    out[#out + 1] = ("<article><div class=shots>%s%s%s</div><p><b>%s</b> %s, taken for <b>%s</b> %s</p>"
      .. "<p class=dim>%s</p></article>"):format(shot(s.picture, "picture"), shot(s.cam, "for " .. s.guess_name),
      shot(s.cam_truth, "for " .. s.truth_name), escape(s.truth_name), percent(s.p_truth), escape(s.guess_name),
      percent(s.p_guess), escape(s.name))
  end
  local head = wrong and "The mistakes with the greatest loss" or "There are no mistakes; these were the least sure"
  if of[1].cam then head = ("%s, with Grad-CAM at %s."):format(head, of[1].layer) else head = head .. "." end
  return "<p>" .. escape(head) .. (why and " " .. escape("Without Grad-CAM: " .. why) or "") .. "</p><div class=worst>"
    .. table.concat(out) .. "</div>"
end

-- Numbers beneath a module, and of them those that train; whether it has BatchNorm, and all of it in eval.
local function counted(module, seen)
  local all, trains, norm, still = 0, 0, false, true
  for p in module:parameters() do
    if not seen[p] then
      seen[p], all = true, all + p:numel()
      if p.requires_grad then trains = trains + p:numel() end
    end
  end
  for sub in module:modules() do
    if sub._is_batchnorm then
      norm = true
      if not (sub._frozen or sub._bn_eval) then still = false end
    end
  end
  return all, trains, norm and (still and "statistics stand" or "statistics move in training") or ""
end

--- What is frozen: the model's parts with what trains of each.
function sections.frozen(_, m)
  local rows, seen, total, moving = {}, {}, 0, 0
  local function add(name, what, module)
    local all, trains, norm = counted(module, seen)
    total, moving = total + all, moving + trains
    local state = module._frozen and "frozen" or all == 0 and "" or trains == 0 and "does not train"
      or trains == all and "trains" or "trains in part"
    rows[#rows + 1] = {name, what, term.count(all), term.count(trains), state, norm}
  end
  for name, child in m:named_children() do add(name, getmetatable(child).__name, child) end
  local own = 0
  for p in m:parameters() do if not seen[p] then own = own + 1 end end
  if own > 0 then add("(its own)", getmetatable(m).__name, m) end
  return ("<p>%s parameters, of which %s train.</p>"):format(term.count(total), term.count(moving))
    .. tabled({"part", "class", "parameters", "train", "state", "BatchNorm"}, rows, "parts")
end

--- The graph that runs.
function sections.graph(_, m, _, _, _, input)
  local ok, g = pcall(m.graph, m, {input = input})
  if not ok then
    return "<p>" .. escape((tostring(g):gsub("^%S-:%d+: ", ""))) .. "</p>"
  end
  return '<div class="scroll graph">' .. g:_svg() .. "</div>"
end

return sections
