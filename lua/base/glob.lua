--- Names chosen by pattern: `*` any text (dots too), `?` one character, `[ab]` one of these, `{a,b}` one of these
-- words.
local fault = require "suture.base.fault"
local pcall = require("suture.base.interrupt").pcall

local function braces(text, out)
  local head, body, tail = text:match "^(.-)(%b{})(.*)$"
  if not head then
    out[#out + 1] = text
    return out
  end
  for word in (body:sub(2, -2) .. ","):gmatch "(.-)," do braces(head .. word .. tail, out) end
  return out
end

local function pattern_of(text)
  local p = text:gsub("[%^%$%(%)%%%.%+%-]", "%%%0"):gsub("%*+", ".*"):gsub("%?", ".")
  return "^" .. p:gsub("%[!", "[^") .. "$"
end

--- glob(pattern or list of patterns, what) → a function: name → whether it matches. what: who asks, for errors.
local function glob(text, what)
  local list = type(text) == "table" and not getmetatable(text) and text or {text}
  if #list == 0 then list = {false} end
  local patterns = {}
  for _, t in ipairs(list) do
    if type(t) ~= "string" then
      fault("%s: expects a name or a pattern like \"layer1.*\", got %s", what,
        t and require("suture.base.options").show(t) or "none")
    end
    for _, plain in ipairs(braces(t, {})) do
      local p = pattern_of(plain)
      if not pcall(string.find, "", p) then fault("%s: %q is not a pattern", what, t) end
      patterns[#patterns + 1] = p
    end
  end
  return function(name)
    for _, p in ipairs(patterns) do
      if name:find(p) then return true end
    end
    return false
  end
end

return glob
