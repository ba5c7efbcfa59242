-- :quit
return {
  args = "", text = "leave, as Ctrl-D does", accepts = "nothing", run = function() require("suture.shell").quit() end,
}
