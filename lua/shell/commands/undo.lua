-- :undo
return {args = "[N]", text = "take back the last surgery or fit, as undo()", run = require "suture.shell.steps" "undo"}
