-- :save
local face = package.loaded["suture.face"]
local script = require "suture.shell.script"
local shell = require "suture.shell"
local suture = require "suture"
local words = require "suture.base.text"
local whole = require "suture.base.whole"

-- A script of the user's at this path, which is no saved session?
local function precious(path)
  local old = io.open(path)
  local head = old and old:read(400) or ""
  if old then old:close() end
  return head ~= "" and not head:find(script.mark, 1, true)
end

local function shell_quoted(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- Runs the script in a process of its own → what it made, as digest() says, or nil and the last words of its output
local function made_by(path)
  local mark = "suture-digest " .. os.time()
  local after = "io.write('\\n%s\\n') for k, v in pairs(require 'suture.shell.digest'()) do print(k, v) end"
  after = after:format(mark)
  local command = ("%s/suture -q -e %s -e %s </dev/null 2>&1"):format(shell_quoted(face.program_folder() or ""),
    shell_quoted(("dofile(%q)"):format(path)), shell_quoted(after))
  local pipe <close> = io.popen(command)
  local text = pipe:read "a"
  local _, at = text:find("\n" .. mark .. "\n", 1, true)
  if not at then return nil, text:match "suture: ([^\n]*)" or "it ended early" end
  local made = {}
  for name, value in text:sub(at + 1):gmatch "([^\t\n]+)\t([^\n]*)\n" do made[name] = value end
  return made
end

-- Runs the script and compares what it made with what this session has.
local function check(path)
  local made, why = made_by(path)
  if not made then return shell.complain("checked: run in a new process, the script failed: " .. why) end
  local here, names = require "suture.shell.digest"(), {}
  for name in pairs(here) do names[#names + 1] = name end
  for name in pairs(made) do if here[name] == nil then names[#names + 1] = name end end
  table.sort(names)
  local other = {}
  for _, name in ipairs(names) do
    local a, b = here[name] or "nothing", made[name] or "nothing"
    if a ~= b then other[#other + 1] = ("  %s: here %s, there %s"):format(name, words.cut(a, 60), words.cut(b, 60)) end
  end
  if #other == 0 then
    return shell.say(("checked: run in a new process, it makes the same %s"):format(words.plural(#names, "global")))
  end
  shell.complain("checked: run in a new process, the script makes others:\n" .. table.concat(other, "\n"))
end

return {
  args = "FILE [--check]", takes = "files",
  text = "write what worked in this session as a script that runs (:save! overwrites a file of yours; " ..
    "--check runs it and compares)",
  run = function(rest, force)
    local checks
    rest, checks = (" " .. rest .. " "):gsub(" %-%-check ", " ")
    rest = rest:match "^%s*(.-)%s*$"
    if rest == "" then shell.fail ":save takes a file name, as in  :save session.lua" end
    local path = shell.path(rest)
    if not force and precious(path) then
      shell.fail("%s exists and is no saved session; :save! %s overwrites it", path, rest)
    end
    local text, count = script.of(shell.inputs, (" %s, %s"):format(suture.version, os.date "%Y-%m-%d %H:%M"))
    local ok, why = whole(path, text)
    if not ok then shell.fail("%s", why) end
    face.executable(path)
    shell.say(("%s saved: suture %s runs them"):format(words.plural(count.saved, "input"), rest))
    if count.comments > 0 then
      shell.say(("%s stands there as a comment that says why it cannot be run again"):format(
        words.plural(count.comments, "input")))
    end
    if count.secret > 0 then
      shell.say(("%s, begun with a space, left out"):format(words.plural(count.secret, "input")))
    end
    if checks > 0 then check(path)
    else shell.say(("not checked: :save %s --check runs it in a new process and compares"):format(rest)) end
  end,
}
