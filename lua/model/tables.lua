--- Tables as files: save(table, path), and what open(path) makes of such a file: an optimizer's state, figures of
-- training, several models. A .pth is what torch.save writes of the same dict; a .safetensors has the tensors under
-- their paths and the rest as JSON in its metadata.
local core = require "suture.core"
local fault = require "suture.base.fault"
local note = require "suture.base.note"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local ordered = require "suture.base.ordered"
local pcall = require("suture.base.interrupt").pcall
local pickle = require "suture.model.pickle"
local ranks = require "suture.base.ranks"
local suggest = require "suture.base.suggest"
local values = require "suture.model.values"
local file, json, raw = core.file, core.json, core.tensor

local tables = {}

--- Called as f(module) → the text that m:save puts beside its numbers; f(path, text, state) → the module; set by
-- checkpoint.lua.
tables.record, tables.made = nil, nil

-- ---- JSON: the form of core/formats/torch_object.c; a tensor's "t" is its name, and a module is {"m": record} ----

local Tree = {}
Tree.__index = Tree

function Tree:hold(t, name)
  local have = self.names_of[t]
  if have then return have end
  self.names_of[t] = name
  self.names[#self.names + 1], self.tensors[#self.tensors + 1] = name, t
  return name
end

function Tree:node(v, place)
  local kind = values.kind(v)
  if kind == "nil" then return json.null end
  if kind == "boolean" then return v end
  if kind == "number" then
    if v ~= v or v == math.huge or v == -math.huge then return {f = v ~= v and "nan" or v > 0 and "inf" or "-inf"} end
    return v
  end
  if kind == "string" then
    if utf8.len(v) and not v:find("\0", 1, true) then return v end
    return {b = v:gsub(".", function(c) return ("%02x"):format(c:byte()) end)}
  end
  if self.memo[v] then return {r = self.memo[v]} end
  local node = {i = self.count}
  self.memo[v], self.count = self.count, self.count + 1
  local function under(key) return place == "" and tostring(key) or place .. "." .. tostring(key) end
  if kind == "tensor" then
    local root, at, size, step = values.place(v)
    node.t, node.at = self:hold(root, place == "" and "tensor" or place), at
    node.n, node.st = {table.unpack(size)}, {table.unpack(step)}
  elseif kind == "module" then
    node.m, node.d, node.o = tables.record(v), {}, true
    for name, t in v:state_dict() do node.d[#node.d + 1] = {name, self:node(t, under(name))} end
  elseif kind == "list" then
    node.l = {}
    for i, x in ipairs(v) do node.l[i] = self:node(x, under(i)) end
  else
    node.d, node.o = {}, ordered.is_dict(v) or nil
    for i, pair in ipairs(values.entries(v)) do
      node.d[i] = {self:node(pair[1]), self:node(pair[2], under(pair[1]))}
    end
  end
  return node
end

-- ---- saving ----

local function dtypes_of(tensors)
  local out = {}
  for i, t in ipairs(tensors) do out[i] = ({int64 = "I64", bool = "BOOL"})[raw.dtype(t)] or "F32" end
  return out
end

local function save_pth(path, v)
  local text, tensors = pickle(v, tables.record)
  local names = {}
  for i = 1, #tensors do names[i] = tostring(i - 1) end
  file.save_pickle(path, names, tensors, dtypes_of(tensors), text)
end

local function save_safetensors(path, v)
  local tree = setmetatable({memo = {}, count = 0, names_of = {}, names = {}, tensors = {}}, Tree)
  local node = tree:node(v, "")
  file.save_safetensors(path, tree.names, tree.tensors, dtypes_of(tree.tensors),
    {suture = json.encode {version = 1, table = node}, format = "pt"})
end

--- save(table, PATH): writes a table of tensors, numbers, strings, booleans, modules and tables of them: an optimizer's
-- state_dict(), the epoch, several models. open(PATH) gives it back. The ending says the format: .pth or .pt, which
-- torch.load reads as the same dict, or .safetensors. Tensors and tables that are at several places, and views of one
-- tensor, are so again. save(m, PATH) is m:save(PATH).
function tables.save(v, path)
  if type(path) ~= "string" then
    fault('save: expects a path, as save(table, "run.pth"), got %s', options.show(path))
  end
  if Module.is_module(v) then return v:save(path) end
  if raw.is(v) then fault 'save: expects a table: save({x = x}, PATH), or save_tensor(x, "x.npy") for one tensor' end
  if type(v) ~= "table" then fault("save: expects a table or a module, got %s", options.show(v)) end
  local ending = (path:match "%.(%w+)$" or ""):lower()
  local write = ({pth = save_pth, pt = save_pth, th = save_pth, safetensors = save_safetensors})[ending]
  if not write then
    fault("save: %s: the ending says the format (.pth, .pt, .safetensors)%s", path,
      suggest.hint(ending, {"pth", "pt", "safetensors"}))
  end
  values.check("save", v)
  core.graph.settle()
  if ranks.first() then write(path, v) end
end

-- ---- opening ----

local Reader = {}
Reader.__index = Reader

local function dense(size)
  local step, n = {}, 1
  for d = #size, 1, -1 do step[d], n = n, n * size[d] end
  return step
end

local function same(a, b)
  for k = 1, math.max(#a, #b) do if a[k] ~= b[k] then return false end end
  return true
end

local function stored(f, node)
  if node.s then return f:object_tensor(node.t) end
  return f:tensor(tostring(node.t))
end

-- A tensor of a node. Those of one storage are views of the one that has all of it, where there is one.
function Reader:tensor(node)
  local key = node.s or node.t
  local shelf = self.storages[key]
  if not shelf then
    shelf = {}
    self.storages[key] = shelf
  end
  for _, have in ipairs(shelf) do
    if have.at == node.at and same(have.n, node.n) and same(have.st, node.st) then return have.tensor end
  end
  local whole = shelf.whole
  local t = whole and values.part(whole, node.at, node.n, node.st)
  if not t then
    t = stored(self.file, node)
    if not node.s then -- all of what it is a part of
      shelf.whole = t
      if not same(raw.shape(t), node.n) or not same(dense(node.n), node.st) then
        t = values.part(t, node.at, node.n, node.st)
          or fault("%s: a part of tensor %s lies nowhere in it", self.file.path, node.t)
      end
    end
  end
  shelf[#shelf + 1] = {at = node.at, n = node.n, st = node.st, tensor = t}
  return t
end

-- The greatest dense tensor of each storage, which the others may be parts of.
function Reader:roots(node)
  if type(node) ~= "table" then return end
  if node.t and node.s and node.at == 0 and same(node.st, dense(node.n)) then
    local n, have = 1, self.greatest[node.s]
    for _, d in ipairs(node.n) do n = n * d end
    if not have or n > have.count then self.greatest[node.s] = {count = n, node = node} end
  end
  for _, x in ipairs(node.l or {}) do self:roots(x) end
  for _, pair in ipairs(node.d or {}) do self:roots(pair[2]) end
end

function Reader:dict(node)
  if node.m and node.m.suture and node.m.format ~= "table" then return self:module(node) end
  local out = node.o and not (node.m and node.m.format == "table") and ordered.dict() or {}
  self.made[node.i] = out
  for _, pair in ipairs(node.d) do
    local key = self:value(pair[1])
    local t = type(key)
    if t == "string" or t == "number" or t == "boolean" then out[key] = self:value(pair[2])
    else self.lost[#self.lost + 1] = "an entry whose key is no number and no text" end
  end
  return out
end

function Reader:module(node)
  local state, shared = ordered.dict(), {}
  for _, pair in ipairs(node.d) do
    state[pair[1]] = self:value(pair[2])
    local known = type(pair[2]) == "table" and self.used[state[pair[1]]]
    if known then shared[pair[1]] = known end
  end
  local m = tables.made(self.file.path, node.m.suture, state)
  self.made[node.i] = m
  for name, t in m:state_dict() do
    local other = shared[name]
    if other then -- a tensor of another model in the file as well
      local parent, key = m:at(name:match "^(.*)%.[^.]*$" or ""), name:match "[^.]*$"
      if parent._params[key] then parent:register_parameter(key, other)
      else parent:register_buffer(key, other) end
    elseif state[name] then self.used[state[name]] = t end
  end
  return m
end

function Reader:value(node)
  if node == json.null then return nil end
  if type(node) ~= "table" then return node end
  if node.r then return self.made[node.r] end
  if node.f then return ({inf = math.huge, ["-inf"] = -math.huge})[node.f] or 0 / 0 end
  if node.b then return (node.b:gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end)) end
  if node.c then
    self.lost[#self.lost + 1] = node.c
    return nil
  end
  if node.t then
    local t = self:tensor(node)
    self.made[node.i] = t
    return t
  end
  if node.d then
    local out = self:dict(node)
    return out
  end
  local out = {}
  self.made[node.i] = out
  for i, x in ipairs(node.l or {}) do out[i] = self:value(x) end
  return out
end

local function read(f, node)
  local r = setmetatable({file = f, made = {}, storages = {}, greatest = {}, used = {}, lost = {}}, Reader)
  r:roots(node)
  for key, root in pairs(r.greatest) do
    local t = stored(f, root.node)
    r.storages[key] = {whole = t, {at = 0, n = root.node.n, st = root.node.st, tensor = t}}
  end
  local out = r:value(node)
  if #r.lost > 0 then
    note(("%s: left out: %s%s"):format(f.path, table.concat(r.lost, ", ", 1, math.min(3, #r.lost)),
      #r.lost > 3 and (" and %d more"):format(#r.lost - 3) or ""))
  end
  return out
end

--- tables.read(f, node): the value of a decoded tree of the open file f. What it cannot hold is told.
function tables.read(f, node)
  local ok, out = pcall(read, f, node)
  if ok then return out end
  local why = tostring(out):gsub("^%S-:%d+: ", "")
  fault("%s: what it holds cannot be read as tables: %s", f.path, why)
end

return tables
