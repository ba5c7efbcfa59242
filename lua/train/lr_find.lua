--- lr_find: how the loss goes while the rate grows, and which rate to take.
local absent = require "suture.base.absent"
local core = require "suture.core"
local fault = require "suture.base.fault"
local guard = require "suture.train.guard"
local interrupt = require "suture.base.interrupt"
local journal = require "suture.base.journal"
local mode = require "suture.train.mode"
local options = require "suture.base.options"
local progress = require "suture.train.progress"
local sketch = require "suture.train.sketch"
local text = require "suture.base.text"
local Trainer = require "suture.train.trainer"

local Found = {__name = "lr_find", __index = absent.index("the result of lr_find", "suggestion interrupted")}

-- What the columns of a sketch show of a list: as many as fit.
local function thinned(list, most)
  if #list <= most then return list end
  local out = {}
  for i = 1, most do out[i] = list[1 + (i - 1) * (#list - 1) // (most - 1)] end
  return out
end

function Found.__tostring(r)
  if #r.lr == 0 then return "lr_find: no step was made" .. (r.interrupted and " (interrupted)" or "") end
  local width = math.max(20, math.min(72, text.width() - 12))
  local shown = thinned(r.smoothed, width)
  local most = r.smoothed[1]
  for _, v in ipairs(r.smoothed) do most = math.min(math.max(most, v), 2 * r.smoothed[1]) end
  local lines, low, high = sketch(shown, 6, most)
  for i, line in ipairs(lines) do
    lines[i] = ("%8s  %s"):format(i == 1 and ("%.3g"):format(high) or i == #lines and ("%.3g"):format(low) or "", line)
  end
  local left, right = ("lr %.1e"):format(r.lr[1]), ("%.1e"):format(r.lr[#r.lr])
  lines[#lines + 1] = "          " .. left .. (" "):rep(math.max(1, #shown - #left - #right)) .. right
  local said = ("loss over the rate, %d steps"):format(#r.lr)
  if r.suggestion then
    said = said .. (" · lr = %.2g is suggested (in the valley) · steepest at %.2g, least loss at %.2g"):format(
      r.suggestion, r.steepest, r.minimum)
  else
    said = said .. (r.interrupted and " · interrupted, so no suggestion" or
      " · the loss hardly falls, so no suggestion: more steps, or another start_lr and end_lr, may tell")
  end
  lines[#lines + 1] = said .. " · plot(r) draws it"
  return text.safe(table.concat(lines, "\n"))
end

--- What plot(r) draws.
function Found.plotted(r)
  local raw, smooth = {}, {}
  for i, lr in ipairs(r.lr) do
    local at = math.log(lr, 10)
    raw[i], smooth[i] = {at, math.min(r.loss[i], 3 * r.smoothed[1])}, {at, math.min(r.smoothed[i], 3 * r.smoothed[1])}
  end
  local series = {{name = "loss", points = raw}, {name = "smoothed", points = smooth}}
  if r.suggestion then
    local at, y = math.log(r.suggestion, 10), {}
    for _, v in ipairs(r.smoothed) do y[#y + 1] = math.min(v, 3 * r.smoothed[1]) end
    series[3] = {name = ("%.2g"):format(r.suggestion), points = {{at, math.min(table.unpack(y))},
      {at, math.max(table.unpack(y))}}}
  end
  return {{"curves", series, {title = "loss over the rate", x = "lr", y = "loss", decades = true}},
    caption = r.suggestion and ("lr = %.2g is suggested"):format(r.suggestion) or "no suggestion"}
end

local FALL = 0.97 -- what is less of a fall than this tells nothing

-- The rate two thirds of the way along the longest fall, as fastai's "valley".
local function valley(lr, y)
  local longest, last = {}, 1
  for i = 1, #y do
    longest[i] = 1
    for j = 1, i - 1 do if y[i] < y[j] and longest[i] < longest[j] + 1 then longest[i] = longest[j] + 1 end end
    if longest[i] > longest[last] then last = i end
  end
  local first = last - longest[last] + 1
  if last - first < 3 or y[last] > FALL * y[first] then return nil end -- no fall but for chance
  local third = (last - first) / 3
  return lr[math.max(1, first + math.floor(third) + math.floor(third / 2))]
end

local function judge(r)
  local n = #r.lr
  -- The first steps are the average's own, the last are where it breaks.
  local from, to = math.max(1, n // 10), n - math.min(5, n // 10)
  if to - from < 5 then return end
  local lr, y = table.move(r.lr, from, to, 1, {}), table.move(r.smoothed, from, to, 1, {})
  local least, steep, slope = 1, 1, math.huge
  for i = 1, #y do
    if y[i] < y[least] then least = i end
    local s = i > 8 and (y[i] - y[i - 8]) or math.huge -- over several steps: one alone is noise
    if s < slope then steep, slope = i - 4, s end
  end
  r.minimum, r.steepest = lr[least], lr[steep]
  r.suggestion = valley(lr, y)
end

local own = options.named("lr_find", "start_lr:positive=1e-7 end_lr:positive=10 steps:count=100 smooth:prob=0.98 " ..
  "diverged:positive=4")
local mine = {start_lr = true, end_lr = true, steps = true, smooth = true, diverged = true}
local refused = {epochs = true, val = true, schedule = true, patience = true, min_delta = true, max_epochs = true,
  best = true, swa = true, ema = true, on_epoch = true, step_size = true, gamma = true, cache = true, cache_mb = true}

-- All that steps move, to be put back as the value is closed, whatever ended it.
local function kept(m, optimizer)
  local list, rates = {}, {}
  for p in m:parameters() do list[#list + 1] = p end
  for b in m:buffers() do list[#list + 1] = b end
  local copy, state = guard.copy(list), optimizer and optimizer:state_dict()
  core.graph.eval(copy.tensors)
  for i, group in ipairs(optimizer and optimizer.param_groups or {}) do rates[i] = group.lr end
  local rest = mode.kept(m)
  return setmetatable({}, {__close = function()
    local whole <close> = interrupt.defer()
    core.graph.drop_effects()
    collectgarbage()
    copy.restore()
    if optimizer then
      optimizer:load_state_dict(state)
      for i, lr in ipairs(rates) do optimizer.param_groups[i].lr = lr end
    end
    getmetatable(rest).__close(rest)
  end})
end

-- The steps; r gets what they tell.
local function sweep(r, t, o)
  local groups, base, top = t.optimizer.param_groups, {}, 0
  for i, group in ipairs(groups) do base[i], top = group.lr, math.max(top, group.lr) end
  if top == 0 then fault "lr_find: all rates of the optimizer are 0, none can grow" end
  local line, average, least = progress.new("lr_find", o.steps, t.options.quiet), 0, math.huge
  local n, epoch, stop = 0, 0, {}
  rawset(t, "_not_finite", function() error(stop, 0) end)
  local function step(x, y)
    local lr = o.start_lr * (o.end_lr / o.start_lr) ^ (n / math.max(1, o.steps - 1))
    for i, group in ipairs(groups) do group.lr = lr * base[i] / top end
    local value = t:step(x, y)
    n = n + 1
    average = o.smooth * average + (1 - o.smooth) * value
    local smoothed = average / (1 - o.smooth ^ n)
    r.lr[n], r.loss[n], r.smoothed[n] = lr, value, smoothed
    least = math.min(least, smoothed)
    line:step(n, {loss = smoothed, note = ("lr %.1e"):format(lr)})
    return n >= o.steps or n > 1 and smoothed > o.diverged * least
  end
  local ok, err = pcall(function()
    while true do
      epoch = epoch + 1
      local pass = t.data:_pass(t.options.batch, {shuffle = true, seed = t.seed, epoch = epoch,
        threads = t.options.threads, drop_last = o.drop_last})
      for x, y in t.data:_go(pass) do
        if step(x, y) then return end
        r.interrupted = interrupt.take()
        if r.interrupted then return end
      end
    end
  end)
  if not ok and err ~= stop then
    r.interrupted = interrupt.answered(err)
  end
  line:finish(n, {loss = r.smoothed[n]})
end

--- lr_find(m, train[, opts]): trains m for up to `steps` (100) batches while the rate grows from start_lr (1e-7) to
-- end_lr (10), and ends where the smoothed loss is `diverged` (4) times its least; then all is as it was: weights,
-- statistics, modes, the optimizer, the random generator, after an error and Ctrl-C too. Options besides: `smooth`
-- (0.98), and those of fit that a step has: batch, optimizer and its options, loss, clip, mixup … With rates by glob
-- all grow together, the greatest is what is told.
-- Returns {lr =, loss =, smoothed =, suggestion =, steepest =, minimum =}, which shows its curve; plot(r) draws it. The
-- suggestion (nil where the loss hardly falls) is in the valley: two thirds along its longest fall (fastai's rule).
-- Smith 2017, arXiv:1506.01186.
local function lr_find(m, train, opts)
  opts = opts == nil and {} or opts
  if type(opts) ~= "table" or not options.is_options(opts) and next(opts) ~= nil then
    fault("lr_find: expects options in a table, as {name = value}, got %s", options.show(opts))
  end
  local given, rest = {}, {}
  for name, v in pairs(opts) do
    if mine[name] then given[name] = v
    elseif refused[name] then fault("lr_find: %s is no option of it: it makes steps and takes them back", name)
    else rest[name] = v end
  end
  local o = own(given)
  if not (o.end_lr > o.start_lr) then
    fault("lr_find: end_lr (%g) is to be above start_lr (%g)", o.end_lr, o.start_lr)
  end
  local r = setmetatable({lr = {}, loss = {}, smoothed = {}}, Found)
  local seed = core.engine.seed()
  local function run()
    local t = Trainer._of("lr_find", m, train, rest)
    local theirs = type(rest.optimizer) == "table" and rest.optimizer or nil
    local back <close> = kept(m, theirs)
    o.drop_last = require("suture.train.beforehand").drop_last("lr_find", m, t.data, t.options.batch,
      t.options.drop_last, t:_objective().train)
    local soft <close> = interrupt.soft()
    sweep(r, t, o)
  end
  local again <close> = setmetatable({}, {__close = function() core.engine.seed(seed) end})
  journal.rehearse(run)
  if not r.interrupted then judge(r) end
  return r
end

return lr_find
