--- Notes: one line to the user on stderr about something that was decided for them.
-- note(text) writes; note.once(key, text) writes the first time only. Replace note.write to send them elsewhere.
local said = {}
local note = {}

function note.write(text) io.stderr:write(text, "\n") end

function note.once(key, text)
  if said[key] then return end
  said[key] = true
  note.write(text)
end

return setmetatable(note, {__call = function(_, text) note.write(text) end})
