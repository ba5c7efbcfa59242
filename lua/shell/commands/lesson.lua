-- :lesson
local face = package.loaded["suture.face"]
local shell = require "suture.shell"
local shelf = require "suture.shell.lessons.shelf"

local function list()
  local progress = require "suture.shell.lessons.progress"
  for i, name in ipairs(shelf.names()) do
    local left, done = progress.of(name)
    local mark = done and "done" or left and "begun" or ""
    shell.say(("  %2d  %-17s  %-5s  %s"):format(i, name, mark, shelf.title(name)))
  end
  shell.say "  :lesson NAME takes one, or goes on where you left it; :help lesson says how to write one."
end

-- Names, what else may stand there, and files.
local function takes(written)
  local words = shelf.names()
  words[#words + 1], words[#words + 2] = "check", "stop"
  local folder = written:match "^(.*/)" or ""
  for _, file in ipairs(face.files(folder == "" and "." or folder)) do
    if file:find "%.md$" or folder ~= "" and file:find "/$" then words[#words + 1] = folder .. file end
  end
  return words
end

return {
  args = "[NAME | FILE] [STEP]",
  text = "list the lessons, or take one at this prompt; :lesson stop leaves it, :lesson check [NAME] tests them",
  takes = takes,
  instead = "suture jupyter lesson NAME prints a lesson as a notebook",
  more = [[
  :lesson            lists them, with how far you are
  :lesson skip       takes one, or goes on where you left it (which is kept between starts)
  :lesson skip 1     from its first step; 5: from step 5, after the lines of those before it
  :lesson my.md      takes a file of your own
  :lesson check      runs all unattended, each in a new process; a name or a file: that one
  In a lesson: Enter goes on when a step is done. :next does the step for you where you did not, :back tells the step
  before, :again this one (:again! after the lines of all steps before it), :hint helps, :lesson stop leaves.
  From the system's shell: suture lesson, suture lesson check [NAME | FILE] (exit status 1 where one fails), suture
  lesson run NAME, which shows all of it.

A lesson is a Markdown file:

    # Title
    What it is about: told when it begins.

    ## Title of a step
    Words that are told first, in paragraphs, lists and blocks. `code` and **words** stand out.

    ```lua
    m = open "examples/shapes-resnet20.safetensors"
    ```

    ```lua check
    return m and #m.classes == 8, "m is no network of 8 classes"
    ```

    > Hint: told after the first line that does not do it; another hint after the second.

    Words behind the lines are told when the step is done.

  ```lua            the lines to type. :next runs them. Each line, or block that is one (a function), is one input
  ```lua solution   the same, not shown: the text sets a task, and these lines solve it
  ```lua fails      lines to type of which one is an error that is to be seen; such a step needs no check
  ```lua check      an expression, or statements that return: true, or false and why in words. It sees the session's
                    globals, nil for those that nobody set, _ (the last value), and near(a, b[, tolerance]). It is run
                    after each line of the student's, whatever that line was; what it sets is gone after it, and the
                    session's random numbers stay as they are. Where its step's lines have not run it must not be true
  ``` or ```text    shown as it stands
  - [ ] words       a wrong answer, and - [x] words the right one: the step is a question, answered with a letter;
                    what stands behind it is told with the right answer
  A step without lines and answers is there to be read. The file is checked when it is opened, and by :lesson check.]],
  run = function(rest)
    local tutor = require "suture.shell.lessons"
    if rest == "" then return list() end
    local what, behind = rest:match "^(%S+)%s*(.-)$"
    if what == "stop" and behind == "" then return tutor.stop() end
    if what == "check" then
      require("suture.shell.lessons.check").all(behind ~= "" and {behind} or shelf.names())
      return
    end
    local name, at = rest:match "^(.-)%s+(%d+)$"
    if at == "0" then shell.fail "steps count from 1" end
    tutor.take(name or rest, at and math.tointeger(tonumber(at)))
  end,
}
