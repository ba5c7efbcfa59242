-- What the functions of Lua's library answer that Suture has of its own, so that Ctrl-C stops them: one line each, of short and of
-- long arguments, and of wrong ones. Run by test_cli.py in Suture and in stock Lua, which must say the same.
math.randomseed(tonumber(arg[1]), 0)
local random, L = math.random, 1 << 20
local function digest(s)
  local h = #s
  for i = 1, #s, math.max(1, #s // 4096) do h = (h * 31 + s:byte(i)) & 0x7fffffffffff end
  return #s < 80 and ("%q"):format(s:gsub("0x%x+", "")) or #s .. ":" .. h
end
local function show(name, ...)
  local list = table.pack(...)
  for i = 1, list.n do
    local v = list[i]
    list[i] = type(v) == "string" and digest(v) or type(v) == "table" and "table" or type(v) == "function" and "function" or (tostring(v):gsub("0x%x+", ""))
  end
  print(name, table.concat(list, " "))
end
local function try(name, f, ...) show(name, pcall(f, ...)) end
local odd = {nil, true, 3, -1, 2.5, "2", "x", {}, print, 7, 5, 0}
local function any() return odd[random(12)] end

-- strings, a little under and over the length from which they are cut in pieces
local text = ("aB\n\0\"\\\r7é日%ü\1279"):rep(L // 20) .. "z"
for _, s in ipairs {"", "aB\0é", text, text} do
  for _, f in ipairs {"upper", "lower", "reverse"} do try(f, function() return s[f](s) end) end
  for _, f in ipairs(#s < 9 and {"%q", "%s", "%5q", "%d%q", "%.3s%q", "%q%", "%i%s"} or {"%q%.3s%s %%q", "%q%"}) do
    try("format " .. f, function() return f:format(s, s, 1) end)
    try("format " .. f, string.format, f, 3, s)
  end
  try("utf8.len", utf8.len, s)
  try("utf8.len", utf8.len, s, 1, -1, true)
  for _ = 1, 3 do
    local i, j, n = random(-3, 9), random(-9, 3), random(-2 * L, 3 * L)
    try("utf8.len", utf8.len, s, i, j, random(2) == 1)
    try("utf8.offset", utf8.offset, s, n)
    try("utf8.offset", utf8.offset, s, n, random(-3, 5))
  end
end
for i = 1, 6 do
  local s = ("é日a"):rep(L // 2)
  local at = random(#s)
  s = s:sub(1, at) .. ("\xff\x80\xc3x\xf8"):sub(i, i) .. s:sub(at + 1)
  try("utf8.len", utf8.len, s)
  try("utf8.len", utf8.len, s, 4, -1, true)
end
for _, n in ipairs {-1, 0, 1, 2, 7, 2 * L // 3, 3e9} do
  for _, s in ipairs {"", "x", "abc", text} do
    if n < 3 or #s < 4 then
      for _, sep in ipairs {"", ",", "1234567", text} do
        if (#sep < 8 or n < 4) and (#s + #sep > 0 or n < 9) then try("rep", string.rep, s, n, sep) end
      end
    end
  end
end

-- tables, with and without what a metatable does
local function list(n, kind)
  local t = {}
  for i = 1, n do t[i] = kind == 1 and random(n) or kind == 2 and tostring(random(n)) or random() < 0.5 and i or i + 0.5 end
  return t
end
local function joined(t)
  local out = {}
  for i = 1, math.min(#t, 1e6) do out[i] = (tostring(t[i]):gsub("0x%x+", "")) end
  return table.concat(out, ",")
end
local counted = {__len = function(t) return rawlen(t) end, __index = function(_, i) return i == 7 and "seven" or nil end,
  __lt = function(a, b) return a[1] < b[1] end}
for _, n in ipairs {0, 1, 2, 3, 50, 11000} do
  for kind = 1, 3 do
    local t = list(n, kind)
    if random(2) == 1 then setmetatable(t, counted) end
    try("concat", table.concat, t)
    try("concat", table.concat, t, ", ", random(-1, 4), n - random(0, 3))
    try("concat", table.concat, t, any(), any(), any())
    for _ = 1, 4 do
      try("insert", table.insert, t, random(-1, n + 2), random(9))
      try("insert", table.insert, t, any(), any())
      try("insert", table.insert, t, random(9))
      try("remove", table.remove, t, random(-1, n + 2))
      try("remove", table.remove, t, any())
      try("remove", table.remove, t)
      try("move", table.move, t, random(-1, 5), random(-1, 20), random(-1, 9), random(2) == 1 and {} or nil)
      try("move", table.move, t, any(), any(), any(), any())
    end
    show("then", joined(t))
    t = list(n, kind)
    try("sort", table.sort, t)
    show("sorted", joined(t))
    t = list(n, kind)
    try("sort", table.sort, t, function(a, b) return tostring(a) > tostring(b) end)
    show("sorted", joined(t))
    t = list(n, 1)
    for i = 1, n do t[i] = {t[i] % 10, i} end
    try("sort", table.sort, t, function(a, b) return a[1] < b[1] end)
    local out = {}
    for i = 1, n do out[i] = t[i][2] end
    show("as it was among equals", joined(out))
    try("sort", table.sort, list(n, 1), function() return true end)
    try("sort", table.sort, setmetatable(list(n, 1), counted), any())
    t = list(n, 1)
    if n > 2 then t[n // 2] = "x" end
    try("sort", table.sort, t)
    if n > 2 then t[n // 2] = {} end
    try("concat", table.concat, t, "-")
  end
end
for _, name in ipairs {"insert", "remove", "move", "concat", "sort"} do
  for _ = 1, 30 do try(name, table[name], any(), any(), any(), any()) end
  try(name, function() table[name](setmetatable({}, {__len = function() return 2.5 end}), 1, 2, 3) end)
  try(name, function() table[name](setmetatable({}, {__len = function() return 20 end}), 1, 2, 3) end)
end
for _, name in ipairs {"upper", "lower", "reverse", "rep", "format"} do
  for _ = 1, 15 do try(name, string[name], any(), any(), any()) end
  try(name, function() local s = string[name]; return s() end)
end
for _ = 1, 20 do try("utf8", utf8.len, any(), any(), any()) try("utf8", utf8.offset, any(), any(), any()) end

-- files
local path = arg[2]
local function file(s)
  local f <close> = assert(io.open(path, "w"))
  show("write", f:write(s, 1, 2.0, 1e100, "") == f, pcall(f.write, f, {}), pcall(f.write, f, "x", print))
end
local formats = {"a", "l", "L", "n", 0, 1, 5, 70000, 2e6, "*a", "*l", "*L", "*n", "x", "", 2.5, {}, -1, false}
for _, s in ipairs {"", "\n", "1 2 0x10 -.5e1 x\nzwei\n\ndrei", (text:gsub("\n", " ") .. "\n"):rep(2), (" "):rep(70000) .. "12 nan\n", ("1"):rep(300)} do
  file(s)
  for _ = 1, #s < 1000 and 30 or 4 do
    local f = assert(io.open(path))
    local a, b, c = formats[random(#formats)], formats[random(#formats)], formats[random(#formats)]
    if a == -1 or b == -1 or c == -1 then a, b, c = "l", nil, 3 end
    try("read", f.read, f, a)
    try("read", f.read, f, a, b, c)
    try("read", function() return f:read(b) end)
    try("lines", function() local n = 0 for x, y in f:lines(a, c) do n = n + 1 show("line", x, y) if n > 9 then break end end end)
    f:close()
    try("closed", f.read, f)
    try("closed", f.lines, f)
    try("closed", f.write, f)
    try("lines", function() local n = 0 for x, y in io.lines(path, b, a) do n = n + 1 show("line", x, y) if n > 9 then break end end end)
    io.input(path)
    try("input", io.read, a, b, c)
    try("input", function() return io.read(c) end)
    try("input", function() local h = 0 for x in io.lines() do h = h + #x end return h end)
    io.input():close()
    try("input", io.read)
    try("input", function() return io.lines()() end)
  end
  local h = 0
  for l in io.lines(path) do h = h + #l end
  show("lines", h)
  local next_one, a, b, f = io.lines(path, "a")
  show("lines", a, b, io.type(f), next_one(), pcall(next_one), io.type(f))
end
io.input(io.stdin)
try("lines", function() return io.lines("/nowhere") end)
try("lines", io.lines, {})
try("lines", io.lines, path, table.unpack(formats, 1, 1))
try("lines", function() return io.lines(path, table.unpack(list(251, 1))) end)
try("folder", function() return io.open("/"):read("a") end)
try("folder", function() return io.open("/"):read() end)
try("folder", function() for l in io.open("/"):lines() do show(l) end end)
try("no file", io.stdout.read, 3)
try("write only", io.open(path, "a").read, io.open(path, "a"))
try("read only", function() return io.open(path):write("x") end)
try("full", function() local f = io.open("/dev/full", "w") f:setvbuf("no") return f:write(text) end)
local out = io.output()
io.output(path)
show("write", io.write("a", 1, 2.5, text) == io.output(), pcall(io.write, {}), pcall(io.write, nil))
io.close()
try("write", io.write, "x")
io.output(out)
show("written", io.open(path):read("a"))
print(nil, true, 1, 2.0, "x", setmetatable({}, {__tostring = function() return "t" end}), setmetatable({}, {__name = "N"}) ~= nil)
print()
try("print", print, setmetatable({}, {__tostring = function() return 1 end}))

-- chunks
local code = ("a = {b = 'c', 1.5}\n"):rep(L // 15)
for _, s in ipairs {"", "return 1", "x = = 1", code .. "return ...", code .. "x = = 1", "return #'" .. text:gsub("[\n\r\\']", "") .. "'", code .. "'",
    "\xEF\xBB\xBF" .. code, "#!/bin/lua\n" .. code .. "return 2", "\xEF\xBB\xBF#" .. code .. "return a", "#" .. ("x"):rep(2 * L), "\27" .. code} do
  for _, name in ipairs {"@file", false} do
    for _, mode in ipairs {"t", "b", false} do
      local function run(f, why) if f then return "runs", pcall(f, 5) end return f, why end
      try("load", function() return run(load(s, name or nil, mode or nil, {c = 1})) end)
    end
  end
  local f <close> = assert(io.open(path, "wb"))
  f:write(s)
  f:flush()
  local env = {}
  try("loadfile", function() local g, why = loadfile(path, nil, env) return g and pcall(g, 7) or why end)
  show("env", env.a ~= nil, rawget(_G, "a") == nil)
  try("loadfile", loadfile, path, "b")
  try("dofile", dofile, path)
  rawset(_G, "a", nil)
end
try("load", load, code, 1)
try("loadfile", loadfile, "/nowhere")
try("dofile", dofile, "/nowhere")
try("loadfile", loadfile, {})
local f = io.open(path, "wb")
f:write("#!\n", string.dump(load(code .. "return 3")))
f:close()
try("compiled", function() return loadfile(path)() end)
try("compiled", function() return loadfile(path, "t") end)
try("yields", function() return coroutine.wrap(function() return "x", load(code .. "return coroutine.yield(1)")() end)() end)
f = io.open(path, "w")
f:write(code, "return coroutine.yield(1)")
f:close()
local co = coroutine.wrap(function() return "done", dofile(path) end)
show("yields", co(), co(4, 5))

-- the collector
collectgarbage("incremental")
for _, what in ipairs {"collect", "count", "step", "isrunning", "incremental", "stop", "restart", "x", {}, 3} do
  local ok, result = pcall(collectgarbage, what)
  show("collectgarbage", what, ok, what == "count" or result)
end
local kept, done, weak = {}, 0, setmetatable({}, {__mode = "v"})
for i = 1, 6e4 do
  local t = setmetatable({("x"):rep(3000) .. i}, i % 1000 == 0 and {__gc = function() done = done + 1 end} or nil)
  if i % 2 == 0 then weak[i] = t end
  if i % 3 == 0 then kept[#kept + 1] = t end
end
show("collected", collectgarbage(), collectgarbage("collect"))
local n = 0
for _ in pairs(weak) do n = n + 1 end
show("weak", n, #kept, done)
