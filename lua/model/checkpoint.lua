--- Files of weights: open(PATH) and m:save(PATH).
-- A saved file carries, beside the tensors, how the model was made and what was operated on it (a JSON text under the
-- metadata key "suture"): the constructor of each module, replaced, inserted and removed parts, freezing and modes.
-- open() makes the model from its zoo name or class, mends it until it equals that record, and loads the tensors. A
-- file without the record (a published checkpoint) is recognised by the names and shapes of its tensors.
require "suture.tensor"
local core = require "suture.core"
local fault = require "suture.base.fault"
local journal = require "suture.base.journal"
local note = require "suture.base.note"
local options = require "suture.base.options"
local ordered = require "suture.base.ordered"
local ranks = require "suture.base.ranks"
local records = require "suture.model.records"
local Module = require "suture.nn.module"
local shipped = require "suture.base.shipped"
local suggest = require "suture.base.suggest"
local tables = require "suture.model.tables"
local words = require "suture.base.text"
local file, json = core.file, core.json

local checkpoint = {}
local VERSION = 1

-- ---- files ----

local function entries_of(f)
  local shapes, dtypes, at = {}, {}, {}
  for i, entry in ipairs(f.entries) do
    shapes[entry.name], dtypes[entry.name], at[entry.name] = entry.shape, entry.dtype, i
  end
  return shapes, dtypes, at
end

-- The tensors of an open file as an ordered state dict.
local function state_of(f)
  local sd = ordered.dict()
  for i, entry in ipairs(f.entries) do sd[entry.name] = f:tensor(i) end
  return sd
end

-- Those of them that are for the model m, under its names. What was taken off all names ("module.") stands there again
-- where m's own names have it; of a table of several things that one is taken which fits m (model_state_dict beside an
-- optimizer's state), where one does and no other as well.
local function state_for(m, f)
  local mine, most, wrapper, count = m:state_dict(), 0, nil, {}
  for _, entry in ipairs(f.entries) do
    local name = entry.name
    if mine[name] ~= nil then return state_of(f) end
    local first, rest = name:match "^([^.]+)%.(.+)$"
    if first and mine[rest] ~= nil then count[first] = (count[first] or 0) + 1 end
    if f.prefix and mine[f.prefix .. name] ~= nil then most, wrapper = math.huge, nil end
  end
  for first, n in pairs(count) do
    if n == most then wrapper = nil
    elseif n > most then most, wrapper = n, first end
  end
  local sd, before = ordered.dict(), most == math.huge and f.prefix or ""
  for i, entry in ipairs(f.entries) do
    local name = before .. entry.name
    if wrapper then name = entry.name:match("^([^.]+)") == wrapper and entry.name:sub(#wrapper + 2) or nil end
    if name then sd[name] = f:tensor(i) end
  end
  return sd
end

-- All that an open file holds: tables, as they were saved; of a safetensors its tensors.
local function all_of(f)
  if f.object then return tables.read(f, json.decode(f.object)) end
  local text = f.metadata and f.metadata.suture
  local saved = text and json.decode(text)
  return type(saved) == "table" and saved.table and tables.read(f, saved.table) or state_of(f)
end

local function say_dtypes(path, f)
  local other = {}
  for _, entry in ipairs(f.entries) do
    local d = entry.dtype
    if d == "F16" or d == "BF16" or d == "F64" then other[d] = (other[d] or 0) + 1 end
  end
  for d, n in pairs(other) do note.remark(("%s: %d tensors of %s are read as F32"):format(path, n, d)) end
end

-- The record that m:save wrote, as a table.
local function decoded(path, text)
  local saved, why = json.decode(text)
  if type(saved) ~= "table" or type(saved.model) ~= "table" and type(saved.table) ~= "table" then
    fault("%s: the record of how the model was made cannot be read: %s", path, why or "not an object")
  end
  if (tonumber(saved.version) or 0) > VERSION then
    fault("%s was saved by a newer version (record %s, known %d)", path, tostring(saved.version), VERSION)
  end
  return saved
end

-- The model of a record, with these numbers.
local function from_record(path, saved, state)
  return journal.aside(function()
    local m = records.make(saved.model, path, state)
    m:_load(state, nil, core.tensor.take)
    records.mark(m, saved.model)
    if records.is_names(saved.classes) then m.classes = saved.classes end
    if records.is_table(saved.preprocess) then m.preprocess = saved.preprocess end
    if records.is_table(saved.input_shape) then
      m.input_shape = setmetatable(saved.input_shape, core.tensor.shape_metatable())
    end
    return m
  end)
end

function tables.made(path, text, state) return from_record(path, decoded(path, text), state) end

-- What strict = false left out.
local function say_left(path, result)
  local parts = {}
  for _, what in ipairs {"missing", "unexpected"} do
    local list = result[what]
    if #list > 0 then
      parts[#parts + 1] = ("%d %s (%s%s)"):format(#list, what, table.concat(list, ", ", 1, math.min(3, #list)),
        #list > 3 and " …" or "")
    end
  end
  if #parts > 0 then note(("%s: %s: what fits was loaded"):format(path:match "[^/]*$", table.concat(parts, ", "))) end
end

local known = options.known("open", {model = "nil", strict = "true", skip = "nil", state = "nil"})

--- Opens a file of weights and returns the model, in eval mode when the file is a published checkpoint.
-- PATH: .safetensors, or .pth/.pt/.th of any of PyTorch's three containers; what it is is seen from its bytes. The
-- architecture comes from what m:save wrote, else from the names (torchvision's, timm's) and shapes of the tensors.
-- Options: `model` = a model to load into instead; `strict` (true) = all names must match; `skip` = a pattern of names
-- that are left as they are, as "fc.*"; `state = true`: no model, but the tensors as they are, a table
-- by name in the file's order; `state = "all"`: all that the file holds (epochs, an optimizer's state …) as tables. A
-- file that save(table, PATH) wrote gives that table. "examples/…" that is not here is looked for where suture is
-- installed. Errors list missing, unexpected and misshapen names together.
function checkpoint.open(path, opts)
  if type(path) ~= "string" then fault("open: expects a path, got %s", options.show(path)) end
  opts = options.check("open", opts or {}, known)
  path = shipped(path)
  local f = file.open(path)
  say_dtypes(path, f)
  if opts.state == "all" then return all_of(f) end
  if opts.state then return state_of(f) end
  if opts.model then
    if not Module.is_module(opts.model) then fault("open: model expects a module, got %s", options.show(opts.model)) end
    local sd = state_for(opts.model, f)
    local change <close> = journal.begin {label = "open", apart = true}
    say_left(path, opts.model:_load(sd, {strict = opts.strict, skip = opts.skip},
      function(t, given) core.tensor.take(journal.writes(t), given) end))
    return opts.model
  end
  local text = f.metadata and f.metadata.suture
  if text then
    local saved = decoded(path, text)
    if saved.table then return tables.read(f, saved.table) end
    return from_record(path, saved, state_of(f))
  end
  local object = f.object and json.decode(f.object)
  if f.metadata and f.metadata.format == "table" or object and object.l then return tables.read(f, object) end
  if #f.entries == 0 then
    fault("%s: it holds no tensors · open(PATH, {state = \"all\"}) gives what it holds as tables", path)
  end
  local shapes = entries_of(f)
  local m, name, assumed = journal.aside(records.zoo()._opened, shapes, path)
  if not m then
    local first, near = {}, name
    for i = 1, math.min(4, #f.entries) do first[i] = f.entries[i].name end
    fault("%s: %s (%s%s), of no architecture in the zoo%s · open(PATH, {model = m}) loads them into a model "
      .. "of yours, open(PATH, {state = true}) gives them as they are",
      path, words.plural(#f.entries, "tensor"), table.concat(first, ", "), #f.entries > 4 and " …" or "",
      near and (" (nearest: %s: %d of its %d parameter tensors are there)"):format(near.name, near.fits, near.n) or "")
  end
  journal.aside(function()
    m:_load(records.zoo()._fitted(name, m, state_of(f)), {strict = opts.strict, skip = opts.skip}, core.tensor.take)
    m:eval()
  end)
  local o = rawget(m, "_zoo").opts
  note.remark(("%s: %s, %d classes"):format(path:match "[^/]*$", name, o.num_classes))
  assumed()
  return m
end

-- What is written beside the numbers of m. path: the file, for what it cannot hold.
local function metadata(m, path)
  local spec, lost = records.of(m)
  local own, saved = m._fields, {version = VERSION, model = spec}
  for _, k in ipairs {"classes", "preprocess", "input_shape"} do saved[k] = (records.plain(own[k])) end
  if type(own.input_shape) == "table" then
    saved.input_shape = {}
    for i, d in ipairs(own.input_shape) do saved.input_shape[i] = d end
  end
  if #lost > 0 then
    note(("%s: a file cannot hold %s: assign it again after open()"):format(path, table.concat(lost, ", ")))
  end
  return {suture = json.encode(saved), format = "pt"}
end

function tables.record(m) return metadata(m, "save") end

--- m:save(path): writes weights and how the model was made and operated on; open(path) gives it back.
-- The ending says the format: .safetensors, or .pth/.pt for a file that torch.load reads (a state dict). Saving is
-- atomic: the old file stays until the new one is whole. Of several processes that train together one writes.
function checkpoint.save(m, path)
  if type(path) ~= "string" then fault("save: expects a path, got %s", options.show(path)) end
  local names, tensors, dtypes = {}, {}, {}
  for name, t in pairs(m:state_dict()) do
    names[#names + 1], tensors[#tensors + 1] = name, t
    dtypes[#dtypes + 1] = t.dtype == "int64" and "I64" or "F32"
  end
  core.graph.settle()
  local meta = metadata(m, path)
  local ending = (path:match "%.(%w+)$" or ""):lower()
  local write = ({
    safetensors = file.save_safetensors, pth = file.save_torch, pt = file.save_torch, th = file.save_torch,
  })[ending]
  if not write then
    fault("save: %s: the ending says the format (.safetensors, .pth, .pt)%s", path,
      suggest.hint(ending, {"safetensors", "pth", "pt"}))
  end
  if ranks.first() then write(path, names, tensors, dtypes, meta) end
end

Module.save = checkpoint.save
Module._methods()

return checkpoint
