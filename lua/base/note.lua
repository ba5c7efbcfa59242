--- Notes: one line to the user on stderr about something that was decided for them.
-- note(text) writes; note.once(key, text) writes the first time only. note.remark(text) is for what a user may well
-- know: it is not told twice (at the prompt: in one line), nor under -q. Replace note.write to send them elsewhere.
local face = package.loaded["suture.face"]
local lines = require "suture.base.lines"
local ranks = require "suture.base.ranks"
local term = require "suture.base.term"
local text = require "suture.base.text"
local said, remarked = {}, {}
local note = {}

function note.write(words)
  if not ranks.first() then return end
  term.aside:write(term.fresh(), text.screen(words, 2), "\n")
end

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

function note.remark(words)
  if remarked[words] or face and face.quiet then return end
  remarked[words] = true
  note.write(words)
end

lines.before[#lines.before + 1] = function() remarked = {} end

return setmetatable(note, {__call = function(_, words) note.write(words) end})
