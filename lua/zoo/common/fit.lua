--- Numbers of a file into a model of the zoo: renamed, adapted to other sizes, new where the classes are others.
local core = require "suture.core"
local fault = require "suture.base.fault"
local note = require "suture.base.note"
local ordered = require "suture.base.ordered"
local shapes = require "suture.zoo.common.shapes"
local raw = core.tensor

local fit = {}

-- First-layer weights for another number of input channels: one channel gets the sum over colours, more get the colours
-- in turn, scaled so that the sum stays (timm's adapt_input_conv).
local function adapt_input(w, channels)
  local shape = raw.shape(w)
  if channels == 1 then return w:sum(1, true) end
  local parts, have = {}, 0
  while have < channels do
    local n = math.min(shape[2], channels - have)
    parts[#parts + 1] = w:narrow(1, 0, n)
    have = have + n
  end
  return require("suture.tensor").cat(parts, 1) * (shape[2] / channels)
end

local function aux_heads(m) return m.aux_heads or {} end

--- fit.spare(m): the auxiliary branches that m was made without, as {name = true}: a file's tensors of those are not
-- needed.
function fit.spare(m)
  local spare = {}
  for _, head in ipairs(aux_heads(m)) do
    local branch = head:match "^[^.]*"
    if m[branch] == nil then spare[branch] = true end
  end
  return spare
end

--- fit.names(family, given): for each name of a file's tensors, in the file's order, what it is called in the family;
-- names that are not needed are left out. given: the file's tensors or shapes by its own names. Where two names are
-- one: those, as {first, second}.
function fit.names(family, given)
  local own, came, double = ordered.dict(), {}, nil
  for was in pairs(given) do
    local new = was
    if family.rename then new = family.rename(was, given) end
    if new then
      if came[new] then double = double or {came[new], was} end
      came[new], own[was] = was, new
    end
  end
  return own, double
end

--- fit.shapes(family, given): what a file's tensors (or their shapes) are by the family's names, as
-- suture.zoo.common.shapes has it.
function fit.shapes(family, given)
  local own = {}
  for was, name in pairs(fit.names(family, given)) do
    local t = given[was]
    own[name] = raw.is(t) and t.shape or t
  end
  return shapes(own)
end

--- fit.fitted(name, family, m, given): a file's tensors (ordered) under the family's names and, where it knows how, in
-- m's shapes.
function fit.fitted(name, family, m, given)
  local mine, sd, adapted, spare = m:state_dict(), ordered.dict(), {}, fit.spare(m)
  local names, double = fit.names(family, given)
  if double then fault("%s: the file's %s and %s are both %s here", name, double[1], double[2], names[double[1]]) end
  for was, own in pairs(names) do
    local t = given[was]
    if not spare[own:match "^[^.]*"] then
      local want = mine[own] and mine[own].shape
      local fits = want and want ~= t.shape and family.adapt and family.adapt(own, t, want)
      if fits and raw.numel(fits) ~= raw.numel(t) then
        adapted[#adapted + 1] = ("%s adapted from %s to %s"):format(own, t.shape, want)
      end
      sd[own] = fits or t
    end
  end
  if family.missing then
    for own, t in mine do sd[own] = sd[own] or family.missing(own, given, t) end
  end
  local more = #adapted > 1 and (", and %d more"):format(#adapted - 1) or ""
  if #adapted > 0 then note.remark(("%s: %s%s"):format(name, adapted[1], more)) end
  return sd
end

-- Elements for each output of a weight; nil where it has no outputs.
local function each(w)
  local outputs = w.shape[1]
  return outputs and outputs > 0 and raw.numel(w) // outputs or nil
end

--- fit.load(name, family, m, tensors): copies a file's tensors (ordered) into m: a head of another size is made anew,
-- the first layer is adapted; both are noted.
function fit.load(name, family, m, tensors)
  local sd = fit.fitted(name, family, m, tensors)
  local mine = m:state_dict()
  local stem = family.stem .. ".weight"
  local given, own = sd[stem], mine[stem]
  if given and own and #given.shape == 4 and given.shape[2] > 0 and given.shape[2] ~= own.shape[2] then
    sd[stem] = adapt_input(given, own.shape[2])
    note.remark(("%s: %s adapted from %d to %d input channels"):format(name, family.stem, given.shape[2], own.shape[2]))
  end
  for _, head in ipairs {family.head, table.unpack(aux_heads(m))} do
    local w, to = sd[head .. ".weight"], mine[head .. ".weight"]
    if w and to and w.shape[1] ~= to.shape[1] and each(w) == each(to) then
      note.remark(("%s: the head %s is new, for %d classes (the weights have %d)"):format(name, head, to.shape[1],
        w.shape[1]))
      m:at(head):reset_parameters()
      for _, part in ipairs {"weight", "bias"} do
        if sd[head .. "." .. part] then sd[head .. "." .. part] = mine[head .. "." .. part] end
      end
    end
  end
  m:load_state_dict(sd)
end

return fit
