-- :redo
return {args = "[N]", text = "bring back what was undone, as redo()", accepts = "count",
  run = require "suture.shell.steps" "redo"}
