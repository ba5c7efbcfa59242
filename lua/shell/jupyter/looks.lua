-- What a front end asks about code: what may follow, what something is, whether it is complete. Looks only, as Tab
-- does. Places in a text are counted in characters (code points), as Jupyter counts them.
local calling = require "suture.shell.call"
local chunk = require "suture.shell.chunk"
local complete = require "suture.shell.complete"
local help = require "suture.shell.help"
local json = require("suture.core").json
local shell = require "suture.shell"

local looks = {}

-- code before and behind the place.
local function around(code, place)
  local at = math.type(place) == "integer" and place >= 0 and utf8.offset(code, place + 1) or #code + 1
  return code:sub(1, at - 1), code:sub(at)
end

--- looks.complete(code, place) → {matches, cursor_start, cursor_end}
function looks.complete(code, place)
  local before, behind = around(code, place)
  local line = before:match "[^\n]*$"
  local text = (line:find "^%s*:%a*" or line:find "^%s*%?") and line or before
  local at, list, suffix = complete.complete(text)
  local matches = {}
  for _, word in ipairs(list) do if word:find "%S" then matches[#matches + 1] = word end end
  if #matches == 1 and suffix and suffix ~= "" and behind:sub(1, #suffix) ~= suffix then
    matches[1] = matches[1] .. suffix
  end
  local last = utf8.len(before)
  return {matches = matches[1] and matches or json.none, cursor_end = last,
    cursor_start = last - (utf8.len(text, math.min(at, #text + 1)) or 0)}
end

-- The name that the place is in or behind, else what is called there.
local function name_at(code, place)
  local before, behind = around(code, place)
  local name = before:match "[%a_][%w_.:%[%]\"']*$"
  if name then
    name = (name .. behind:match "^[%w_]*"):gsub("[.:%[]+$", "")
    if name ~= "" then return name end
  end
  local word = behind:match "^[%a_][%w_]*"
  return word or (calling.at(before))
end

--- looks.inspect(code, place, detail) → its text, or nil: there is nothing to say. detail 1: the source.
function looks.inspect(code, place, detail)
  local name = name_at(code, place)
  if not name then return nil end
  if detail == 1 then
    local text, nothing = help.source_text(name)
    if not nothing then return text end
  end
  local text, unknown = help.text(name)
  return not unknown and text or nil
end

-- How far the line behind this text is moved in.
local function indent(text)
  local last = text:match "[^\n]*$"
  local opens = last:find "[({]%s*$" or last:find "%f[%w_]then%s*$" or last:find "%f[%w_]do%s*$"
    or last:find "%f[%w_]else%s*$" or last:find "%f[%w_]repeat%s*$" or last:find "%f[%w_]function[^%w_].*%)%s*$"
  return last:match "^%s*" .. (opens and "  " or "")
end

--- looks.status(code) → {status = "complete" | "incomplete" | "invalid", indent =}, by the rules of the prompt
function looks.status(code)
  local text = shell.without_prompts(code)
  if not text:find "%S" or chunk.special(text) or chunk.compile(text, "=[0]") then return {status = "complete"} end
  local list, open = chunk.pieces(text)
  if list and not open then return {status = "complete"} end
  if not shell.needs_more(list and list[#list].text or text) then return {status = "invalid"} end
  return {status = "incomplete", indent = indent(text)}
end

return looks
