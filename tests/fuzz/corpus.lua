-- ./suture -q tests/fuzz/corpus.lua FOLDER: what each harness begins with, FOLDER/NAME/…, and its words,
-- FOLDER/NAME.dict. FOLDER/seeds holds what tests/fuzz/seeds.c wrote.
local folder = assert(arg[1], "corpus.lua FOLDER")
local json = require("suture.core").json

local function write(path, bytes)
  local f = assert(io.open(folder .. "/" .. path, "wb"))
  f:write(bytes)
  f:close()
end
local function read(path)
  local f = assert(io.open(path, "rb"))
  local bytes = f:read "a"
  f:close()
  return bytes
end
for name in ("archive safetensors npy pickle png jpeg cifar mnist json csv record engine"):gmatch "%S+" do
  os.execute(("mkdir -p '%s/%s'"):format(folder, name))
end
-- Words of a harness, each as libFuzzer's dictionaries have them.
local function words(name, list)
  for i, word in ipairs(list) do
    list[i] = '"' .. word:gsub('[^%w _.:,-]', function(c) return ("\\x%02x"):format(c:byte()) end) .. '"'
  end
  write(name .. ".dict", table.concat(list, "\n") .. "\n")
end
local function strings(texts)
  local seen, list = {}, {}
  for word in table.concat(texts):gmatch '"[%w_.]+"' do
    if not seen[word] then seen[word], list[#list + 1] = true, word end
  end
  return list
end

-- ---- weights ----
local file = {}
for _, name in ipairs {"safetensors", "zip", "stream", "tar", "npy"} do
  file[name] = read(folder .. "/seeds/" .. name)
  write("archive/" .. name, file[name])
end
local m = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
local path = os.tmpname()
local records, headers = {}, {}
for i, change in ipairs {
  function() end,
  function() m:freeze "0" end,
  function() m[1]:eval() m[4] = nn.Linear(2, 2, {bias = false}) end,
  function() m:insert_after("2", nn.Dropout(0.25)) end,
  function() m[0].stride = 2 end,
} do
  change()
  m:save(path .. ".safetensors")
  m:save(path .. ".pth")
  local saved = read(path .. ".safetensors")
  headers[i] = saved:sub(9, 8 + ("<s8"):unpack(saved):len())
  records[i] = json.decode(headers[i]).__metadata__.suture
  write("safetensors/model" .. i, headers[i])
  write("record/model" .. i, records[i])
  write("archive/model" .. i, read(path .. ".pth"))
end
local held = {epoch = 3, lr = {0.1, 0.01}, names = {"a", "b"}, w = zeros(2), inner = {m = ones(2, 2)}}
save(held, path .. ".safetensors")
local saved = read(path .. ".safetensors")
headers[#headers + 1] = saved:sub(9, 8 + ("<s8"):unpack(saved):len())
records[#records + 1] = json.decode(headers[#headers]).__metadata__.suture
write("safetensors/table", headers[#headers])
write("record/table", records[#records])
save(held, path .. ".pth")
write("archive/table", read(path .. ".pth"))
words("safetensors", {"F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", '"dtype"', '"shape"', '"data_offsets"',
  "__metadata__", "[]", "{}", "9007199254740993"})
words("record", strings(records))
write("npy/f4", "\0" .. file.npy:sub(11, 10 + (file.npy:byte(9) | file.npy:byte(10) << 8)))
write("npy/two", "\1{'descr': '>i8', 'fortran_order': True, 'shape': (3, 5), }\n")
words("npy", {"'descr'", "'fortran_order'", "'shape'", "True", "False", "<f8", ">f2", "|b1", "|u1", "<i4", "(1,)",
  "()"})

-- the pickles inside: data.pkl, stored, and the one after the stream's two heads
local function member(zip)
  local at = zip:find("PK\3\4", 1, true)
  while at do
    local size, n, extra = ("<I4xxxxI2I2"):unpack(zip, at + 18)
    local begin = at + 30 + n + extra
    if zip:sub(at + 30, at + 29 + n):find("data%.pkl$") then return zip:sub(begin, begin + size - 1) end
    at = zip:find("PK\3\4", begin + size, true)
  end
end
write("pickle/zip", member(file.zip))
write("pickle/table", member(read(path .. ".pth")))
write("pickle/model", member(read(folder .. "/archive/model1")))
write("pickle/stream", file.stream:sub(file.stream:find("\x80\2}q\0(X\5\0\0\0epoch", 1, true) or 40))
words("pickle", {"ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_parameter\n", "ctorch\nFloatStorage\n",
  "ctorch\nHalfStorage\n", "ctorch\nLongStorage\n", "ccollections\nOrderedDict\n", "ctorch\nSize\n", "ctorch\ndevice\n",
  "cnumpy.core.multiarray\nscalar\n", "storage", "state_dict", "module.", "\x80\2", "\x95", "\x8a\8", "X\4\0\0\0",
  "\x85R", "\x86R", "tR", "(K\1t", "QNtR", "}(", "u.", "s.", "](", "e.", "h\0", "q\0", "b"})

-- ---- pictures ----
local crcs = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and 0xedb88320 ~ c >> 1 or c >> 1 end
  crcs[i] = c
end
local function crc(s)
  local c = 0xffffffff
  for i = 1, #s do c = crcs[(c ~ s:byte(i)) & 255] ~ c >> 8 end
  return c ~ 0xffffffff
end
local function stored(s) return "\1" .. ("<I2I2"):pack(#s, ~#s & 0xffff) .. s end -- deflate that deflates nothing
local function zlib(s)
  local a, b = 1, 0
  for i = 1, #s do a = (a + s:byte(i)) % 65521 b = (b + a) % 65521 end
  return "\x78\1" .. stored(s) .. (">I2I2"):pack(b, a)
end
local function gzip(s) return "\x1f\x8b\8\0\0\0\0\0\0\3" .. stored(s) .. ("<I4I4"):pack(crc(s), #s) end
local function chunk(kind, s) return (">I4"):pack(#s) .. kind .. s .. (">I4"):pack(crc(kind .. s)) end
local function png(w, h, depth, colour, more)
  local channels = ({[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4})[colour]
  local row, lines = (w * channels * depth + 7) // 8, {}
  for y = 1, h do
    local bytes = {}
    for x = 1, row do bytes[x] = string.char(colour == 3 and 0x10 * (x % 2) or (x * 37 + y * 11) % 256) end
    lines[y] = string.char(y % 5) .. table.concat(bytes)
  end
  return "\x89PNG\r\n\x1a\n" .. chunk("IHDR", (">I4I4BBBBB"):pack(w, h, depth, colour, 0, 0, 0))
    .. (colour == 3 and chunk("PLTE", ("abc"):rep(2)) or "") .. (more or "")
    .. chunk("IDAT", zlib(table.concat(lines))) .. chunk("IEND", "")
end
for depth, colour in ("1-0 2-0 4-0 8-0 16-0 8-2 16-2 1-3 4-3 8-4 16-4 8-6 16-6"):gmatch "(%d+)-(%d)" do
  write(("png/%s-%s"):format(depth, colour), png(7, 5, tonumber(depth), tonumber(colour)))
end
write("png/chunks", png(3, 3, 8, 2, chunk("gAMA", "\0\0\x86\xa0") .. chunk("tRNS", ("\0"):rep(6))
  .. chunk("eXIf", "II*\0\8\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0") .. chunk("iCCP", "a\0\0" .. zlib "profile")))
words("png", {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "iCCP", "eXIf", "sRGB", "acTL", "fcTL", "fdAT"})
for i, shape in ipairs {{3, 8, 8}, {3, 17, 33}, {1, 9, 4}} do
  image.save(rand(table.unpack(shape)), path .. ".jpg", {quality = 30 * i})
  local bytes = read(path .. ".jpg")
  write("jpeg/" .. i, bytes)
  local exif = "Exif\0\0II*\0\8\0\0\0\1\0\x12\1\3\0\1\0\0\0" .. string.char(3 + i) .. "\0\0\0\0\0\0\0"
  write("jpeg/exif" .. i, bytes:sub(1, 2) .. "\xff\xe1" .. (">I2"):pack(#exif + 2) .. exif .. bytes:sub(3))
end
words("jpeg", {"\xff\xc0", "\xff\xc2", "\xff\xc4", "\xff\xd0", "\xff\xda", "\xff\xdb", "\xff\xdd", "\xff\xe1", "\xff\xee",
  "\xff\xd9", "Exif\0\0", "II*\0", "MM\0*", "Adobe", "JFIF"})

-- ---- data sets ----
write("cifar/two", ("\7" .. ("abc"):rep(1024)):rep(2))
write("cifar/cut", "\1" .. ("x"):rep(100))
local labels, images = "\0\0\8\1\0\0\0\3\0\1\2", "\0\0\8\3\0\0\0\3\0\0\0\4\0\0\0\5" .. ("x"):rep(60)
write("mnist/plain", (">s2"):pack(labels) .. images)
write("mnist/gzip", (">s2"):pack(gzip(labels)) .. gzip(images))
words("mnist", {"\0\0\8\1", "\0\0\8\3", "\x1f\x8b\8", "\xff\xff\xff\xff"})

-- ---- texts ----
for i, text in ipairs {'{"a":[1,2.5,-3e2,true,null],"b":{"c":"\\u00e9\\n\\ud83d\\ude00"}}', '[[],{},"",0]', "12", '"x"',
  "[1e308,-0.0,9223372036854775807]", records[1]} do
  write("json/" .. i, text)
end
words("json", {"true", "false", "null", "1e400", "-0.0", "\\u0000", "\\ud83d\\ude00", "9223372036854775808"})
for i, text in ipairs {"a,b,c\n1,2,x\n3,4,y\n", "1;2;3\n4;5;6\n", '"a, b",2,"c""d"\r\n"e\nf",3,g\r\n',
  "x,tags\n1,cat|dog\n2,dog\n", "1,0,1\n0,1,1\n", "1\t2\n3\t4\n"} do
  for way = 0, 9 do write(("csv/%d-%d"):format(i, way), string.char(way) .. text) end
end
words("csv", {'""', "\r\n", "|", "nan", "inf", "1e5", "0x10", "\xef\xbb\xbf", ",,"})

-- ---- graphs: bytes that choose, from the same numbers each time ----
local state = 1
for i = 1, 400 do
  local bytes = {}
  for k = 1, 30 + i do
    state = state * 6364136223846793005 + 1442695040888963407
    bytes[k] = string.char(state >> 56)
  end
  write("engine/" .. i, table.concat(bytes))
end
for _, ending in ipairs {"", ".safetensors", ".pth", ".jpg"} do os.remove(path .. ending) end
