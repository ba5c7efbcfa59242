--- A model as a record, and a record made into a model: what a saved file says of how a model was made and what was
-- operated on it. A record is a table that JSON can hold: the constructor's arguments of each module, fields and
-- tensors that were changed since, replaced, inserted and removed parts, freezing and modes.
local class = require "suture.base.class"
local core = require "suture.core"
local fault = require "suture.base.fault"
local init = require "suture.nn.initialize"
local Module = require "suture.nn.module"
local pcall = require("suture.base.interrupt").pcall
local tuple = require "suture.base.tuple"
local json = core.json

local records = {}

--- Called as f() → the zoo, which files are recognised by and made from; set by the table of everything.
records.architectures = nil
local function zoo()
  require "suture.nn" -- which the rooms above it come with
  return records.architectures()
end
records.zoo = zoo

-- A class of the library by its name, or nil.
local function builtin(name) return rawget(require "suture.nn", name) end

local function join(a, b) return a == "" and b or a .. "." .. b end

-- ---- a model as a record ----

-- Constructor arguments and fields that JSON can hold, the library's classes by name ({["nn."] = "SiLU"}), what is no
-- finite number in words ({["num."] = "inf"}); what it cannot (tensors, functions, modules) is left out and `whole` is
-- false.
local function plain(v)
  local t = type(v)
  if t == "table" then
    local list = tuple.list(v)
    if list then return list, true end
    if getmetatable(v) then
      local name = rawget(v, "__name")
      if name and builtin(name) == v then return {["nn."] = name}, true end
      return nil, false
    end
    local out, whole = {}, true
    for k, x in pairs(v) do
      if type(k) ~= "string" and not (math.type(k) == "integer" and k >= 1 and k <= #v) then return nil, false end
      if type(k) == "string" and (#v > 0 or not utf8.len(k)) then return nil, false end -- a list and names at once
      local y, ok = plain(x)
      out[k], whole = y, whole and ok
    end
    return out, whole
  end
  if t == "nil" or t == "function" or t == "userdata" or t == "thread" then return nil, t == "nil" end
  if t == "string" and not utf8.len(v) then return nil, false end
  if t == "number" and (v ~= v or v == math.huge or v == -math.huge) then return {["num."] = tostring(v)}, true end
  return v, true
end

-- The class of m where it is declared itself, not built upon a declared one: its fields make it anew.
local function declared(m) return rawget(getmetatable(m), "_declared") end

-- What m was made with. lost: a list for the names of fields that no file can hold; a declared layer comes back
-- without them.
local function arguments(m, where, lost)
  if declared(m) then
    local fields = {}
    for name, v in pairs(declared(m).fields(m)) do
      local value, whole = plain(v)
      if whole then fields[name] = value
      elseif lost and not core.tensor.is(v) then lost[#lost + 1] = join(where, name) end
    end
    return {fields}, true
  end
  local list, whole = {}, true
  for i = 1, m._args and m._args.n or 0 do
    local v, ok = plain(m._args[i])
    list[i], whole = v == nil and json.null or v, whole and ok
  end
  return list, whole
end

-- Fields that were assigned after the module was made, as a file can hold them; those it cannot are named in `lost`.
local known_fields = {classes = true, preprocess = true, input_shape = true} -- of the whole model, saved beside it
local function edited(m, where, lost)
  local fields, tensors, gone = {}, {}, {}
  local class = getmetatable(m)
  for name in pairs(m._edited) do
    local v, t = m._fields[name], m._params[name] or m._buffers[name]
    if t then
      tensors[name] = {shape = {table.unpack(t.shape)}, dtype = t.dtype, parameter = m._params[name] ~= nil,
        transient = m._transient[name] or nil}
    elseif v == nil then
      if not m._children[name] then gone[#gone + 1] = name end
    elseif not known_fields[name] then
      local value, whole = plain(v)
      if whole then fields[name] = value else lost[#lost + 1] = join(where, name) end
    end
  end
  if class._declared and not declared(m) then -- a class built upon a declared one: its fields are not what made it
    for name, v in pairs(class._declared.fields(m)) do
      local value, whole = plain(v)
      if whole and m._fields[name] ~= nil then fields[name] = value end
    end
  end
  local hooks = rawget(m, "_hooks")
  if hooks then lost[#lost + 1] = where == "" and "the model's hooks" or ("the hooks of %s"):format(where) end
  return next(fields) and fields, next(tensors) and tensors, next(gone) and gone
end

-- Modules that are no more than their parts: made empty, then given them.
local function is_container(m) return getmetatable(m)._container end

-- `seen` has the paths of the modules and parameters that the record already holds: one that is met again is named, so
-- that what was shared comes back shared. lost: a list for what the record cannot hold.
local function record(m, where, seen, lost)
  if seen[m] then return {same = seen[m]} end
  seen[m] = where
  local spec = {class = getmetatable(m).__name, zoo = rawget(m, "_zoo"), family = zoo()._family_of(getmetatable(m))}
  if not is_container(m) and not spec.zoo then
    local args, whole = arguments(m, where, lost)
    spec.args = args
    if not whole then spec.partial = true end
  end
  if not getmetatable(m)._builtin and not spec.family then spec.own = true end
  spec.fields, spec.tensors, spec.gone = edited(m, where, lost)
  if m._frozen then spec.frozen = true end
  if not m._training then spec.eval = true end
  if rawget(m, "_bn_eval") then spec.bn_eval = true end
  if rawget(m, "_cut") then spec.cut = m._cut end
  for _, where in ipairs {"_before", "_after"} do
    local list = rawget(m, where)
    if list and #list > 0 then
      spec[where] = {}
      for i, part in ipairs(list) do spec[where][i] = part.name or part[1] end
    end
  end
  local still = {}
  for _, name in ipairs(m._pnames) do
    if not m._params[name].requires_grad and not m._frozen then still[#still + 1] = name end
  end
  if #still > 0 then spec.still = still end
  local tied = {}
  for names, values in pairs {_pnames = "_params", _bnames = "_buffers"} do
    for _, name in ipairs(m[names]) do
      local t = m[values][name]
      if seen[t] then tied[#tied + 1] = {name, seen[t]} else seen[t] = join(where, name) end
    end
  end
  table.sort(tied, function(a, b) return a[1] < b[1] end)
  if #tied > 0 then spec.tied = tied end
  if #m._names > 0 then
    spec.children = {}
    for i, name in ipairs(m._names) do
      spec.children[i] = {name, record(m._children[name], join(where, name), seen, lost)}
    end
  end
  return spec
end

-- ---- a record made into a model ----

local function damaged(path, where)
  fault("%s: its record of how the model was made is damaged%s · open(PATH, {state = true}) gives the tensors, "
    .. "open(PATH, {model = m}) loads them into a model of yours",
    path, where == "" and "" or " at " .. where)
end

local function is_name(v) return type(v) == "string" end
local function is_names(v)
  if type(v) ~= "table" then return false end
  for _, name in pairs(v) do if type(name) ~= "string" then return false end end
  return true
end
local function is_table(v) return type(v) == "table" end
local function is_mark(v) return type(v) == "boolean" end
local function is_zoo(v)
  return type(v) == "table" and type(v.name) == "string" and (v.opts == nil or type(v.opts) == "table")
end
local function is_tied(v)
  if type(v) ~= "table" then return false end
  for _, pair in pairs(v) do if not is_names(pair) or #pair ~= 2 then return false end end
  return true
end

local function is_tensors(v)
  if type(v) ~= "table" then return false end
  for name, t in pairs(v) do
    if type(name) ~= "string" or type(t) ~= "table" or type(t.shape) ~= "table" then return false end
    for _, d in pairs(t.shape) do if math.type(d) ~= "integer" or d < 0 then return false end end
  end
  return true
end

-- What each field of a record is; a file may say anything.
local fields = {class = is_name, zoo = is_zoo, family = is_name, own = is_mark, args = is_table, partial = is_mark,
  fields = is_table, tensors = is_tensors, gone = is_names, frozen = is_mark, eval = is_mark, bn_eval = is_mark,
  cut = is_name, _before = is_names, _after = is_names, still = is_names, tied = is_tied, same = is_name}

local function check_record(spec, where, path)
  if type(spec) ~= "table" or not (spec.class or spec.same) then damaged(path, where) end
  for key, fits in pairs(fields) do
    if spec[key] ~= nil and not fits(spec[key]) then damaged(path, where) end
  end
  local children = spec.children
  if children == nil then return end
  if type(children) ~= "table" then damaged(path, where) end
  local names = {}
  for _, pair in ipairs(children) do
    local name = type(pair) == "table" and pair[1]
    if type(name) ~= "string" or names[name] then damaged(path, where) end
    names[name] = true
    check_record(pair[2], join(where, name), path)
  end
end

-- What a rebuild needs to know: path (of the file, for messages), made (what was made so far, by its path in the
-- model).

-- "PATH: layer1.0", for messages.
local function at(c, where) return where == "" and c.path or c.path .. ": " .. where end

-- A class of modules that somebody made of their own, whatever the library calls so too.
local function is_own(cls) return cls._is_module and cls._own and not zoo()._family_of(cls) end

local function class_of(spec, where, c)
  local cls
  if spec.family then cls = zoo()._part(spec.family, spec.class)
  else
    if not spec.own then cls = builtin(spec.class) end
    if type(cls) ~= "table" or not cls._is_module then cls = class.last(spec.class, is_own) end
  end
  if not cls then
    fault("%s: a module of class %s is needed, which is not defined here: define it (nn.class %q) and open the file "
      .. "again", at(c, where), spec.class, spec.class)
  end
  return cls
end

-- What plain made of an argument, back.
local function argument(v)
  if v == json.null then return nil end
  if type(v) ~= "table" then return v end
  if is_name(v["nn."]) then return builtin(v["nn."]) end
  if is_name(v["num."]) then return ({inf = math.huge, ["-inf"] = -math.huge})[v["num."]] or 0 / 0 end
  local out = {}
  for k, x in pairs(v) do out[k] = argument(x) end
  return out
end

local function unpack_arguments(args)
  local list = {}
  for i, v in ipairs(args) do list[i] = argument(v) end
  return table.unpack(list, 1, #args)
end

local equal
function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do if not equal(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end

local mend

-- f(…), whose complaint, if it has one, is about the module at `where`.
local function make_with(f, spec, where, c, ...)
  local ok, m = pcall(f, ...)
  if not ok then
    local why = tostring(m):gsub("^%S-:%d+: ", "")
    if why:find "^attempt to" then damaged(c.path, where) end -- arguments that it never had
    fault("%s: cannot make a %s as it was: %s", at(c, where), spec.zoo and spec.zoo.name or spec.class, why)
  end
  return mend(m, spec, where, c)
end

local function make(spec, where, c)
  if spec.zoo then
    if not zoo().has(spec.zoo.name) then fault("%s: this version has no zoo.%s", at(c, where), spec.zoo.name) end
    local opts = {}
    for k, v in pairs(spec.zoo.opts or {}) do opts[k] = v end
    opts.weights, opts.pretrained = nil, nil -- the weights are in the file
    return make_with(zoo()[spec.zoo.name], spec, where, c, opts)
  end
  local cls = class_of(spec, where, c)
  if spec.partial then
    fault("%s: this %s was made with functions, tensors or modules, which a file cannot hold · make the model "
      .. "yourself, then open(PATH, {model = m})", at(c, where), spec.class)
  end
  return make_with(cls, spec, where, c, unpack_arguments(spec.args or {}))
end

local function same_kind(m, spec)
  local cls = getmetatable(m)
  if cls.__name ~= spec.class or (spec.family and zoo()._family_of(cls) ~= spec.family) then return false end
  if is_container(m) or spec.zoo or rawget(m, "_zoo") then return true end
  return spec.partial or equal(arguments(m), spec.args or {})
end

-- Makes m's parts those of spec; parts that already are stay as they were made.
function mend(m, spec, where, c)
  c.made[where], c.taken[m] = m, true
  local own = {}
  for name, v in pairs(spec.fields or {}) do
    if type(name) ~= "string" or m._children[name] or m._params[name] or m._buffers[name] then
      damaged(c.path, join(where, tostring(name)))
    end
    own[name] = argument(v)
  end
  local upon = getmetatable(m)._declared
  if upon and next(own) then upon.assign_all(m, own) end
  for name, v in pairs(own) do if not (upon and upon.spec.known[name]) then m[name] = v end end
  for _, name in ipairs(spec.gone or {}) do
    if m._children[name] then damaged(c.path, join(where, name)) end
    if m[name] ~= nil and type(name) == "string" then m:_forget(name) end
  end
  for name, t in pairs(spec.tensors or {}) do
    local have = m._params[name] or m._buffers[name]
    if m._children[name] then damaged(c.path, join(where, name)) end
    if not have or tostring(have.shape) ~= "(" .. table.concat(t.shape, ", ") .. ")" then
      local dtype = (t.dtype == "int64" or t.dtype == "bool") and t.dtype or "float32"
      local x = core.tensor.full(t.shape, 0, dtype)
      if t.parameter then m:register_parameter(name, x)
      else m:register_buffer(name, x, {persistent = not t.transient}) end
    end
  end
  for _, values in ipairs {"_params", "_buffers"} do
    for name, t in pairs(m[values]) do c.made[join(where, name)] = t end
  end
  for _, pair in ipairs(spec.tied or {}) do
    local name, other = pair[1], c.made[pair[2]]
    if not (m._params[name] or m._buffers[name]) or not core.tensor.is(other) then
      damaged(c.path, join(where, name))
    end
    if rawequal(m[name], other) then -- its constructor ties them
    elseif m._params[name] then m:register_parameter(name, other)
    else m:register_buffer(name, other, {persistent = not m._transient[name]}) end
    for _, values in ipairs {"_params", "_buffers"} do if m[values][name] then c.made[join(where, name)] = other end end
  end
  local keep = {}
  for _, pair in ipairs(spec.children or {}) do
    local name, child = pair[1], pair[2]
    keep[name] = true
    local have = m._children[name]
    if have and c.taken[have] then have = nil end -- its constructor has one module at two places; they are two now
    local place = join(where, name)
    local part
    if child.same then
      part = c.made[child.same]
      local around = child.same == "" or place:sub(1, #child.same + 1) == child.same .. "."
      if around or not Module.is_module(part) then damaged(c.path, place) end
    else part = have and same_kind(have, child) and mend(have, child, place, c) or make(child, place, c) end
    if part ~= have then
      if is_container(m) then m:add_module(name, part) else m[name] = part end
    end
  end
  for i = #m._names, 1, -1 do
    local name = m._names[i]
    if not keep[name] then
      m._children[name] = nil
      table.remove(m._names, i)
    end
  end
  for i, pair in ipairs(spec.children or {}) do m._names[i] = pair[1] end
  -- What was sewn in is a child of the same parent: joined now that all exist.
  for _, pair in ipairs(spec.children or {}) do
    for _, list in ipairs {"_before", "_after"} do
      local parts = {}
      for i, other in ipairs(pair[2][list] or {}) do
        parts[i] = {name = other, module = m._children[other] or damaged(c.path, join(where, pair[1]))}
      end
      if #parts > 0 then rawset(m._children[pair[1]], list, parts) end
    end
  end
  if spec.cut then rawset(m, "_cut", spec.cut) end
  local trace = require "suture.nn.trace"
  trace.structure = trace.structure + 1
  return m
end

-- Marks, after the tensors are in.
local function mark(m, spec)
  if spec.frozen then -- this module's own; its parts say for themselves
    rawset(m, "_frozen", true)
    for _, p in pairs(m._params) do
      core.tensor.requires_grad(p, false)
      core.tensor.frozen(p, true)
    end
  end
  rawset(m, "_training", not spec.eval)
  if spec.bn_eval then rawset(m, "_bn_eval", true) end
  for _, name in ipairs(spec.still or {}) do
    if m._params[name] then m._params[name].requires_grad = false end
  end
  for _, pair in ipairs(spec.children or {}) do
    if not pair[2].same then mark(m._children[pair[1]], pair[2]) end
  end
end

--- records.of(m): the record of m, and a sorted list of what it cannot hold, by name.
function records.of(m)
  local lost = {}
  local spec = record(m, "", {}, lost)
  table.sort(lost)
  return spec, lost
end

-- Tensors may take so many bytes more, until this is closed.
local no_ceiling = setmetatable({}, {__close = function() core.engine.ceiling(0) end})
local function ceiling(bytes)
  core.engine.ceiling(bytes)
  return no_ceiling
end

--- records.make(spec, path, state): the model of a record, without numbers. path: the file, for errors about a damaged
-- record; state: its tensors, than which the model can not be much larger.
function records.make(spec, path, state)
  check_record(spec, "", path)
  local numbers = 0
  for _, t in pairs(state) do numbers = numbers + t:numel() end
  local most <close> = ceiling(16 * numbers + (256 << 20))
  return init.skip(make, spec, "", {path = path, made = {}, taken = {}})
end

records.mark, records.plain, records.is_names, records.is_table = mark, plain, is_names, is_table

return records
