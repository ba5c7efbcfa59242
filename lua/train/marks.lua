--- What a model is marked with by training: the names of its classes, and the way of a picture to it.
local note = require "suture.base.note"
local pictures = require "suture.data.options"
local marks = {}

--- Writes into the model of a trainer what it has been trained with, m.classes and m.preprocess, and tells of the
-- latter where it changes.
function marks.put(trainer)
  local m, ds, quiet = trainer.model, trainer.data, trainer.options.quiet
  if #ds.classes > 0 and m.classes ~= ds.classes then m.classes = ds.classes end
  local p = ds.preprocess
  if not p then return end
  local before = type(m.preprocess) == "table" and m.preprocess or nil
  local now, was = pictures.way(p), before and pictures.way(before)
  if now == was then return end
  m.preprocess = p
  if quiet then return end
  note.remark(("%s: m.preprocess is what it trains with: %s%s"):format(trainer.what, now,
    was and " (was " .. was .. ")" or ""))
  if ds.source.opaque then
    note(trainer.what .. ": what ds:map does is not in m.preprocess: predict(m, path) goes without it")
  end
end

return marks
