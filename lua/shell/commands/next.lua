-- :next
return {
  args = "", accepts = "nothing", instead = "lessons are taken there",
  text = "in a lesson: the next step; does this one for you where you did not (:next! whatever comes of it)",
  run = function(_, force) require("suture.shell.lessons").next(force) end,
}
