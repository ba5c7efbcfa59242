-- :history
local shell = require "suture.shell"

-- The lines that are kept of all sessions and shells, oldest first: {text, when, folder}.
local function kept()
  local list = {}
  local f = shell.state.history and io.open(shell.state.history)
  for line in f and f:lines() or function() end do
    local text, when, folder = line:match "^([^\2]*)\2?(%d*)\2?(.*)$"
    list[#list + 1] = {text = text:gsub("\1", "\n"), when = tonumber(when), folder = folder}
  end
  if f then f:close() end
  return list
end

-- Those that have the word in them, with when and where they were typed.
local function all(word)
  local home, lines, before = os.getenv "HOME", {}, nil
  for _, e in ipairs(kept()) do
    if e.text:find(word, 1, true) then
      local folder = home and e.folder:sub(1, #home) == home and "~" .. e.folder:sub(#home + 1) or e.folder
      if folder ~= "" and folder ~= before then lines[#lines + 1] = "-- in " .. folder end
      before = folder ~= "" and folder or before
      lines[#lines + 1] = ("%-16s  %s"):format(e.when and os.date("%Y-%m-%d %H:%M", e.when) or "",
        (e.text:gsub("\n", "\n" .. (" "):rep(18))))
    end
  end
  local shown = table.concat(lines, "\n")
  if shown == "" then return shell.say "no line that is kept has that in it" end
  if not require "suture.shell.pager"(shown) then shell.say(shown) end
end

return {
  args = "[N | all [WORD]]",
  text = "the last N inputs of this session (default: all of it); ✗ marks those that failed; "
    .. "all: of every session and shell, with when and where, those with WORD",
  run = function(rest)
    local word = rest:match "^all%s*(.*)$"
    if word then return all(word) end
    local n = rest:find "^%d+$" and math.tointeger(tonumber(rest))
    if rest ~= "" and (not n or n < 1) then
      shell.fail(":history takes a whole number above 0, or all, not '%s'", rest)
    end
    local inputs = shell.inputs
    for i = math.max(1, n and #inputs - n + 1 or 1), #inputs do
      local text = inputs[i].text:gsub("\n", "\n       ")
      shell.say(("%4d %s %s"):format(i, inputs[i].ok and " " or "✗", text))
    end
  end,
}
