--- What is done to models: surgery, files, traces, and the words for all that. Gives modules their methods for it.
local checkpoint = require "suture.model.checkpoint"
local surgery = require "suture.model.surgery"
local trace = require "suture.model.trace"
local undo = require "suture.model.undo"
require "suture.model.groups"

return require "suture.base.stray".guard {
  open = checkpoint.open, save = require("suture.model.tables").save, diff = surgery.diff, trace = trace.trace,
  undo = undo.undo, redo = undo.redo, back_to = undo.back_to, history = undo.history,
  checkpoint = undo.checkpoint,
}
