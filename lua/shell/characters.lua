-- Characters that Lua does not know, as they come out of books and web pages: named, with what to type instead.
local characters = {}

local function each(list, means)
  for _, code in utf8.codes(list) do characters[code] = means end
end

each("“”„‟«»＂″", 'a string is in straight quotes: "')
each("‘’‚‛＇′`´", "a string is in straight quotes: '")
each("–—−‐‑", "minus, and the dashes of a comment, are -")
each("×∗·", "times is *")
each("÷∕", "over is /")
each("≠", "not equal is ~=")
each("≤", "at most is <=")
each("≥", "at least is >=")
each("…", "three dots are ...")
each("→", "a field is reached with . and a method with :")
each("（）｛｝［］，；：．＝＋＊／＜＞", "it has a twin of half its width, which Lua knows")
each("\u{a0}\u{2002}\u{2003}\u{2009}\u{200a}\u{202f}\u{3000}\u{200b}\u{feff}", "it looks like a space: type one")
each("\u{00ad}\u{2060}", "it cannot be seen: delete it")

-- The text with what strings and comments say blanked out.
local function code_of(text)
  local function blank(s) return (s:gsub("[^\n]", " ")) end
  text = text:gsub("%-%-[^\n]*", blank):gsub('"[^"\n]*"', blank):gsub("'[^'\n]*'", blank)
  return (text:gsub("%[(=*)%[.-%]%1%]", blank))
end

--- characters.named(text, message): the compiler's message about a text, or a better one where a character that Lua
-- does not know stands outside its strings.
function characters.named(text, message)
  if not message:find "near '<\\%d+>'" and not message:find "[\x80-\xff]" then return message end
  local code = code_of(text)
  local at = code:find "[\x80-\xff]"
  if not at or not utf8.len(text) then return message end
  local place = message:match "^(.-:)%d+: " or ""
  local _, lines = code:sub(1, at):gsub("\n", "")
  local c = utf8.codepoint(text, at)
  local why = characters[c] or "names are made of the letters A to Z, digits and _"
  local name = why:find "space" and ("U+%04X"):format(c) or ("%s (U+%04X)"):format(utf8.char(c), c)
  return ("%s%d: %s is no character of Lua's: %s"):format(place, lines + 1, name, why)
end

return characters
