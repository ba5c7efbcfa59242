-- :undo
return {args = "[N | CHECKPOINT]", text = "take back the last surgery or fit, as undo()",
  run = require "suture.shell.steps" "undo"}
