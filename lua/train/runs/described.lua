--- What a run's folder says of how it was made: the options that a file can hold and the names of those that none
-- can, the model, the data, the versions, the script.
local core = require "suture.core"
local F = require "suture.nn.functional"
local folder = require "suture.train.runs.folder"
local options = require "suture.base.options"
local reopen = require "suture.data.reopen"
local values = require "suture.model.values"
local described = {}

-- Whether a file can hold v with all that is in it.
local function holds(v)
  local kind = values.kind(v)
  if kind == "list" or kind == "dict" then
    for k, x in pairs(v) do
      local t = type(k)
      if t ~= "string" and t ~= "number" and t ~= "boolean" or not holds(x) then return false end
    end
  end
  return kind ~= nil
end

-- The parameters of an optimizer's groups by their names in m; nil where one has none.
local function groups(m, optimizer)
  local names, out = {}, {}
  for name, p in m:named_parameters() do names[p] = names[p] or name end
  for i, group in ipairs(optimizer.param_groups) do
    out[i] = {}
    for k, p in ipairs(group.params) do
      if not names[p] then return nil end
      out[i][k] = names[p]
    end
  end
  return out
end

--- What the user gave, for a file: {options = {name = value}, lost = {name = in words}, optimizer = {kind =, groups
-- =} of one of the user's own, seed =}.
function described.given(trainer)
  local out = {options = {}, lost = {}, seed = trainer.seed}
  for name, v in pairs(trainer._given) do
    local f = type(v) == "function"
    local known = nil
    if f then for k, g in pairs(F) do if g == v then known = k end end end
    if name == "optimizer" and type(v) == "table" then
      local names = groups(trainer.model, v)
      if names then out.optimizer = {kind = v.kind, groups = names} else out.lost[name] = options.show(v) end
    elseif name == "train" or name == "val" or name == "run" or name == "teacher" or name == "seed" then
      out[name] = nil -- elsewhere
    elseif known then out.options[name] = known
    elseif holds(v) then out.options[name] = v
    else out.lost[name] = options.show(v) end
  end
  return out
end

local function data_of(ds)
  return ds and {text = tostring(ds), samples = #ds, fingerprint = ds:fingerprint(), recipe = reopen.recipe(ds)} or nil
end

-- A value as JSON can say it to who reads it.
local function shown(v)
  if type(v) == "table" and not getmetatable(v) then
    local out = {}
    for k, x in pairs(v) do out[#v > 0 and k or tostring(k)] = shown(x) end
    return out
  end
  if type(v) == "string" or type(v) == "number" or type(v) == "boolean" then return v end
  return options.show(v)
end

--- The text of run.json.
function described.info(trainer, given)
  local m, told = trainer.model, {}
  for name, v in pairs(trainer.options) do
    if v ~= nil and name ~= "val" and name ~= "run" then told[name] = shown(v) end
  end
  if trainer._converge then told.epochs = "converge" end
  local parameters, trained = 0, 0
  for p in m:parameters() do
    parameters = parameters + p:numel()
    if p.requires_grad then trained = trained + p:numel() end
  end
  for name, words in pairs(given.lost) do told[name] = words end
  return folder.encode {
    version = 1, suture = (package.loaded.suture or {}).version, lua = _VERSION, isa = core.engine.isa,
    threads = core.engine.threads(), began = os.date "%Y-%m-%d %H:%M:%S", seed = trainer.seed, options = told,
    model = {name = getmetatable(m).__name, zoo = rawget(m, "_zoo") and rawget(m, "_zoo").name,
      parameters = parameters, trained = trained},
    optimizer = tostring(trainer.optimizer), train = data_of(trainer.data), val = data_of(trainer.val),
  } .. "\n"
end

--- The script that runs, or the session so far (as session(), where there is a prompt, gives it): a name and its
-- text, or nil.
function described.script(session)
  local text = session and session()
  if text then return "script.lua", text end
  local given = rawget(_G, "arg")
  local path = type(given) == "table" and given[0]
  text = type(path) == "string" and folder.text(path)
  return "script.lua", text and #text < 1 << 20 and not text:find("\0", 1, true) and text or nil
end

return described
