-- :hint
return {
  args = "", accepts = "nothing", instead = "lessons are taken there", text = "in a lesson: a hint for this step",
  run = function() require("suture.shell.lessons").hint() end,
}
