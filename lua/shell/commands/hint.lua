-- :hint
return {
  args = "", accepts = "nothing", text = "in a lesson: a hint for this step",
  run = function() require("suture.shell.lessons").hint() end,
}
