--- The numbers of a module by name: state_dict, load_state_dict.
local fault = require "suture.base.fault"
local glob = require "suture.base.glob"
local journal = require "suture.base.journal"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local ordered = require "suture.base.ordered"
local raw = require("suture.core").tensor
local is, join = raw.is, Module._join

--- m:state_dict(): names and tensors of all parameters and buffers, in PyTorch's order: a dictionary. The tensors are
-- the module's own (x:clone() keeps a copy).
function Module.state_dict(m)
  local out = ordered.dict()
  local function visit(sub, path) -- a module registered twice is saved under both names
    for _, name in ipairs(sub._pnames) do out[join(path, name)] = sub._params[name] end
    for _, name in ipairs(sub._bnames) do
      if not sub._transient[name] then out[join(path, name)] = sub._buffers[name] end
    end
    for _, name in ipairs(sub._names) do visit(sub._children[name], join(path, name)) end
  end
  visit(m, "")
  return out
end

local function ending(a, b) -- how many letters at the end agree
  local n = 0
  while n < #a and n < #b and a:byte(#a - n) == b:byte(#b - n) do n = n + 1 end
  return n
end

-- What every unexpected name seems to have in front or to lack, as words, or nil.
local function prefix_hint(missing, unexpected)
  if #missing == 0 or #unexpected == 0 then return nil end
  local lacks = {}
  for _, k in ipairs(missing) do lacks[k] = true end
  local first = unexpected[1]:match "^([^.]+%.)" or unexpected[#unexpected]:match "^([^.]+%.)"
  if first then
    local with, fit = 0, 0
    for _, k in ipairs(unexpected) do
      if k:sub(1, #first) == first then with, fit = with + 1, fit + (lacks[k:sub(#first + 1)] and 1 or 0) end
    end
    if fit * 2 >= #missing then -- not two names that happen to fit a model of another kind
      return ("%s names begin with '%s': take it off"):format(
        with == #unexpected and "the file's" or "some of the file's", first)
    end
  end
  local k = unexpected[1]
  for _, miss in ipairs(missing) do
    if #miss > #k and miss:sub(-#k - 1) == "." .. k then
      return ("the file's names lack '%s' in front"):format(miss:sub(1, #miss - #k))
    end
  end
end

local function listed(lines, what, list, hints)
  if #list == 0 then return end
  lines[#lines + 1] = ("  %d %s:"):format(#list, what)
  for i, name in ipairs(list) do
    if i > 8 then
      lines[#lines + 1] = ("    … and %d more"):format(#list - 8)
      break
    end
    lines[#lines + 1] = "    " .. name .. (hints and hints[name] and "  (" .. hints[name] .. ")" or "")
  end
end

-- A pattern that names these, for the option skip: their module where they have one in common.
local function pattern_of(names)
  local owner = names[1]:match "^(.*)%.[^.]*$"
  for _, name in ipairs(names) do if name:match "^(.*)%.[^.]*$" ~= owner then owner = nil end end
  if owner then return ("%q"):format(owner .. ".*") end
  local list = {}
  for i, name in ipairs(names) do list[i] = i <= 4 and ("%q"):format(name) or nil end
  return "{" .. table.concat(list, ", ") .. (#names > 4 and ", …" or "") .. "}"
end

-- What does not fit, as an error with what to try.
local function complain(m, mine, sd, strict, missing, unexpected, misshapen, hints, nothing)
  local whole = prefix_hint(missing, unexpected)
  if not whole then
    local taken = {}
    for _, name in ipairs(missing) do
      local best, most = nil, 3
      for _, u in ipairs(unexpected) do
        local fits = is(sd[u]) and raw.shape(sd[u]) == raw.shape(mine[name])
        local n = fits and not taken[u] and ending(name, u) or 0
        if n > most then best, most = u, n end
      end
      if best then
        hints[name], taken[best] = ("the file's %s fits"):format(best), true
      end
    end
  end
  local none_fits = nothing ~= nil
  nothing = nothing or "the names and shapes do not fit " .. getmetatable(m).__name
  local lines = {("load_state_dict: %s%s"):format(nothing,
    whole and "; " .. whole or "")}
  listed(lines, "missing in the file", missing, hints)
  listed(lines, "unexpected in the file", unexpected)
  listed(lines, "of another shape", misshapen, hints)
  if #misshapen > 0 then
    lines[#lines + 1] = ("  {%sskip = %s} takes all but these"):format(
      #missing + #unexpected > 0 and "strict = false, " or "", pattern_of(misshapen))
  elseif strict and not none_fits then lines[#lines + 1] = "  {strict = false} loads what fits" end
  fault("%s", table.concat(lines, "\n"))
end

--- m:load_state_dict(sd[, {strict = true, skip =}]): copies the tensors of sd (names and tensors) into m's. Names that
-- are missing, unexpected or of another shape are reported together, with the likely rename, and nothing is changed
-- then. strict = false: loads what fits; a tensor of the wrong shape is an error even so, and where no name fits at
-- all. A name of a tensor that m has under another one too (tied weights) may be left out. skip: a pattern or a list of
-- them, as "fc.*": names that are left as they are, in sd or in m. Returns {missing =, unexpected =}.
function Module.load_state_dict(m, sd, opts)
  local change <close> = journal.begin {label = "load_state_dict", apart = true}
  return m:_load(sd, opts, function(t, given) raw.copy(journal.writes(t), given) end)
end

-- put(t, given): how numbers go in; raw.take spends the tensors of sd.
function Module._load(m, sd, opts, put)
  local strict, skip = true, nil
  if type(opts) == "boolean" then strict = opts
  elseif opts ~= nil then
    options.check("load_state_dict", opts, {strict = true, skip = true})
    strict = opts.strict ~= false
    skip = opts.skip ~= nil and glob(opts.skip, "load_state_dict: skip")
  end
  if type(sd) ~= "table" then fault("load_state_dict: expects a table of names and tensors, got %s", type(sd)) end
  local mine, missing, unexpected, misshapen, hints = m:state_dict(), {}, {}, {}, {}
  local function skipped(name) return skip and type(name) == "string" and skip(name) end
  local there = {} -- tensors that sd has under some name: files leave out the others of one that is shared
  for name, t in mine do if sd[name] ~= nil and not skipped(name) then there[t] = true end end
  for name, t in mine do
    local given = sd[name]
    if skipped(name) or given == nil and there[t] then -- as it is, or as its other name says
    elseif given == nil then
      -- absent from files before PyTorch 0.4.1
      if not name:find "num_batches_tracked$" then missing[#missing + 1] = name end
    elseif not is(given) then fault("load_state_dict: %s is a %s, not a tensor", name, type(given))
    elseif raw.shape(given) ~= raw.shape(t) and not (raw.numel(given) == 1 and raw.numel(t) == 1) then
      misshapen[#misshapen + 1] = name
      hints[name] = ("the model has %s, the file %s"):format(raw.shape(t), raw.shape(given))
    end
  end
  for name in pairs(sd) do
    if mine[name] == nil and not skipped(name) then unexpected[#unexpected + 1] = name end
  end
  if not ordered.is_dict(sd) then table.sort(unexpected) end
  if not strict and #mine > 0 and #unexpected > 0 and next(there) == nil and not skip then -- nothing fits
    complain(m, mine, sd, true, missing, unexpected, misshapen, hints, "no name fits, and nothing would be loaded")
  end
  if (strict and #missing + #unexpected > 0) or #misshapen > 0 then
    complain(m, mine, sd, strict, missing, unexpected, misshapen, hints)
  end
  for name, t in mine do
    local given = sd[name]
    if given ~= nil and not skipped(name) then
      if raw.shape(given) ~= raw.shape(t) then given = given:reshape(raw.shape(t)) end
      put(t, given)
    end
  end
  return {missing = missing, unexpected = unexpected}
end

Module._methods()

return Module
