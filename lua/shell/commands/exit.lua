-- :exit
return {args = "", text = "leave, as :quit", accepts = "nothing", run = require("suture.shell.commands.quit").run}
