--- Notes: one line to the user on stderr about something that was decided for them.
-- note(text) writes; note.once(key, text) writes the first time only. Replace note.write to send them elsewhere.
local text = require "suture.base.text"
local said = {}
local note = {}

function note.write(words) io.stderr:write(text.screen(words, 2), "\n") end

--- note.words(text) → text, which is what the library says of itself: the prompt shows it as it is, not as a string.
function note.words(words)
  note.last = words
  return words
end

function note.once(key, words)
  if said[key] then return end
  said[key] = true
  note.write(words)
end

return setmetatable(note, {__call = function(_, words) note.write(words) end})
