--- TensorBoard's event files: `tensorboard --logdir runs` shows the figures of all runs. A file is records of
-- protobuf messages (tensorflow/core/util/event.proto): eight bytes of length, its check, the message, its check,
-- which is CRC-32C (Castagnoli), masked.
local whole = require "suture.base.whole"
local events = {name = "events.out.tfevents.suture"}
events.__index = events

local crc_of = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and c >> 1 ~ 0x82f63b78 or c >> 1 end
  crc_of[i] = c
end

local function masked(bytes)
  local c = 0xffffffff
  for i = 1, #bytes do c = c >> 8 ~ crc_of[(c ~ bytes:byte(i)) & 0xff] end
  c = ~c & 0xffffffff
  return ((c >> 15 | c << 17) + 0xa282ead8) & 0xffffffff
end

local function record(bytes)
  local length = string.pack("<I8", #bytes)
  return length .. string.pack("<I4", masked(length)) .. bytes .. string.pack("<I4", masked(bytes))
end

local function varint(n)
  local out = {}
  while n > 127 do
    out[#out + 1] = string.char(n & 127 | 128)
    n = n >> 7
  end
  return table.concat(out) .. string.char(n)
end

local function text(field, bytes) return varint(field << 3 | 2) .. varint(#bytes) .. bytes end

-- An Event: wall_time = 1, step = 2, then file_version = 3 or summary = 5.
local function event(time, step, rest)
  return record(varint(1 << 3 | 1) .. string.pack("<d", time) .. varint(2 << 3) .. varint(step) .. rest)
end

local tags = {loss = "loss/train", val_loss = "loss/val", acc = "accuracy/train", val_acc = "accuracy/val"}
local left_out = {epoch = true, steps = true}

-- A Summary of an epoch's figures: Value{tag = 1, simple_value = 2} each.
local function summary(row)
  local names, values = {}, {}
  for name, v in pairs(row) do if type(v) == "number" and not left_out[name] then names[#names + 1] = name end end
  table.sort(names)
  for i, name in ipairs(names) do
    values[i] = text(1, text(1, tags[name] or name) .. varint(2 << 3 | 5) .. string.pack("<f", row[name]))
  end
  return text(5, table.concat(values))
end

local function of(row) return event(os.time(), row.epoch, summary(row)) end

-- The whole records at the beginning of a file, for epochs up to `last`, and the last of these.
local function kept(bytes, last)
  local at, reached = 1, 0
  while #bytes - at + 1 >= 12 do
    local length = string.unpack("<I8", bytes, at)
    local stop = at + 12 + length + 4
    if length > #bytes or stop - 1 > #bytes then break end
    local message = bytes:sub(at + 12, at + 11 + length)
    if string.unpack("<I4", bytes, at + 12 + length) ~= masked(message) then break end
    local step, shift = 0, 0
    for i = 11, #message do -- the varint behind wall_time
      local b = message:byte(i)
      step = step | (b & 127) << shift
      if b < 128 then break end
      shift = shift + 7
    end
    if step > last then break end
    at, reached = stop, step
  end
  return bytes:sub(1, at - 1), reached
end

--- The event file at `path`, to be opened.
function events.new(path) return setmetatable({path = path}, events) end

--- Begins the file with the figures of these epochs; of a file that is there those are kept, later ones go. → true,
-- or nil and why
function events:open(history)
  local f = io.open(self.path, "rb")
  local before, reached = kept(f and f:read "a" or "", #history)
  if f then f:close() end
  local parts = {before ~= "" and before or event(os.time(), 0, text(3, "brain.Event:2"))}
  for i = reached + 1, #history do parts[#parts + 1] = of(history[i]) end
  local ok, why = whole(self.path, table.concat(parts))
  self.opened = ok
  return ok, why
end

--- Adds an epoch's figures. → true, or nil and why
function events:add(row)
  if not self.opened then return self:open {row} end
  local f, why = io.open(self.path, "ab")
  if not f then return nil, why end
  local ok
  ok, why = f:write(of(row))
  if ok then ok, why = f:close() else f:close() end
  return ok, why
end

return events
