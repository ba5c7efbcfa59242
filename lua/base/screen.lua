--- The whole terminal for a while: keys come one by one, the screen is another's and is given back as it was, after an
-- error too.
local core = require "suture.core"
local c = core.term

local Screen = {__name = "screen"}
Screen.__index = Screen

local names = { -- what terminals send for keys
  ["\27[A"] = "up", ["\27[B"] = "down", ["\27[C"] = "right", ["\27[D"] = "left", ["\27OA"] = "up", ["\27OB"] = "down",
  ["\27OC"] = "right", ["\27OD"] = "left", ["\27[H"] = "home", ["\27[F"] = "end", ["\27[1~"] = "home",
  ["\27[4~"] = "end", ["\27OH"] = "home", ["\27OF"] = "end", ["\27[5~"] = "pageup", ["\27[6~"] = "pagedown",
  ["\27[7~"] = "home", ["\27[8~"] = "end", ["\r"] = "enter", ["\n"] = "enter", ["\t"] = "tab", ["\127"] = "backspace",
  ["\8"] = "backspace", ["\26"] = "stop", ["\12"] = "redraw", ["\27"] = "escape",
}

local AT_ONCE = 0.05 -- seconds within which the bytes of one key come

-- The first key of these bytes, and what is behind it.
local function first(bytes)
  local sequence = bytes:match "^\27%[[%d;?]*[@-~]" or bytes:match "^\27O[A-Za-z]" or bytes:match "^\27[%[O][%d;?]*"
  sequence = sequence or bytes:match("^" .. utf8.charpattern) or bytes:sub(1, 1)
  return names[sequence] or sequence, bytes:sub(#sequence + 1)
end

-- Whether these bytes may be the beginning of one key.
local function open(bytes) return bytes:find "^\27[%[O]?[%d;?]*$" ~= nil end

local function take(s)
  s.raw = c.raw()
  if not s.raw then return false end
  io.stdout:write "\27[?1049h\27[?25l\27[2J"
  io.stdout:flush()
  return true
end

local function give(s)
  if not s.raw then return end
  io.stdout:write "\27[0m\27[?25h\27[?1049l"
  io.stdout:flush()
  getmetatable(s.raw).__close(s.raw)
  s.raw = nil
end

--- screen(): takes the terminal; a value to be closed. nil where standard input or output is none, or TERM is dumb.
local function screen()
  local term = require "suture.base.term"
  if not (term.tty(0) and term.draws(1)) then return nil end
  local s = setmetatable({rest = ""}, Screen)
  return take(s) and s or nil
end

Screen.__close = give
Screen.__gc = give

--- s:size(): columns and rows.
function Screen.size()
  local columns, rows = c.size(1)
  return columns or 80, rows or 24
end

--- s:key(seconds): the next key: a letter or another character, or up down left right home end pageup pagedown enter
-- tab backspace escape redraw (Ctrl-L); nil: none has come by then; "gone": the terminal has. Ctrl-Z stops the program;
-- afterwards "redraw" comes.
function Screen:key(seconds)
  if self.rest == "" then
    local bytes = c.key(seconds)
    if not bytes then return "gone" end
    self.rest = bytes
  end
  if self.rest == "" then return nil end
  if open(self.rest) then self.rest = self.rest .. (c.key(AT_ONCE) or "") end
  local key
  key, self.rest = first(self.rest)
  if key == "stop" then
    give(self)
    c.stop()
    return take(self) and "redraw" or "gone"
  end
  return key
end

--- s:pending(): whether more keys wait.
function Screen:pending()
  if self.rest == "" then self.rest = c.key(0) or "" end
  return self.rest ~= ""
end

--- s:write(…): text to the screen.
function Screen.write(_, ...) io.stdout:write(...) end

--- s:at(row, column, text): text at a place, from 1.
function Screen.at(_, row, column, text) io.stdout:write(("\27[%d;%dH%s"):format(row, column, text)) end

function Screen.flush() io.stdout:flush() end

return screen
