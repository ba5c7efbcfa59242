--- The table `suture`: everything a user types, each part loaded when first touched.
-- In the shell and in scripts run by `suture` the fields are globals too; elsewhere: `local suture = require "suture"`.

-- Where each name lives: field = "module" (the module itself) or "module:field" (one thing of it).
local home = {
  -- modules
  nn = "suture.nn", F = "suture.nn.functional", zoo = "suture.zoo", data = "suture.data", optim = "suture.optim",
  image = "suture.data.image",
  -- tensors
  tensor = "suture.tensor:tensor", zeros = "suture.tensor:zeros", ones = "suture.tensor:ones",
  randn = "suture.tensor:randn", rand = "suture.tensor:rand", arange = "suture.tensor:arange",
  full = "suture.tensor:full", eye = "suture.tensor:eye", linspace = "suture.tensor:linspace",
  seed = "suture.tensor:seed", no_grad = "suture.tensor:no_grad",
  load_tensor = "suture.tensor:load_tensor", save_tensor = "suture.tensor:save_tensor",
  -- training
  fit = "suture.train:fit", trainer = "suture.train:trainer", evaluate = "suture.train:evaluate",
  predict = "suture.train:predict", confusion = "suture.train:confusion", plan = "suture.train:plan",
  lr_find = "suture.train:lr_find", fine_tune = "suture.train:fine_tune", strategy = "suture.train:strategy",
  features = "suture.train:features", sweep = "suture.train:sweep", runs = "suture.train:runs",
  resume = "suture.train:resume",
  -- experiments
  options = "suture.train.experiments.options", results = "suture.train.experiments.results:results",
  parallel = "suture.train.experiments.parallel:parallel", seeds = "suture.train.experiments.seeds",
  timeit = "suture.train.experiments.timeit",
  -- checkpoints and surgery
  open = "suture.model:open", save = "suture.model:save", diff = "suture.model:diff", trace = "suture.model:trace",
  undo = "suture.model:undo", redo = "suture.model:redo", back_to = "suture.model:back_to",
  history = "suture.model:history",
  -- looking
  vis = "suture.vis", show = "suture.vis:show", plot = "suture.vis:plot", hist = "suture.vis:hist",
  report = "suture.vis:report",
  top_losses = "suture.vis:top_losses",
  help = "suture.shell.help:help",
  -- the shell
  command = "suture.shell.commands",
}

-- Fields of `suture` that do not become globals, with their homes.
local inner = {
  core = "suture.core", inspect = "suture.shell.inspect", interrupt = "suture.base.interrupt",
  term = "suture.base.term", clock = "suture.base.engine:clock", threads = "suture.base.engine:threads",
  isa = "suture.core:engine.isa", checkpoint = "suture.model:checkpoint", strict = "suture.base.strict:strict",
}

local suture = {version = "0.1"}

-- The thing at "module:field.field", or nil when this build has no such module.
local function fetch(where)
  local module, path = where:match "^([^:]+):?(.*)$"
  if not package.loaded[module] and not package.preload[module] then
    local embedded = require "suture.embedded"
    local file = "lua/" .. module:gsub("^suture%.", ""):gsub("%.", "/")
    if not (embedded.source(file .. ".lua") or embedded.source(file .. "/init.lua")) then return nil end
  end
  local value = require(module)
  for field in path:gmatch "[^.]+" do value = value and value[field] end
  return value
end

-- Names the shell makes global and completes; `suture._names[name]` is the home.
suture._names = home
suture._more = inner -- completed after "suture." only

suture._docs = require "suture.base.docs"

-- Called by the shell around each line: see base/lines.lua.
local lines = require "suture.base.lines"
suture._before_line, suture._after_line = lines.before, lines.after

-- Modules get their methods for surgery, files and looking from rooms above nn, which come with it, whoever loaded it.
require("suture.base.upper").nn = function()
  require "suture.model"
  require "suture.view"
  require("suture.model.records").architectures = function() return require "suture.zoo" end
end

return setmetatable(suture, {
  __name = "suture",
  __index = function(self, name)
    local where = home[name] or inner[name]
    local value = where and fetch(where)
    if type(value) == "function" then value = require "suture.base.stray".checked(value, name) end
    if value ~= nil then rawset(self, name, value) end
    return value
  end,
})
