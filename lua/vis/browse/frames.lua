--- Motion-JPEG: pictures one behind the other in a stream of bytes, whatever stands between them (a multipart's heads).
local frames = {}
frames.__index = frames

local MOST = 1 << 26 -- bytes that one picture may take

--- frames.new(): what takes bytes and gives pictures.
function frames.new() return setmetatable({bytes = ""}, frames) end

--- The end of the JPEG file that begins at `at` in the bytes, or nil: it is not all there; false: it is none. Its
-- segments say how long they are (ITU T.81, B.1); behind a scan's head come numbers, in which no marker stands but
-- those of restarts.
function frames.stop(bytes, at)
  local i = at + 2
  while true do
    local mark, code = bytes:byte(i, i + 1)
    if not code then return nil end
    if mark ~= 0xff then return false end
    if code == 0xd9 then return i + 1 end
    if code == 0xff then i = i + 1 -- fill
    elseif code == 0x01 or code >= 0xd0 and code <= 0xd8 then i = i + 2
    else
      if #bytes < i + 3 then return nil end
      local length = (">I2"):unpack(bytes, i + 2)
      if length < 2 then return false end
      i = i + 2 + length
      if code == 0xda then
        repeat
          i = bytes:find("\xff", i, true)
          local next_code = i and bytes:byte(i + 1)
          if not next_code then return nil end
          local goes_on = next_code == 0 or next_code >= 0xd0 and next_code <= 0xd7
          if goes_on then i = i + 2 end
        until not goes_on
      end
    end
  end
end

--- f:add(bytes): more of the stream.
function frames:add(bytes) self.bytes = self.bytes .. bytes end

--- f:take(): the next whole picture, a JPEG file's bytes; nil: not yet.
function frames:take()
  while true do
    local at = self.bytes:find("\xff\xd8\xff", 1, true)
    if not at then
      self.bytes = self.bytes:sub(-2)
      return nil
    end
    local stop = frames.stop(self.bytes, at)
    if stop then
      local one = self.bytes:sub(at, stop)
      self.bytes = self.bytes:sub(stop + 1)
      return one
    elseif stop == nil and #self.bytes - at < MOST then
      if at > 1 then self.bytes = self.bytes:sub(at) end
      return nil
    end
    self.bytes = self.bytes:sub(at + 2)
  end
end

return frames
