-- :redo
return {args = "[N | CHECKPOINT]", text = "bring back what was undone, as redo()",
  run = require "suture.shell.steps" "redo"}
