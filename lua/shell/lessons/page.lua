-- What a lesson shows: paragraphs in lines, `code` and **words** in bold where the terminal has it.
local shell = require "suture.shell"
local term = require "suture.base.term"
local words = require "suture.base.text"

local page = {}
local WIDEST = 84 -- columns of a paragraph: longer lines are hard to read

local function width() return math.min(words.width(), WIDEST) end

-- Text of a lesson, safe, wrapped and painted; style: of the whole of it.
local function told(text, indent, hang, style)
  text = words.wrap(words.plain(term.safe(text, true)), width() - #indent, hang or 0)
  if style then text = term.paint(style, text)
  elseif term.colour() then
    text = text:gsub("`([^`]+)`", "\27[36m%1\27[0m"):gsub("%*%*([^*]+)%*%*", "\27[1m%1\27[0m")
  else text = text:gsub("%*%*([^*]+)%*%*", "%1") end
  io.stdout:write(indent, (text:gsub("\n", "\n" .. indent)), "\n")
end

local function code(lines, prompt)
  for i, line in ipairs(lines) do
    local mark = not prompt and "    " or i == 1 and "  > " or "  >> "
    shell.say(mark .. line, prompt and "bold" or nil)
  end
end

-- Pieces with an empty line between them; items of a list stand close.
local function pieces(list)
  for i, piece in ipairs(list) do
    if i > 1 and not (piece.kind == "list" and list[i - 1].kind == "list") then shell.say "" end
    if piece.kind == "code" then code(piece.lines)
    else told(piece.text, "", piece.kind == "list" and 2 or 0) end
  end
end

local function heading(text)
  local line = words.sign "line"
  local room = math.max(0, width() - term.columns(text) - 4)
  shell.say("")
  shell.say(words.cut(line:rep(2) .. " " .. text .. " " .. line:rep(room), width()), "green")
end

--- page.begin(lesson, at): the title, and how one goes through; the introduction where one begins.
function page.begin(lesson, at)
  shell.say("")
  shell.say(lesson.title, "bold")
  if at > 1 then return end
  shell.say ""
  if #lesson.intro > 0 then
    pieces(lesson.intro)
    shell.say ""
  end
  told("Type the lines behind the > (or your own: what counts is what comes of them). When a step is done, Enter "
    .. "goes on. :hint helps, :next does a step for you, :back and :again tell one again, :lesson stop leaves.", "", 0,
    "dim")
end

--- page.step(lesson, at): what the step says and wants.
function page.step(lesson, at)
  local step = lesson[at]
  heading(("%s · %d of %d · %s"):format(lesson.name:gsub("%.md$", ""):match "[^/]*$", at, #lesson, step.title))
  pieces(step.text)
  if step.inputs and step.kind ~= "solution" then
    if #step.text > 0 then shell.say "" end
    for _, input in ipairs(step.inputs) do code(words.lines(input.text), true) end
  end
  for i, choice in ipairs(step.choices or {}) do
    if i == 1 then shell.say "" end
    told(("%s) %s"):format(string.char(96 + i), choice.text), "  ", 3)
  end
  if step.choices then shell.say("Type the letter of your answer.", "dim") end
  shell.say ""
end

--- page.typed(text): a line that is run for the student.
function page.typed(text)
  code(words.lines(text), true)
  io.stdout:flush() -- before what the line writes to stderr
end

--- page.done(step): what the step showed.
function page.done(step)
  shell.say(words.unicode() and "✓" or "Done.", "green")
  pieces(step.after)
end

--- page.go_on(): how one goes on, said where somebody can.
function page.go_on() if shell.state.tty then shell.say("Enter goes on.", "dim") end end

--- page.answered(step): the right answer of a question.
function page.answered(step)
  for i, choice in ipairs(step.choices) do
    if choice.right then told(("%s) %s"):format(string.char(96 + i), choice.text), "  ", 3) end
  end
end

--- page.not_yet(why, hint): the check does not hold.
function page.not_yet(why, hint)
  shell.say(why and "Not yet: " .. why or "Not yet.", "yellow")
  if hint then told("Hint: " .. hint, "", 6) else shell.say(":hint helps, :next does the step for you", "dim") end
end

--- page.resumed(at): the steps before it are caught up with.
function page.resumed(at)
  shell.say((at == 2 and "The lines of step 1 run first" or ("The lines of steps 1 to %d run first"):format(at - 1))
    .. ", so that you have what they make.", "dim")
end

--- page.finished(lesson, names): the end; what comes next of the lessons in order.
function page.finished(lesson, names)
  local after
  for i, name in ipairs(names) do if name == lesson.name then after = names[i + 1] end end
  shell.say ""
  shell.say(("That was %s."):format(lesson.title), "green")
  if after then shell.say((":lesson %s is the next; :save FILE keeps what you did as a script."):format(after))
  else shell.say ":lesson lists them all; :save FILE keeps what you did as a script." end
end

return page
