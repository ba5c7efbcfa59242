--- Where browse has its pictures from: a data set, a folder, a picture, tensors, a stream. Each gives
--   count        how many there are; nil: a stream
--   get(i)       the picture i (from 0) as the model takes it, (1, C, H, W), and words about it
--   next()       of a stream: the newest picture, and words; nil: none has come; false: there will be none
local core = require "suture.core"
local Dataset = require "suture.data.dataset"
local fault = require "suture.base.fault"
local frames = require "suture.vis.browse.frames"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local whole = require "suture.base.whole"
local raw = core.tensor

local source = {}

local CHUNK = 1 << 20

local function of_dataset(ds)
  if #ds == 0 then fault "browse: the dataset is empty" end
  return {count = #ds, get = function(i)
    local x, y = ds:batch {i}
    if #x.shape ~= 4 then fault("browse: expects pictures, these samples are %s", tostring(x.shape)) end
    local k = y.dtype == "int64" and y:numel() == 1 and math.tointeger(y:item())
    local class = k and ds.classes[k + 1]
    return x, ds:name(i) .. (class and " · " .. class or "")
  end}
end

local function of_tensor(x)
  if #x.shape == 3 then x = x:unsqueeze(0) end
  if #x.shape ~= 4 or x:numel() == 0 then
    fault("browse: expects pictures (N, C, H, W) or one (C, H, W), got %s", tostring(x.shape))
  end
  x = x:detach()
  return {count = x.shape[1], get = function(i)
    return x[{("%d:%d"):format(i, i + 1)}], ("picture %d of %d"):format(i + 1, x.shape[1])
  end}
end

local pictures = {png = true, jpg = true, jpeg = true}
local streams = {mjpg = true, mjpeg = true, mjpe = true}
local function ending(path) return (path:match "%.(%w+)$" or ""):lower() end

local function pictures_in(path, entries)
  local names = {}
  for _, e in ipairs(entries) do
    if e[2] ~= "folder" and pictures[ending(e[1])] then names[#names + 1] = path .. "/" .. e[1] end
  end
  table.sort(names)
  return names
end

-- The pictures of a folder, and of the folders in it.
local function of_folder(m, path, entries)
  local names = pictures_in(path, entries)
  for _, e in ipairs(entries) do
    local inside = e[2] == "folder" and e[1]:sub(1, 1) ~= "." and core.image.list(path .. "/" .. e[1])
    if inside then
      local more = pictures_in(path .. "/" .. e[1], inside)
      table.move(more, 1, #more, #names + 1, names)
    end
  end
  if #names == 0 then fault("browse: no .png or .jpg in %s", options.show(path)) end
  return {count = #names, get = function(i) return looked.input("browse", m, names[i + 1]), names[i + 1] end}
end

-- A stream of pictures; what: in words.
local function of_stream(m, what, from)
  local stream, why = core.stream.open(from)
  if not stream then fault("browse: %s: %s", what, why) end
  local file = type(from) == "string" and stream:rewind() -- a file's pictures come each in turn, else the newest
  local cutter, n, name = frames.new(), 0, os.tmpname()
  local s = {live = true}
  local function take()
    local one = cutter:take()
    if one then n = n + 1 end
    return one
  end
  function s.next()
    local newest, ended = take(), false
    while not (newest and file) do
      local bytes = stream:read(CHUNK)
      ended = bytes == nil
      if ended or bytes == "" then break end
      cutter:add(bytes)
      local one = take()
      while one do
        newest = one
        if file then break end
        one = take()
      end
    end
    if newest then
      assert(whole(name, newest))
      return looked.input("browse", m, name), ("%s · picture %d"):format(what, n)
    end
    if ended and file and n > 0 then -- from its beginning again
      stream:rewind()
      cutter, n = frames.new(), 0
    elseif ended and (file or type(from) ~= "string") then return false end -- to a named pipe others may write yet
  end
  function s.close()
    stream:close()
    os.remove(name)
  end
  return s
end

--- source.of(m, from): see above; an error for what it cannot be.
function source.of(m, from)
  if Dataset.is(from) then return of_dataset(from) end
  if raw.is(from) then return of_tensor(from) end
  if io.type(from) == "file" then return of_stream(m, "stream", from) end
  if type(from) ~= "string" then
    fault("browse: expects a data set, a folder, a picture, tensors, a Motion-JPEG file or a pipe, got %s",
      options.show(from))
  end
  local entries = core.image.list(from)
  if entries then return of_folder(m, from, entries) end
  if core.stream.waits(from) or streams[ending(from)] then return of_stream(m, from, from) end
  if from:find "^/dev/" then
    fault("browse: %s: there is no such device · a camera is /dev/video0, or another number", from)
  end
  local x = looked.input("browse", m, from)
  return {count = 1, get = function() return x, from end}
end

return source
