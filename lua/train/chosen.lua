--- The optimizer that training uses: made by name, or one of the user's own, which must hold what is to be trained.
local fault = require "suture.base.fault"
local optim = require "suture.optim"
local options = require "suture.base.options"
local rates = require "suture.train.rates"
local suggest = require "suture.base.suggest"
local chosen = {}

--- The options of all optimizers as a signature, for functions that take them besides their own: "lr:any=nil …".
function chosen.signature()
  local seen, parts = {}, {"no_decay:any=nil"}
  for _, kind in pairs(optim._kinds) do
    for name in pairs(kind.known) do
      if not seen[name] then
        seen[name] = true
        parts[#parts + 1] = name .. ":any=nil"
      end
    end
  end
  table.sort(parts)
  return table.concat(parts, " ")
end

local function is_optimizer(o) return type(o) == "table" and type(o.param_groups) == "table" and o.step ~= nil end

-- "sgd", "adam", … for a message.
local function names()
  local list = {}
  for name in pairs(optim._kinds) do list[#list + 1] = '"' .. name .. '"' end
  table.sort(list)
  return table.concat(list, ", ")
end

-- A module's or parameter's path as Lua: "layer4.1" → m.layer4[1].
local function lua_path(path)
  local out = "m"
  for part in path:gmatch "[^.]+" do
    if part:find "^%d+$" then out = ("%s[%s]"):format(out, part)
    elseif part:find "^[%a_][%w_]*$" then out = out .. "." .. part
    else return ("m:at(%q)"):format(path) end
  end
  return out
end

-- What to type to have these parameters of m (a set) held too: the outermost modules of which none is held, else the
-- tensors.
local function additions(m, missing, held)
  local lines, done = {}, {}
  for path, module in m:named_modules() do
    local fresh, any = true, false
    for p in module:parameters() do
      if held[p] or done[p] then fresh = false end
      any = any or missing[p]
    end
    if fresh and any then
      lines[#lines + 1] = ("opt:add_param_group{params = %s:parameters()}"):format(lua_path(path))
      for p in module:parameters() do done[p] = true end
    end
  end
  for path, p in m:named_parameters() do
    if missing[p] and not done[p] then
      lines[#lines + 1] = ("opt:add_param_group{params = {%s}}"):format(lua_path(path))
    end
  end
  return lines
end

local function some(list, most)
  local out = table.concat(list, ", ", 1, math.min(#list, most))
  return #list > most and ("%s and %d more"):format(out, #list - most) or out
end

--- An error unless the optimizer holds every parameter of m that requires a gradient. Returns a line on what it holds
-- besides, or nil.
function chosen.held(what, m, optimizer)
  local held, mine, missing, lost, stray, trained = {}, {}, {}, {}, {}, 0
  for _, g in ipairs(optimizer.param_groups) do
    for _, p in ipairs(g.params) do held[p] = true end
  end
  for path, p in m:named_parameters() do
    mine[p] = true
    if p.requires_grad then trained = trained + 1 end
    if p.requires_grad and not held[p] then
      missing[p] = true
      lost[#lost + 1] = path
    end
  end
  for _, g in ipairs(optimizer.param_groups) do
    for _, p in ipairs(g.params) do
      if not mine[p] then stray[#stray + 1] = tostring(p.shape) end
    end
  end
  local more = #stray > 0 and
    ("the optimizer holds %d tensor%s that %s not in the model, of shape %s: made before surgery, or for another model")
    :format(#stray, #stray == 1 and "" or "s", #stray == 1 and "is" or "are", some(stray, 3))
  if #lost == 0 then return more or nil end
  local add = ("%s adds %s, or make the optimizer after the surgery"):format(some(additions(m, missing, held), 2),
    #lost == 1 and "it" or "them")
  more = more and " · " .. more or ""
  if #lost == trained then
    fault("%s: the optimizer holds no parameter of the model that trains · %s%s", what, add, more)
  end
  fault("%s: the optimizer does not hold %s of the model, which would never move · %s; m:freeze(%q) if " ..
    "nothing there is to move%s", what, some(lost, 4), add, lost[1]:match "^(.*)%.[^.]*$" or lost[1], more)
end

-- The default of an option of this kind of optimizer, a number; nil: it has none.
local function default(kind, name) return kind and tonumber(kind.options:match(name .. ":%w+=(%S+)")) end

--- chosen.default(optimizer, name): the default of an option of an optimizer that has this name; nil: none.
function chosen.default(optimizer, name)
  return default(type(optimizer) == "string" and optim._kinds[optimizer:lower()], name)
end

--- The optimizer that opts.optimizer asks for, a name or an object, and a line on what an object holds besides m's
-- parameters or nil. opts: the optimizer's own options besides; one that it would not look at is an error, which names
-- the function `what`.
function chosen.new(what, m, opts)
  local given = opts.optimizer
  local kind = type(given) == "string" and optim._kinds[given:lower()]
  if not kind and not is_optimizer(given) then
    fault("%s: no optimizer %s%s (%s, or an object from optim)", what, options.show(given),
      type(given) == "string" and suggest.hint(given, optim._kinds) or "", names())
  end
  local own = {}
  for name in chosen.signature():gsub("no_decay:%S+", ""):gmatch "([%w_]+):" do
    own[name] = opts[name]
    if own[name] ~= nil and not (kind and kind.known[name]) then
      fault("%s: %s is no option of %s", what, name, kind and given or "an optimizer of your own: give it to optim." ..
        tostring(given.kind))
    end
    if own[name] == nil and kind and kind.fit then own[name] = kind.fit[name] end
  end
  if kind then
    if opts.no_decay and not kind.known.weight_decay then
      fault("%s: no_decay: %s has no weight_decay", what, given)
    end
    local usual = default(kind, "weight_decay")
    if opts.no_decay and (own.weight_decay or usual or 0) == 0 then
      fault("%s: no_decay: nothing decays · weight_decay = 1e-4 goes with it", what)
    end
    local groups, plain = rates.groups(what, m, own, opts)
    if plain.lr == nil and kind.fit then plain.lr = kind.fit.lr end
    options.named(what, kind.options)(plain) -- errors name the function that the user called
    return kind.make(groups or m:parameters(), plain)
  end
  if opts.no_decay then
    fault("%s: no_decay: an optimizer of your own has its groups: optim.SGD({{params = …, weight_decay = 0}, …})", what)
  end
  return given, chosen.held(what, m, given)
end

return chosen
