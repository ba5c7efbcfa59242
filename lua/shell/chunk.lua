-- What was typed or pasted, as chunks of Lua: whether it is complete, what it shows, where it breaks.
local characters = require "suture.shell.characters"
local chunk = {}

--- Is the output of this chunk muted? `code;` and `code; -- words` are.
function chunk.muted(code)
  local last = code:match "[^\n]*$"
  return last:find ";%s*$" or (last:find ";%s*%-%-[^\"']*$" and true) or false
end

--- Are all lines of the text comments or empty?
function chunk.only_comment(text)
  for line in (text .. "\n"):gmatch "(.-)\n" do
    if line:find "%S" and not line:find "^%s*%-%-" or line:find "^%s*%-%-%[=*%[" then return false end
  end
  return true
end

-- Does a message of the compiler's say that text goes on? Lua blames the end of the text then; a string in quotes goes
-- on only behind a backslash.
local function goes_on(message, text)
  if message:sub(-5) ~= "<eof>" then return false end
  if not message:find("unfinished string near <eof>", 1, true) then return true end
  return text:find "\\z%s*$" ~= nil or #text:match "\\*$" % 2 == 1
end

local TRIES = 40 -- ends of lines and semicolons that are looked at for where a last expression begins
local GOES_ON = "^%s*[-~({%[\"']" -- a line that begins so goes on with the one before

-- Do words of their own begin after this line's end or semicolon?
local function begins_anew(head, tail)
  if head:sub(-1) == "\n" then return not tail:find(GOES_ON) end
  return not load(head .. "=", "", "t") -- in a comment nothing is wrong with that
end

-- Statements whose last words are an expression: after a line's end (pasted blocks) or a semicolon.
-- → function, the position before the expression | nil, whether such an expression goes on
local function ending_in_expression(text, name)
  local ends, tries, more = {}, 0, false
  for at in text:gmatch "()[;\n]" do ends[#ends + 1] = at end
  for i = #ends, 1, -1 do
    local head, tail = text:sub(1, ends[i]), text:sub(ends[i] + 1)
    if not chunk.only_comment(tail) then
      tries = tries + 1
      if tries > TRIES then break end
      local value, message = load("return " .. tail, name, "t")
      if (value or goes_on(message, tail)) and load(head, name, "t") and begins_anew(head, tail) then
        local f = value and load(head .. "return " .. tail, name, "t")
        if f then return f, ends[i] end
        more = more or not value
      end
    end
  end
  return nil, more
end

-- Messages about an end of text that no expression behind a statement can cure.
local function open_block(message)
  return message:sub(-5) == "<eof>" and not message:find "syntax error near <eof>$"
    and not message:find "'=' expected near <eof>$"
end

--- Compiles as an expression, as statements that end in one (a block), or as a statement; name: the chunk's.
-- → function, kind, code, a block's position before the expression | nil, message, whether it goes on in a next line
function chunk.compile(text, name)
  if chunk.only_comment(text) then return load(text, name, "t"), "comment", text end
  local code = text:gsub("^%s*=", "")
  local f, why = load("return " .. code, name, "t")
  if f then return f, "expression", code end
  local more = goes_on(why, code)
  if code == text then -- "=e" must be one
    local statement, message = load(text, name, "t")
    if statement or not open_block(message) then
      local block, cut = ending_in_expression(text, name)
      if block then return block, "block", text, cut end
      if statement then return statement, "statement", text end
      more = more or cut
    end
    why, more = message, more or goes_on(message, text)
  end
  if not more then
    if why:find "unfinished string near <eof>$" then why = select(2, load(text .. "\n", name, "t")) end -- which one
    why = characters.named(text, why)
  end
  return nil, why, more
end

local function special(line)
  return line:find "^%s*:%a" or line:find "^%s*%?" or line:find "^%s*[%a_][%w_.:]*%?%s*$"
end

--- Is the line for the shell and no Lua: a command (:word) or a question (?name, name?)?
function chunk.special(line) return special(line) and not line:find "\n" end

--- Lines that are no one chunk, as inputs to be run one after the other, as if typed: {{text =, line = its first} …}.
-- → list, whether the last goes on | nil, the line where it breaks, message
function chunk.pieces(text)
  local list, number, first, pending = {}, 0, nil, nil
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if not pending then first = number end
    pending = pending and pending .. "\n" .. line or line
    local f, why, more = true, nil, false
    if pending ~= line or not special(line) then f, why, more = chunk.compile(pending, "=[0]") end
    if not f and not more then
      local at, words = why:match "^%[0%]:(%d+): (.*)$"
      return nil, first + (tonumber(at) or 1) - 1, words or why
    end
    if f then
      if pending:find "%S" then list[#list + 1] = {text = pending, line = first} end
      pending = nil
    end
  end
  if pending then list[#list + 1] = {text = pending, line = first} end
  return list, pending ~= nil
end

-- The names that a piece makes local.
local function locals_of(piece)
  local names = {}
  for _, start in ipairs {"^%s*local%s+", ";%s*local%s+"} do
    local _, at = piece:find(start)
    if at then
      local list = piece:match("^function%s+([%a_][%w_]*)", at + 1) or piece:match("^[%w_%s,<>]+", at + 1) or ""
      for name in list:gsub("<%s*%a+%s*>", ""):gmatch "[%a_][%w_]*" do names[#names + 1] = name end
    end
  end
  return names
end

--- A local of one piece that a later one means: it would be gone by then. → name, its line, the later line | nil
function chunk.lost_local(list)
  for i, piece in ipairs(list) do
    for _, name in ipairs(locals_of(piece.text)) do
      for k = i + 1, #list do
        if list[k].text:find("%f[%w_]" .. name .. "%f[^%w_]") then return name, piece.line, list[k].line end
      end
    end
  end
end

return chunk
