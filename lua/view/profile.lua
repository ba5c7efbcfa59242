--- Where the time of a run goes: its steps as they ran, against what the machine can do.
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local interrupt = require "suture.base.interrupt"
local kernels = require "suture.view.kernels"
local losses = require "suture.train.loss"
local mode = require "suture.train.mode"
local options = require "suture.base.options"
local tensor = require "suture.tensor"
local text = require "suture.base.text"
local trace = require "suture.model.outline"
local graph, raw = core.graph, core.tensor

local Profile = {__name = "profile"}
Profile.__index = Profile

local known = options.known("profile", {input = "nil", runs = "5", train = "false", depth = "nil", by = "nil"})

local function arguments(...)
  local opts = trace.arguments("profile", known, ...)
  local runs = opts.runs == nil and 5 or math.tointeger(opts.runs)
  if not runs or runs < 1 then
    fault("profile: runs expects a whole number above 0, got %s", options.show(opts.runs))
  end
  opts.runs = runs
  if opts.train ~= nil and type(opts.train) ~= "boolean" then
    fault("profile: train expects true or false, got %s", options.show(opts.train))
  end
  if opts.by ~= nil and opts.by ~= "time" then
    fault('profile: by expects "time" (rows come in the order they ran without it), got %s', options.show(opts.by))
  end
  return opts
end

local function median(list)
  table.sort(list)
  local half = #list // 2
  return #list % 2 == 1 and list[half + 1] or (list[half] + list[half + 1]) / 2
end

local function tensors(list, v)
  if raw.is(v) then list[#list + 1] = v
  elseif type(v) == "table" and not getmetatable(v) then for _, x in pairs(v) do tensors(list, x) end end
  return list
end

local function forward(m, args)
  tensor.no_grad(function() graph.eval(tensors({}, {m(table.unpack(args))})) end)
end

-- A step of training but for the optimizer's part; returns the loss's place in the order of creation.
local function step(m, args)
  m:zero_grad()
  for p in m:parameters() do
    if p.requires_grad then raw.forget_forms(p) end -- an optimizer's step in between would have changed it
  end
  local heads = losses.heads(m, table.unpack(args))
  local out = tensors({}, heads)[1]
  if not out then fault("profile: the model gives back no tensor") end
  local loss = #out.shape == 2
    and losses.of(m, {out, table.unpack(heads, 2)}, raw.full({out.shape[1]}, 0, "int64")) or out:mean()
  if not loss.requires_grad then
    fault("profile: nothing trains: no parameter the output depends on requires a gradient · m:unfreeze(path) or a new "
      .. "head")
  end
  loss:backward()
  return graph.order(loss)
end

local WARM = 2 -- runs that do not count: in them plans are made, memory comes, weights that stand are prepared

-- Runs it `runs` times: the steps of the first with the median of their seconds, the median of what lies between
-- them, the memory, and how many runs were counted. Ctrl-C ends the series.
local function measure(m, args, opts)
  local first, memory, times, between, done = nil, nil, {}, {}, 0
  local kept <close> = mode.kept(m)
  local soft <close> = interrupt.soft()
  local seed = core.engine.seed()
  local function once()
    core.engine.seed(seed) -- the same draws, so the same steps
    local loss_order = math.huge
    local steps, bytes, seconds = core.trace.timed(function()
      if opts.train then loss_order = step(m, args) else forward(m, args) end
    end)
    for _, s in ipairs(steps) do s.pass = s.orders[1] > loss_order and "backward" or "forward" end
    return steps, bytes, seconds
  end
  for run = 1, WARM + opts.runs do
    local ok, steps, bytes, seconds = pcall(trace.unseen, once)
    if not ok and not (interrupt.is(steps) and done > 0) then error(steps, 0) end
    if ok and run > WARM then
      first, memory = first or steps, bytes
      if #steps == #first then -- a model whose way depends on chance: only what can be compared
        done = done + 1
        local inside = 0
        for i, s in ipairs(steps) do
          times[i] = times[i] or {}
          times[i][done] = s.seconds
          inside = inside + s.seconds
        end
        between[done] = seconds - inside
      end
    end
    if interrupt.pending() and done > 0 then
      interrupt.take()
      break
    end
  end
  for i, s in ipairs(first) do s.seconds = median(times[i]) end
  return first, median(between), memory, done
end

-- The first `depth` names of a path.
local function cut(path, depth)
  local names = {}
  for name in path:gmatch "[^.]+" do
    if #names == depth then break end
    names[#names + 1] = name
  end
  return table.concat(names, ".")
end

-- Steps as rows; with a depth, those of a module and pass are one row.
local function rows_of(steps, depth)
  local rows, by = {}, {}
  for _, s in ipairs(steps) do
    local path = depth and cut(s.path, depth) or s.path
    local key = path .. "\0" .. s.pass
    local row = depth and by[key]
    if not row then
      row = {path = path, pass = s.pass, seconds = 0, macs = 0, bytes = 0, ideal = 0, arithmetic = 0, steps = {}}
      rows[#rows + 1], by[key] = row, row
    end
    for _, k in ipairs {"seconds", "macs", "bytes", "ideal", "arithmetic"} do row[k] = row[k] + s[k] end
    row.shape = table.move(s.shape, 1, #s.shape, 1, {})
    row.steps[#row.steps + 1] = s
  end
  return rows
end

-- m:profile(…): see view/init.lua.
local function profile(m, ...)
  local opts = arguments(...)
  local inputs = trace.inputs(m, "profile", opts.input)
  if not inputs then fault("profile: what goes in? Give a shape: m:profile(1, 3, 224, 224), or set m.input_shape") end
  local args, shapes, seed = {}, {}, core.engine.seed()
  for i, x in ipairs(inputs) do
    args[i] = raw.is(x) and x:detach() or tensor.randn(x)
    shapes[i] = raw.shape(args[i])
  end
  graph.eval(args)
  core.engine.seed(seed)
  local steps, between, memory, runs = mode[opts.train and "train" or "eval"](m,
    function() return journal.rehearse(measure, m, args, opts) end)
  local flops, bandwidth = core.engine.peak()
  local p = setmetatable({
    model = getmetatable(m).__name, inputs = shapes, train = opts.train or false, runs = runs,
    threads = core.engine.threads(), isa = core.engine.isa, peak_flops = flops, peak_bandwidth = bandwidth,
    between = between, seconds = between, forward = 0, backward = 0, macs = 0, bytes = 0, memory = memory,
  }, Profile)
  for _, list in ipairs {m:parameters(), m:buffers()} do
    for _, t in ipairs(list) do p.memory = p.memory + 4 * raw.numel(t) end
  end
  local ideal = 0
  for _, s in ipairs(steps) do
    s.arithmetic = 2 * s.macs / flops
    s.ideal = math.max(s.arithmetic, s.bytes / bandwidth)
    ideal = ideal + s.ideal
    for _, k in ipairs {"seconds", "macs", "bytes"} do p[k] = p[k] + s[k] end
    p[s.pass] = p[s.pass] + s.seconds
  end
  p.of_peak, p.rows = ideal / p.seconds, rows_of(steps, opts.depth)
  for _, r in ipairs(p.rows) do
    r.share, r.of_peak = r.seconds / p.seconds, r.ideal / r.seconds
    r.bound = 2 * r.arithmetic > r.ideal and "compute" or "memory"
    if #r.steps == 1 then
      local step = r.steps[1]
      r.op, r.fused, r.algorithm, r.step = step.op, step.fused, step.algorithm, kernels.words(step)
    else
      r.step, r.algorithm = kernels.count(r.steps)
    end
    r.ideal, r.arithmetic, r.steps = nil, nil, #r.steps
  end
  if opts.by then
    for i, r in ipairs(p.rows) do r.place = i end
    table.sort(p.rows, function(a, b) return a.seconds > b.seconds or a.seconds == b.seconds and a.place < b.place end)
    for _, r in ipairs(p.rows) do r.place = nil end
  end
  return p
end

local columns = {
  {cut = "left"}, {}, {title = "step"}, {title = "algorithm"}, {title = "output"}, {title = "ms", align = "right"},
  {title = "%", align = "right"}, {title = "GFLOP/s", align = "right"}, {title = "moved", align = "right"},
  {title = "GB/s", align = "right"}, {title = "of peak", align = "right"}, {title = "bound"},
}
-- What gives way where the terminal is narrow, in this order: columns left out (true), or shortened to so many letters.
local narrowing = {{9, true}, {10, true}, {5, true}, {12, true}, {8, true}, {1, 14}, {3, 14}, {4, 14}}

--- p:text([width]): the profile as lines of text for a terminal of so many columns (default: this one).
function Profile.text(p, width)
  width = width or text.width()
  local total = 1e3 * p.seconds
  local decimals = total >= 100 and 1 or total >= 1 and 2 or 3
  local function ms(seconds) return ("%%.%df"):format(decimals):format(1e3 * seconds) end
  local cells, above, arrow = {}, false, text.unicode() and "←" or "<"
  for i, r in ipairs(p.rows) do
    above = above or r.of_peak > 1.005
    cells[i] = {
      r.path, r.pass == "backward" and arrow or "", r.step, r.algorithm or "", text.shape(r.shape), ms(r.seconds),
      ("%.1f"):format(100 * r.share), r.macs > 0 and ("%.0f"):format(2e-9 * r.macs / r.seconds) or "",
      text.bytes(r.bytes), ("%.1f"):format(1e-9 * r.bytes / r.seconds), ("%.0f%%"):format(100 * r.of_peak), r.bound,
    }
  end
  cells[#cells + 1] = {
    "", "", "between steps", "", "", ms(p.between), ("%.1f"):format(100 * p.between / p.seconds), "", "", "", "", "",
  }
  local lines, w = text.table(cells, columns)
  local function over()
    local sum = -2
    for _, x in ipairs(w) do if x > 0 then sum = sum + x + 2 end end
    return math.max(0, sum - width)
  end
  local shown = {}
  for c, column in ipairs(columns) do shown[c] = setmetatable({}, {__index = column}) end
  for _, way in ipairs(narrowing) do
    if over() == 0 then break end
    local c, least = way[1], way[2]
    if least == true then for _, cell in ipairs(cells) do cell[c] = "" end
    else shown[c].max = math.max(least, w[c] - over()) end
    lines, w = text.table(cells, shown)
  end
  local sep, input = text.sign "sep", {}
  for i, s in ipairs(p.inputs) do input[i] = text.shape(s) end
  local head = {
    ("%s ms a %s%s%.0f GFLOP/s%s%.0f%% of peak%speak memory %s"):format(ms(p.seconds), p.train and "step" or "run",
      sep, 2e-9 * p.macs / p.seconds, sep, 100 * p.of_peak, sep, text.bytes(p.memory)),
    table.concat({p.model, p.train and "training" or "inference", "input " .. table.concat(input, " and "),
      text.plural(p.threads, "thread") .. ", " .. p.isa,
      p.runs > 1 and ("median of %d runs"):format(p.runs) or "1 run"}, sep),
  }
  table.move(lines, 1, #lines, #head + 1, head)
  head[#head + 1] = ("%s%speaks measured here: %.0f GFLOP/s, %.1f GB/s"):format(text.plural(#p.rows, "row"), sep,
    1e-9 * p.peak_flops, 1e-9 * p.peak_bandwidth)
  if p.train then
    head[#head + 1] = ("forward %s ms%s%s backward %s ms"):format(ms(p.forward), sep, arrow, ms(p.backward))
  end
  if above then head[#head + 1] = "above 100%: Winograd multiplies less, caches outdo memory" end
  for i, line in ipairs(head) do head[i] = text.cut(line, width) end
  return text.safe(table.concat(head, "\n"))
end

function Profile.__tostring(p) return p:text() end
function Profile.__len(p) return #p.rows end

return profile
