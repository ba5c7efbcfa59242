-- :quit
return {args = "", text = "leave, as Ctrl-D does", run = function() require("suture.shell").quit() end}
