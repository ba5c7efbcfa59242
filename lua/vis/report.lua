local core = require "suture.core"
local evaluate = require "suture.train.evaluate"
local beforehand = require "suture.train.beforehand"
local described = require "suture.train.runs.described"
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local last = require "suture.train.last"
local lines = require "suture.base.lines"
local losses = require "suture.train.loss"
local markup = require "suture.base.markup"
local metrics = require "suture.train.metrics"
local mistakes = require "suture.vis.report.mistakes"
local options = require "suture.base.options"
local raw = core.tensor
local sections = require "suture.vis.report.sections"
local text = require "suture.base.text"
local whole = require "suture.base.whole"
local escape = markup.escape

local read = options.named("report", "title:str=nil notes:str=nil fit:table=nil worst:natural=12 bins:count=15 " ..
  "layer:any=nil batch:count=64 threads:natural=nil")

local Report = {__name = "report", __index = require("suture.base.absent").index("the report", ""),
  __tostring = function(r)
    return text.safe(("%s · acc %.4f (%d of %d) · loss %.4f · calibration error %.4f · %s"):format(r.path, r.acc,
      r.correct, r.count, r.loss, r.ece, text.bytes(r.bytes)))
  end}

-- One pass over ds: the figures, and the samples from the worst to the best, {place, guess, truth, p_guess, p_truth}.
local function measured(m, ds, o)
  local gathered, order = metrics.new("report", ds, {bins = o.bins}, "cross_entropy"), {}
  local first, input = true, nil
  evaluate.each("report", m, ds, o, function(x, y, places)
    local logits = m(x)
    if first then
      if not raw.is(logits) or #logits.shape ~= 2 then
        fault("report: expects a model that gives classes, (N, K), this one gives %s",
          raw.is(logits) and tostring(logits.shape) or options.show(logits))
      end
      losses.check_classes("report", {logits}, ds, y)
      input = {table.unpack(x.shape)}
      input[1], first = 1, false
    end
    core.graph.eval {logits}
    gathered:add(logits, y)
    for _, place in ipairs(places) do order[#order + 1] = place end
  end)
  if gathered.kind ~= "classes" then fault "report: expects a model that tells two classes apart, or more" end
  local r, samples = {count = gathered.count}, {}
  gathered:into(r)
  local loss, correct = 0, 0
  for i, row in ipairs(gathered.scores:tolist()) do
    local truth, guess = gathered.labels[i], 1
    for k = 1, #row do if row[k] > row[guess] then guess = k end end
    loss = loss - math.log(math.max(row[truth + 1], 1e-38))
    if guess - 1 == truth then correct = correct + 1 end
    samples[i] = {place = order[i], guess = guess - 1, truth = truth, p_guess = row[guess], p_truth = row[truth + 1],
      guess_name = r.names[guess], truth_name = r.names[truth + 1]}
  end
  r.loss, r.correct, r.acc = loss / r.count, correct, correct / r.count
  r.confusion = {counts = r.counts, classes = r.names}
  return r, samples, input
end

-- The worst of the mistakes, or where there are none of all.
local function worst(ds, samples, n)
  local wrong = {}
  for _, s in ipairs(samples) do if s.guess ~= s.truth then wrong[#wrong + 1] = s end end
  if #wrong == 0 then wrong = samples end
  table.sort(wrong, function(a, b)
    if a.p_truth ~= b.p_truth then return a.p_truth < b.p_truth end
    return a.place < b.place
  end)
  local out = table.move(wrong, 1, math.min(n, #wrong), 1, {})
  for _, s in ipairs(out) do s.name = ds:name(s.place) end
  return out
end

-- What the page says about itself at its head.
local function about(m, ds)
  local way = {("Suture %s"):format((package.loaded.suture or {}).version or ""), core.engine.isa,
    text.plural(core.engine.threads(), "thread"), os.date "%Y-%m-%d %H:%M"}
  return ("<p>%s<br>%s</p>"):format(escape(tostring(ds)), escape(getmetatable(m).__name .. " · " ..
    table.concat(way, " · ")))
end

local parts = { -- name of a section, its heading
  {"figures", "In figures"}, {"training", "Training"}, {"confusion", "What is taken for what"},
  {"classes", "Each class"}, {"calibration", "Calibration"}, {"mistakes", "Worst mistakes"},
  {"frozen", "What trains"}, {"graph", "The graph that runs"},
}

local function section(name, heading, html)
  return ("<section id=%s><h2>%s</h2>%s</section>"):format(name, escape(heading), html)
end

--- report(m, ds, PATH.html[, {title =, notes =, fit =, worst = 12, layer =, bins = 15, batch = 64, threads =}]): what
-- there is to say of a model on one page to hand in, which needs no network: its figures on the data set ds (accuracy
-- with its interval, loss, F1, calibration), the curves of its last training, the confusion matrix, precision and
-- recall of each class, a reliability diagram (Guo et al. 2017), the worst mistakes with Grad-CAM for what they were
-- taken for and what they are, what is frozen, the graph that runs, and the script that made it: the session's inputs
-- at the prompt, else the file that runs.
--   title, notes   words at the head                 fit     what fit returned (default: this model's last training)
--   worst          how many mistakes are shown       layer   where Grad-CAM looks (default: as vis.gradcam)
--   bins           parts of the calibration          batch, threads   as for evaluate
-- Classes are matched by name, as evaluate does. m stays as it is. Returns a table that prints itself: path, acc,
-- correct, count, loss, ece, bytes.
local function report(m, ds, path, opts, ...)
  if select("#", ...) > 0 then fault("report: expects at most 4 arguments, got %d", 4 + select("#", ...)) end
  local o = read(opts)
  evaluate.check_model("report", m)
  ds = evaluate.check_dataset("report", ds)
  if type(path) ~= "string" then
    fault('report: expects a path, as report(m, ds, "report.html"), got %s', options.show(path))
  end
  if not path:lower():find "%.html?$" then fault("report: %s: a report is a page: the name ends in .html", path) end
  if not ds:labels() then fault "report: expects a data set of classes: these targets are others" end
  local fit = o.fit or last[m]
  if fit and type(rawget(fit, "history")) ~= "table" then fault "report: fit expects what fit returned" end
  ds = beforehand.measured("report", m, ds)
  local r, samples, input = measured(m, ds, o)
  local shown, why = mistakes.of(m, ds, worst(ds, samples, o.worst), o)
  local out, contents = {}, {}
  local function add(name, heading, html)
    if not html then return end
    out[#out + 1] = section(name, heading, html)
    contents[#contents + 1] = ('<a href="#%s">%s</a>'):format(name, escape(heading))
  end
  for _, part in ipairs(parts) do add(part[1], part[2], sections[part[1]](r, m, fit, shown, why, input)) end
  local _, script = described.script(lines.session)
  add("script", "The script that made it", script and "<pre>" .. escape(script, true) .. "</pre>")
  local title = o.title or getmetatable(m).__name
  local page = markup.filled("lua/vis/report/report.html", {
    title = escape(title), css = embedded.source "lua/vis/report/report.css", about = about(m, ds),
    notes = o.notes and "<p class=notes>" .. escape(o.notes, true) .. "</p>" or "",
    contents = table.concat(contents), sections = table.concat(out, "\n"),
  })
  local ok, problem = whole(path, page)
  if not ok then fault("report: %s", problem) end
  return setmetatable({path = path, acc = r.acc, correct = r.correct, count = r.count, loss = r.loss, ece = r.ece,
    bytes = #page}, Report)
end

return report
