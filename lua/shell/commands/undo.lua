-- :undo
return {args = "[N]", text = "take back the last surgery or fit, as undo()", accepts = "count",
  run = require "suture.shell.steps" "undo"}
