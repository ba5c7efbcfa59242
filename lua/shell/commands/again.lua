-- :again
return {
  args = "", accepts = "nothing", instead = "lessons are taken there",
  text = "in a lesson: tell this step again (:again! after the lines of all steps before it)",
  run = function(_, force) require("suture.shell.lessons").again(force) end,
}
