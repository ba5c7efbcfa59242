-- A session as a script: each input as statements that do, run one after the other, what the inputs did at the prompt.
local script = {}

script.mark = "-- Saved from a session of Suture"

-- Code with what its strings and comments say blanked out.
local function bare(code)
  local function blank(s) return (" "):rep(#s) end
  code = code:gsub("\\.", "  "):gsub("%[(=*)%[.-%]%1%]", blank)
  return (code:gsub('"[^"\n]*"', blank):gsub("'[^'\n]*'", blank):gsub("%-%-[^\n]*", blank))
end

local function mentions(code, word) return bare(code):find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil end

-- Does a `return` end the input itself, and not a function in it? From there one can go to the input's end.
local function returns(code)
  for at, after in bare(code):gmatch "()%f[%w_]return%f[^%w_]()" do
    local head, tail = code:sub(1, at - 1), code:sub(after) .. "\n::_end_::"
    if load(head .. "do goto _end_ end local _ = " .. tail, "", "t")
      or load(head .. "do goto _end_ end " .. tail, "", "t") then
      return true
    end
  end
  return false
end

-- A comment of the text.
local function comment(why, text) return ("-- %s\n-- %s"):format(why, (text:gsub("\n", "\n-- "))) end

-- An expression that had values, as a statement. uses_last: `_` is looked at in this session.
local function shown(value, muted, uses_last)
  if muted and uses_last then return ("_ = %s"):format(value) end
  if muted then return ("do local _ = %s end"):format(value) end
  return ("%s(%s)"):format(uses_last and "_show" or "print", value)
end

-- The expression that an input is, or ends in, as a statement.
local function expression(input, code, uses_last)
  local ending = ""
  code = code:gsub("^%s+", ""):gsub("[%s;]+$", "")
  if input.muted then code = code:gsub(";%s*(%-%-[^\n]*)$", " %1") end
  if not load("return " .. code .. "\n") or code:find "%-%-" then ending = "\n" end -- a comment ends the last line
  local call = load(code, "", "t") ~= nil
  if call and (not input.gave or input.muted and not uses_last) then return code end
  return shown(code .. ending, input.muted or not input.gave, uses_last)
end

-- An input that worked, as statements.
local function worked(input, uses_last)
  if input.kind == "comment" then return input.text end
  if input.kind == "expression" then return expression(input, input.code, uses_last) end
  local code = input.text
  if returns(code) then
    local call = ("(function(...)\n%s\nend)()"):format(code)
    return input.gave and shown(call, input.muted, uses_last) or ";" .. call
  end
  if input.kind == "block" then
    code = code:sub(1, input.cut):gsub("[%s;]*$", "") .. "\n" .. expression(input, code:sub(input.cut + 1), uses_last)
  end
  -- At the prompt locals and labels ended with their input.
  if ("\n" .. bare(code)):find "[\n;]%s*local%f[^%w_]" or bare(code):find("::", 1, true) then
    code = "do\n" .. code .. "\nend"
  end
  return code
end

-- An input that failed: what it did until then belongs to the session.
local function failed(input)
  if input.interrupted then return nil, "stopped by Ctrl-C, so nobody knows how far it came: not run again" end
  local value = input.kind == "expression" and "return " or ""
  return ("-- this failed, and what it did until then stayed\npcall(function(...)\n%s%s\nend)"):format(value,
    input.code)
end

-- Does it count? Expressions that failed, and nothing changed by them, do not; nor what did not compile.
local function counts(input)
  if not input.kind or input.secret then return false end
  return input.ok or input.changed or input.kind == "statement" or input.kind == "block"
end

--- script.of(inputs, heading) → the text, {saved =, comments =, secret = how many}. Where the session undoes, each
-- input is a line to the journal, as it was at the prompt.
function script.of(inputs, heading)
  local uses_last, undoes, count = false, false, {saved = 0, comments = 0, secret = 0}
  for _, input in ipairs(inputs) do
    if counts(input) then
      uses_last = uses_last or mentions(input.code, "_")
      for _, word in ipairs {"undo", "redo", "back_to", "checkpoint"} do
        undoes = undoes or mentions(input.code, word)
      end
      undoes = undoes or bare(input.code):find ":%s*before%f[^%w_]" ~= nil
    elseif input.secret then count.secret = count.secret + 1 end
  end
  local out = {"#!/usr/bin/env suture", script.mark .. heading}
  if undoes then out[#out + 1] = 'local _line = require("suture.base.journal").line -- undo() takes back lines' end
  if uses_last then out[#out + 1] = "local function _show(...) _ = ... print(...) end -- `_` is the last value" end
  for _, input in ipairs(inputs) do
    if counts(input) then
      local piece, why
      if input.ok then piece = worked(input, uses_last) else piece, why = failed(input) end
      if piece and not load("local _show, _line\n" .. piece, "=script", "t") then
        piece, why = nil, "this cannot stand in a script"
      end
      if undoes then out[#out + 1] = "_line()" end
      if not piece then count.comments = count.comments + 1 else count.saved = count.saved + 1 end
      if piece and piece:find "^%s*%(" then piece = ";" .. piece end -- it would call what stands before
      out[#out + 1] = piece or comment(why, input.text)
    end
  end
  return table.concat(out, "\n") .. "\n", count
end

return script
