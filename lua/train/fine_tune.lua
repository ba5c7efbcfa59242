--- fine_tune: the head first, then one part after another, at rates that fall towards the stem.
local chosen = require "suture.train.chosen"
local falling = require "suture.train.falling"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local journal = require "suture.base.journal"
local measure = require "suture.train.evaluate"
local Module = require "suture.nn.module"
local note = require "suture.base.note"
local options = require "suture.base.options"
local rates = require "suture.train.rates"
local raw = require("suture.core").tensor
local Result = require "suture.train.result"
local Trainer = require "suture.train.trainer"

local own = options.named("fine_tune", "epochs:natural=nil head_epochs:natural=1 each:natural=0 lr:any=nil " ..
  "decay:positive=1.1 groups:count=nil bn:eval|train=eval")
local mine = {epochs = true, head_epochs = true, each = true, lr = true, decay = true, groups = true, bn = true}
local refused = {best = "it keeps the last weights of each stage", patience = 'epochs are numbers here',
  max_epochs = "epochs are numbers here", min_delta = "epochs are numbers here"}

local RATE, STEPS = 0.01, 400 -- of the head with sgd; of the stage in which all trains

-- What is frozen and where BatchNorm stands now, to be put back as the value is closed.
local function marks(m)
  local modules, parameters = {}, {}
  for sub in m:modules() do modules[#modules + 1] = {sub, rawget(sub, "_frozen"), rawget(sub, "_bn_eval")} end
  for p in m:parameters() do parameters[#parameters + 1] = {p, raw.requires_grad(p), raw.frozen(p)} end
  return setmetatable({}, {__close = function()
    local whole <close> = interrupt.defer()
    for _, was in ipairs(modules) do
      Module._set(was[1], "_frozen", was[2])
      Module._set(was[1], "_bn_eval", was[3])
    end
    for _, was in ipairs(parameters) do
      journal.marks(was[1])
      raw.requires_grad(was[1], was[2])
      raw.frozen(was[1], was[3])
    end
  end})
end

-- The groups from `first` on train, those before it stand still.
local function thaw(m, groups, first)
  m:freeze()
  for i = first, #groups do m:unfreeze(table.unpack(groups[i].paths)) end
end

-- What is trained when: {first group, epochs, schedule, words} of each stage.
local function stages(groups, o)
  local least = math.max(1, #groups - (o.groups or #groups) + 1)
  local list = {}
  if o.head_epochs > 0 then
    list[1] = {first = #groups, epochs = o.head_epochs, words = "the head alone, " .. groups[#groups].name}
  end
  for i = #groups - 1, least, -1 do
    local last = i == least
    local epochs = last and o.epochs or o.each
    if epochs > 0 then
      list[#list + 1] = {first = i, epochs = epochs, last = last,
        words = ("%s too%s"):format(groups[i].name, i > 1 and "" or ", so all of it")}
    end
  end
  if #groups == least and o.epochs > 0 then
    list[#list + 1] = {first = #groups, epochs = o.epochs, last = true, words = "the head"}
  end
  return list
end

-- The rates of all parameters by name: what lr says of them, else those that fall from the head to the stem.
local function rated(m, groups, o)
  local given, head, said = {}, o.lr, nil
  if type(o.lr) == "table" then
    for pattern, v in pairs(o.lr) do if pattern ~= 1 then given[pattern] = v end end
    said, head = rates.by_name("fine_tune", m, "lr", given), o.lr[1]
  end
  head = head == nil and (o.optimizer == "sgd" and RATE or chosen.default(o.optimizer, "lr") or RATE) or head
  if type(head) ~= "number" or not (head > 0 and head < math.huge) then
    fault("fine_tune: lr expects the head's rate, a number above 0, or {the head's rate, pattern = number, …}, got %s",
      options.show(o.lr))
  end
  local _, list = falling.geometric(groups, head, o.decay)
  local of, out = {}, {}
  for i, g in ipairs(groups) do for _, p in ipairs(g.parameters) do of[p] = i end end
  for path, p in m:named_parameters() do out[path] = said and said(path) or list[of[p]] end
  return out
end

-- What BatchNorm does, where there is any.
local function say_norms(m, o)
  for sub in m:modules() do
    if sub._is_batchnorm then
      local words = {eval = 'keeps the statistics it has (bn = "train": it learns new ones)',
        train = 'learns the statistics of these samples where it trains (bn = "eval": it keeps those it has)'}
      note("fine_tune: BatchNorm " .. words[o.bn])
      return
    end
  end
end

local function train_stage(m, ds, rest, o, stage)
  thaw(m, o.parts, stage.first)
  local given, lr = {}, {}
  for path, p in m:named_parameters() do if raw.requires_grad(p) then lr[path] = o.rates[path] end end
  for k, v in pairs(rest) do given[k] = v end
  given.epochs, given.lr = stage.epochs, lr
  if not stage.last then given.swa = nil end
  if given.schedule == nil then given.schedule = stage.last and "cosine" or "constant" end
  return Trainer._of("fine_tune", m, ds, given):run()
end

--- fine_tune(m, train[, opts]): trains the head alone (head_epochs = 1), then one group of m:groups() more at a time
-- from the head to the stem (each = 0 epochs: all of them at once), then all (epochs: as many as make 400 steps, from
-- 20 to 100), the rates falling by a cosine. The head's rate is lr (0.01; with another optimizer than sgd that one's
-- own), and each group before it has decay (1.1) times less; lr = {0.01, ["layer4.*"] = 1e-4, fc = 1e-2}: the head's,
-- those of parameters by name, which do not fall. Biases and norms do not decay where weight_decay is given (no_decay
-- = false: they do). BatchNorm keeps the statistics it has (bn = "eval"), or learns those of these pictures where it
-- trains (bn = "train"). groups = n: only the last n are thawed. What was frozen before is frozen after. All other
-- options are those of fit: val, batch (16; from 640 samples on 32), optimizer, weight_decay, schedule (then of every
-- stage), label_smoothing, mixup, ema …
-- Returns what fit does, the history of all stages in one; each row has its `stage` (a number), r.stages the words.
-- undo() takes all of it back at once. Ctrl-C ends it with the model whole. Howard & Ruder 2018, arXiv:1801.06146.
local function fine_tune(m, train, opts)
  opts = opts == nil and {} or opts
  measure.check_model("fine_tune", m)
  train = measure.check_dataset("fine_tune", train)
  if not options.is_options(opts) and next(opts) ~= nil then
    fault("fine_tune: expects options in a table, as {name = value}, got %s", options.show(opts))
  end
  local given, rest = {}, {}
  for name, v in pairs(opts) do
    if refused[name] then fault("fine_tune: %s is no option of it: %s", name, refused[name]) end
    if mine[name] then given[name] = v else rest[name] = v end
  end
  if type(rest.optimizer) == "table" then
    fault 'fine_tune: makes an optimizer for each stage: optimizer = a name, as "adamw"'
  end
  local o = own(given)
  local size = math.type(rest.batch) == "integer" and rest.batch > 0 and rest.batch or nil
  local length, batch = falling.length(#train, STEPS, size)
  o.epochs, o.optimizer = o.epochs or length, rest.optimizer or "sgd"
  if rest.batch == nil then rest.batch = batch end
  if rest.no_decay == nil then -- biases and norms, where anything decays
    local decays = rest.weight_decay or chosen.default(o.optimizer, "weight_decay")
    if decays and decays ~= 0 then rest.no_decay = true end
  end
  local groups = m:groups((train:batch {0}))
  if #groups < 2 then fault "fine_tune: the model is one layer: fit trains it" end
  o.parts, o.rates = groups, rated(m, groups, o)
  local r = setmetatable({history = Result.rows(), seconds = 0, stages = {}}, Result)
  local change <close> = journal.begin {label = "fine_tune", apart = true, keeps = true}
  do
    local back <close> = marks(m)
    if o.bn == "eval" then m:bn_eval() end
    if not rest.quiet then say_norms(m, o) end
    for k, stage in ipairs(stages(groups, o)) do
      if not rest.quiet then note(("fine_tune: %s, %d epoch%s"):format(stage.words, stage.epochs,
        stage.epochs == 1 and "" or "s")) end
      local part = train_stage(m, train, rest, o, stage)
      r.stages[k], r.seed = stage.words, r.seed or part.seed
      for _, row in ipairs(part.history) do
        row.stage, row.epoch = k, #r.history + 1
        r.history[row.epoch] = row
      end
      r.seconds, r.interrupted = r.seconds + part.seconds, part.interrupted
      if part.interrupted then break end
    end
  end
  local last = r.history[#r.history]
  if last then change.label = ("fine_tune: %d epochs, loss %.4g"):format(#r.history, last.loss) end
  return r
end

return fine_tune
