-- :back
return {
  args = "", accepts = "nothing", instead = "lessons are taken there",
  text = "in a lesson: tell the step before; what you made stays",
  run = function() require("suture.shell.lessons").back() end,
}
