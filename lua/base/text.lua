--- What all views write with: counts, shapes, aligned columns, and signs that fall back to ASCII.
local term = require "suture.base.term"
local text = {}

local forced -- nil: ask the locale

--- Whether signs outside ASCII may be written: the locale says UTF-8. text.unicode(true|false) decides,
-- text.unicode("auto") asks again.
function text.unicode(set)
  if set == "auto" then forced = nil elseif set ~= nil then forced = set end
  if forced ~= nil then return forced end
  for _, name in ipairs {"LC_ALL", "LC_CTYPE", "LANG"} do
    local v = os.getenv(name)
    if v and v ~= "" then return v:upper():find "UTF%-?8" ~= nil end
  end
  return false
end

--- What text.unicode was set to; nil: it asks the locale.
function text.unicode_set() return forced end

local signs = {
  frozen = {"❄", "[frozen]"}, times = {"×", "x"}, arrow = {"→", "->"}, dots = {"…", "..."}, sep = {" · ", ", "},
  delta = {"Δ", "d"}, line = {"─", "-"}, heavy = {"━", "="}, tee = {"├─", "|-"}, corner = {"└─", "`-"},
  bar = {"│", "|"},
}

--- A sign by name: frozen times arrow dots sep delta line heavy tee corner bar.
function text.sign(name) return signs[name][text.unicode() and 1 or 2] end

--- 11689512 → "11,689,512".
function text.count(n)
  local s = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (s:gsub("^(%-?),", "%1"))
end

--- 1814073344 → "1.81 G": three digits and a prefix of a thousand (K M G T); below a thousand as it is.
function text.short(n)
  for _, unit in ipairs {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "K"}} do
    local v = n / unit[1]
    if v >= 0.9995 then
      return (v >= 99.95 and "%.0f %s" or v >= 9.995 and "%.1f %s" or "%.2f %s"):format(v, unit[2])
    end
  end
  return ("%d"):format(n)
end

--- Bytes in words: "46.8 MB" (a million bytes, as torchinfo counts).
function text.bytes(n)
  if n < 1000 then return ("%d B"):format(n) end
  return text.short(n) .. "B"
end

--- "1 module", "3 modules".
function text.plural(n, word, many)
  return ("%s %s"):format(text.count(n), n == 1 and word or many or word .. "s")
end

--- {1, 64, 56, 56} → "1×64×56×56"; a scalar is "scalar".
function text.shape(s)
  if #s == 0 then return "scalar" end
  return table.concat(s, text.sign "times")
end

--- {1, 64} → "(1, 64)".
function text.tuple(s) return "(" .. table.concat(s, ", ") .. ")" end

text.columns = term.columns
text.safe = term.safe

--- s as it stands between quotes ('"', or "'") in Lua: that quote, backslashes and what a terminal would obey are
-- written as escapes.
function text.quoted(s, quote) return term.safe((s:gsub("[\\" .. quote .. "]", "\\%0")), true) end

local fixed

--- How wide a view may be: the terminal's columns; where there is none, $COLUMNS, else no limit. text.width(n)
-- decides, text.width(false) asks again.
function text.width(set)
  if set ~= nil then fixed = set or nil end
  if fixed then return fixed end
  if term.tty() then return term.width() end
  return tonumber(os.getenv "COLUMNS" or "") or math.huge
end

--- The first `width` columns of s, with a sign at the end when something was left out.
function text.cut(s, width)
  if term.columns(s) <= width then return s end
  local dots = text.sign "dots"
  local keep = width - term.columns(dots)
  if keep < 1 then return ("."):rep(math.max(width, 0)) end
  return term.fit(s, keep) .. dots
end

--- The last `width` columns of s: for paths, whose end says more.
function text.cut_left(s, width)
  local n = term.columns(s)
  if n <= width then return s end
  local dots = text.sign "dots"
  local keep = width - term.columns(dots)
  if keep < 1 then return ("."):rep(math.max(width, 0)) end
  local head, taken = term.fit(s, n - keep)
  if taken < n - keep then head = term.fit(s, n - keep + 1) end -- a wide character stands across the edge
  return dots .. s:sub(#head + 1)
end

-- How far the lines that go on with this one are moved in: to its second column, where two spaces part it from the
-- first, else two more than the line is.
local function hanging(line, width)
  local second = line:match "^%s*%S.-%s%s+()%S"
  local at = second and term.columns(line:sub(1, second - 1))
  if at and at <= width // 2 then return at end
  return math.min(#line:match "^ *" + 2, width // 2)
end

-- One line in lines of at most `width` columns, broken between words; what is longer than that stays whole.
local function wrap_line(line, width, hang, out)
  hang = hang or hanging(line, width)
  local from, at, column, indent = 1, 1, 0, "" -- of the line being filled: its first byte, the next word, its columns
  while true do
    local space, word, after = line:match("^(%s*)(%S+)()", at)
    if not word then break end
    local wide = term.columns(space) + term.columns(word)
    if column + wide > width and column > #indent and at > from then
      out[#out + 1] = indent .. line:sub(from, at - 1):gsub("%s+$", "")
      indent, from = (" "):rep(hang), at + #space
      column = hang + wide - #space
    else column = column + wide end
    at = after
  end
  out[#out + 1] = indent .. line:sub(from)
end

--- The lines of s, as a list; the last one is what stands behind the last newline, be it nothing.
function text.lines(s)
  local list = {}
  for line in (s .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
  return list
end

--- s with no line of it wider than `width` columns (default: text.width()), broken between words. What goes on is moved
-- in: by `hang` columns; default: to the line's second column, else by two.
function text.wrap(s, width, hang)
  width = width or text.width()
  if #s <= width or width == math.huge then return s end
  width = math.max(width, 10)
  local out = {}
  for _, line in ipairs(text.lines(s)) do
    if #line <= width or term.columns(line) <= width then out[#out + 1] = line
    else wrap_line(line, width, hang, out) end
  end
  return table.concat(out, "\n")
end

local ascii = {
  ["·"] = "-", ["→"] = "->", ["←"] = "<-", ["×"] = "x", ["…"] = "...", ["❄"] = "*", ["━"] = "=", ["─"] = "-",
  ["│"] = "|", ["├"] = "|", ["└"] = "`", ["✗"] = "x", ["✓"] = "v", ["µ"] = "u", ["²"] = "^2", ["–"] = "-", ["—"] = "-",
  ["“"] = '"', ["”"] = '"', ["‘"] = "'", ["’"] = "'", ["≥"] = ">=", ["≤"] = "<=", ["≠"] = "~=", ["≈"] = "~",
  ["Δ"] = "d", ["○"] = "o", ["●"] = "o", ["±"] = "+-", ["∞"] = "inf", ["°"] = " deg", ["−"] = "-", ["÷"] = "/",
  ["√"] = "sqrt", ["Σ"] = "sum", ["Φ"] = "Phi", ["α"] = "alpha", ["β"] = "beta", ["ε"] = "eps", ["ˣ"] = "^x",
}

--- s for where only ASCII can be shown: signs as letters, other characters by their numbers. As it is elsewhere.
function text.plain(s)
  if text.unicode() or not s:find "[\x80-\xff]" then return s end
  return (s:gsub(utf8.charpattern, function(ch)
    if #ch > 1 then return ascii[ch] or ("\\u{%x}"):format(utf8.codepoint(ch)) end
  end))
end

--- s as it is written to the terminal behind `fd` (default 1): safe, in ASCII where the locale has no more, and with no
-- line wider than the terminal but where a word is.
function text.screen(s, fd)
  s = text.plain(term.safe(s))
  return term.tty(fd) and text.wrap(s, term.width(fd)) or s
end

--- s in a field of `width` columns; align is "left" (default) or "right".
function text.pad(s, width, align)
  local space = (" "):rep(math.max(0, width - term.columns(s)))
  return align == "right" and space .. s or s .. space
end

--- Rows of cells as lines. columns: {align=, max=, cut="left"|"right", title=} each; two spaces between; empty
-- columns vanish. What a terminal would obey is written out, an end of a line too.
function text.table(rows, columns)
  local width = {}
  for r, row in ipairs(rows) do
    if type(row) == "table" then
      for c in ipairs(columns) do row[c] = term.safe(row[c] or "", true) end
    else rows[r] = term.safe(row, true) end
  end
  for c, col in ipairs(columns) do
    width[c] = 0
    for _, row in ipairs(rows) do
      if type(row) == "table" then width[c] = math.max(width[c], term.columns(row[c] or "")) end
    end
    if width[c] > 0 and col.title then width[c] = math.max(width[c], term.columns(col.title)) end
    if col.max then width[c] = math.min(width[c], col.max) end
  end
  local lines = {}
  local function line(row)
    local cells = {}
    for c, col in ipairs(columns) do
      if width[c] > 0 then
        local s = row[c] or ""
        s = (col.cut == "left" and text.cut_left or text.cut)(s, width[c])
        cells[#cells + 1] = text.pad(s, width[c], col.align)
      end
    end
    return (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  local titles = {}
  for c, col in ipairs(columns) do titles[c] = col.title or "" end
  if table.concat(titles) ~= "" then lines[1] = line(titles) end
  for _, row in ipairs(rows) do lines[#lines + 1] = type(row) == "table" and line(row) or row end
  return lines, width
end

return text
