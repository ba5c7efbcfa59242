-- Random patterns on random strings: what string.find, match, gmatch and gsub answer, one line each. Run by test_cli.py in
-- Suture and in stock Lua, which must say the same.
math.randomseed(tonumber(arg[1]), 0)
local items = {"a", "b", ".", "%a", "%d", "%s", "%S", "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]a]", "[a-]", "()", "(", ")", "%b()", "%f[%a]",
  "%1", "%2", "%%", "$", "^", "%", "[", "%b", "%f", "x", "\0", "%z", "%W", "1", "-"}
local ends = {"", "", "", "", "*", "+", "-", "?"}
local letters = {"a", "b", "c", "1", "_", " ", "(", ")", "]", "\0", "x", "é"}
local function text(list, most)
  local out = {}
  for i = 1, math.random(0, most) do out[i] = list[math.random(#list)] end
  return table.concat(out)
end
local function pattern()
  local out = {}
  for i = 1, math.random(0, 6) do out[i] = items[math.random(#items)] .. ends[math.random(#ends)] end
  return table.concat(out)
end
local function show(name, ...)
  local list = table.pack(...)
  for i = 1, list.n do list[i] = ("%q"):format(type(list[i]) == "string" and list[i]:gsub("0x%x+", "") or list[i]) end
  print(name, table.concat(list, " "))
end
local function each(s, p, at)
  local out = {}
  for a, b in string.gmatch(s, p, at) do out[#out + 1] = tostring(a) .. ":" .. tostring(b) end
  return table.concat(out, " ")
end
for _ = 1, tonumber(arg[2]) do
  local s, p, at = text(letters, 14), pattern(), math.random(-4, 8)
  show("find", s, p, pcall(function() return string.find(s, p, at) end))
  show("plain", pcall(string.find, s, p, at, true))
  show("match", pcall(function() return s:match(p) end))
  show("gmatch", pcall(each, s, p, at))
  show("gsub", pcall(function() return s:gsub(p, "<%0%1>", at) end))
  show("gsub", pcall(string.gsub, s, p, function(a, b) return a ~= "a" and b end))
  show("gsub", pcall(string.gsub, s, p, {a = 1, b = false, ["("] = {}}))
end
for _, f in ipairs {"find", "match", "gmatch", "gsub"} do
  show(f, pcall(function() return string[f]() end))
  show(f, pcall(function() return string[f]("x", {}) end))
  show(f, pcall(function() return string[f]("x", "x", "y", {}) end))
  show(f, pcall(function() return ("x"):rep(300)[f](("x"):rep(300), ("(x)"):rep(33), "") end))
  show(f, pcall(function() return string[f]("x", ("x?"):rep(300), "") end))
end
show("numbers", string.find(1234, 23), string.match(1234, "%d"), string.gsub(11, 1, 2), string.gsub("x", "x", 7))
show("long", #("a"):rep(1e5):gsub("a", "bb"), ("a"):rep(1e3):find(".-b"), ("x"):rep(1e5):match("^(.*)$") == ("x"):rep(1e5))
