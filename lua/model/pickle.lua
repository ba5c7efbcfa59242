--- Values as a pickle for torch.load (protocol 2): tables as dicts and lists, tensors with their storages, what is
-- shared once. Opcodes: Python's pickletools.py; tensors: torch/_utils.py, _rebuild_tensor_v2.
local ordered = require "suture.base.ordered"
local raw = require("suture.core").tensor
local values = require "suture.model.values"
local pack = string.pack

local storages = {float32 = "FloatStorage", int64 = "LongStorage", bool = "BoolStorage"}

local Writer = {}
Writer.__index = Writer

function Writer:put(...)
  for i = 1, select("#", ...) do self[#self + 1] = (select(i, ...)) end
end

function Writer:whole(v)
  if v >= 0 and v < 256 then self:put("K", pack("<I1", v))
  elseif v >= -0x80000000 and v < 0x80000000 then self:put("J", pack("<i4", v))
  else self:put("\x8a\x08", pack("<i8", v)) end
end

function Writer:text(s)
  if utf8.len(s) then self:put("X", pack("<s4", s)) else self:put("B", pack("<s4", s)) end -- bytes
end

-- The value just written gets a number, by which it is written from now on.
function Writer:remember(v)
  self:put("r", pack("<I4", self.count))
  self.memo[v] = self.count
  self.count = self.count + 1
end

function Writer:known(v)
  local number = self.memo[v]
  if number then self:put("j", pack("<I4", number)) end
  return number ~= nil
end

function Writer:tensor(t)
  local root, at, size, step = values.place(t)
  local key = self.keys[root]
  if not key then
    key = #self.tensors
    self.keys[root], self.tensors[key + 1] = key, root
  end
  self:put("ctorch._utils\n_rebuild_tensor_v2\n((")
  self:text "storage"
  self:put("ctorch\n", storages[raw.dtype(root)], "\n")
  self:text(tostring(key))
  self:text "cpu"
  self:whole(raw.numel(root))
  self:put "tQ"
  self:whole(at)
  for _, list in ipairs {size, step} do
    self:put "("
    for _, n in ipairs(list) do self:whole(n) end
    self:put "t"
  end
  self:put("\x89ccollections\nOrderedDict\n)RtR")
end

-- The attribute `suture` of an OrderedDict: texts by name.
function Writer:metadata(meta)
  self:put "}"
  self:text "suture"
  self:put "}("
  for _, name in ipairs {"format", "suture"} do
    if meta[name] then
      self:text(name)
      self:text(meta[name])
    end
  end
  self:put "usb"
end

function Writer:dict(v, pairs_of, meta, is_ordered)
  self:put(is_ordered and "ccollections\nOrderedDict\n)R" or "}")
  self:remember(v)
  self:put "("
  for _, pair in ipairs(pairs_of) do
    self:value(pair[1])
    self:value(pair[2])
  end
  self:put "u"
  if meta then self:metadata(meta) end
end

function Writer:value(v)
  local kind = values.kind(v)
  if kind == "nil" then self:put "N"
  elseif kind == "boolean" then self:put(v and "\x88" or "\x89")
  elseif kind == "number" then
    if math.type(v) == "integer" then self:whole(v) else self:put("G", pack(">d", v)) end
  elseif kind == "string" then self:text(v)
  elseif self:known(v) then return
  elseif kind == "tensor" then
    self:tensor(v)
    self:remember(v)
  elseif kind == "module" then
    local names = {}
    for name, t in v:state_dict() do names[#names + 1] = {name, t} end
    self:dict(v, names, self.record(v), true)
  elseif kind == "list" then
    self:put "]"
    self:remember(v)
    self:put "("
    for _, x in ipairs(v) do self:value(x) end
    self:put "e"
  else
    local root = rawequal(v, self.root)
    self:dict(v, values.entries(v), root and {format = "table"} or nil, root or ordered.is_dict(v))
  end
end

--- pickle(v, record): the pickle of v, as a string, and the tensors whose storages have the keys "0", "1" …. record:
-- f(module) → {suture = text} that goes with a module's numbers. v has been looked through by values.check.
return function(v, record)
  local w = setmetatable({memo = {}, count = 0, keys = {}, tensors = {}, record = record, root = v}, Writer)
  w:put "\x80\x02"
  w:value(v)
  w:put "."
  return table.concat(w), w.tensors
end
