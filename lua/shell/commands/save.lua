-- :save
local face = package.loaded["suture.face"]
local shell = require "suture.shell"
local suture = require "suture"
local whole = require "suture.base.whole"

local mark = "-- Saved from a session of Suture"

-- Is `_` looked at by the inputs after i, before another value takes its place?
local function last_value_used(list, i)
  for j = i + 1, #list do
    if list[j].code:find "%f[%w_]_%f[^%w_]" then return true end
    if list[j].kind == "expression" or list[j].kind == "block" then return false end
  end
  return false
end

-- The expression that input i is, or ends in, as a statement of a script.
local function expression_as_script(list, i, code)
  local input, comment = list[i], ""
  code = code:gsub("^%s+", ""):gsub("[%s;]+$", "")
  if not load("return " .. code .. "\n") or code:find "%-%-" then comment = "\n" end -- a comment ends the last line
  if input.muted then code = code:gsub(";%s*(%-%-[^\n]*)$", " %1") end
  if last_value_used(list, i) then return ("_ = %s"):format(code) .. (input.muted and "" or "\nprint(_)") end
  local call = load(code, "", "t") ~= nil
  if call and (input.muted or not input.gave) then return code end
  if input.muted then return ("local _ = %s"):format(code) end
  return ("print(%s%s)"):format(code, comment)
end

-- An input as statements of a script.
local function as_script(list, i)
  local input = list[i]
  if input.kind == "expression" then return expression_as_script(list, i, input.code) end
  local code = input.text
  if input.kind == "block" then
    code = code:sub(1, input.cut):gsub("[%s;]*$", "") .. "\n" .. expression_as_script(list, i, code:sub(input.cut + 1))
  end
  -- At the prompt locals ended with their input.
  if ("\n" .. code):find "[\n;]%s*local%f[^%w_]" then code = "do\n" .. code .. "\nend" end
  return code
end

-- An input that failed, and had changed a model by then: what it did belongs to the session.
local function failed_as_script(input)
  if input.interrupted then
    return "-- stopped by Ctrl-C when it had changed a model, so it is not run again:\n-- "
      .. input.text:gsub("\n", "\n-- ")
  end
  return ("-- this failed, and had changed a model by then\npcall(function()\n%s\nend)"):format(input.text)
end

-- The session as the text of a script, and how many inputs are in it: those that worked, and what changed a model.
-- Where the session undoes, each input is a line to the journal, as it was at the prompt.
local function script()
  local list, undoes = {}, false
  for _, input in ipairs(shell.inputs) do
    if input.ok or input.changed then list[#list + 1] = input end
    undoes = undoes or input.ok and (input.code:find "%f[%w_]undo%s*%(" or input.code:find "%f[%w_]redo%s*%(") ~= nil
  end
  local out = {"#!/usr/bin/env suture", ("%s %s, %s"):format(mark, suture.version, os.date "%Y-%m-%d %H:%M")}
  if undoes then out[#out + 1] = 'local _line = require("suture.base.journal").line -- undo() takes back lines' end
  for i, input in ipairs(list) do
    if undoes then out[#out + 1] = "_line()" end
    out[#out + 1] = input.ok and as_script(list, i) or failed_as_script(input)
  end
  return table.concat(out, "\n") .. "\n", #list
end

-- A script of the user's at this path, which is no saved session?
local function precious(path)
  local old = io.open(path)
  local head = old and old:read(400) or ""
  if old then old:close() end
  return head ~= "" and not head:find(mark, 1, true)
end

return {
  args = "FILE", text = "write what worked in this session as a script that runs (:save! overwrites a file of yours)",
  takes = "files",
  run = function(rest, force)
    if rest == "" then shell.fail ":save takes a file name, as in  :save session.lua" end
    local path = shell.path(rest)
    if not force and precious(path) then
      shell.fail("%s exists and is no saved session; :save! %s overwrites it", path, rest)
    end
    local text, n = script()
    local ok, why = whole(path, text)
    if not ok then shell.fail("%s", why) end
    face.executable(path)
    shell.say(("%d input%s saved: suture %s runs them"):format(n, n == 1 and "" or "s", rest))
  end,
}
