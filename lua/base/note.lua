--- Notes: one line to the user on stderr about something that was decided for them.
-- note(text) writes; note.once(key, text) writes the first time only. note.remark(text) is for what a user may well
-- know: it is not told twice (at the prompt: in one line), nor under -q. Replace note.write to send them elsewhere.
local face = package.loaded["suture.face"]
local lines = require "suture.base.lines"
local said, remarked = {}, {}
local note = {}

function note.write(text) io.stderr:write(text, "\n") end

function note.once(key, text)
  if said[key] then return end
  said[key] = true
  note.write(text)
end

function note.remark(text)
  if remarked[text] or face and face.quiet then return end
  remarked[text] = true
  note.write(text)
end

lines.before[#lines.before + 1] = function() remarked = {} end

return setmetatable(note, {__call = function(_, text) note.write(text) end})
