--- The tutor: takes one through a lesson at the prompt. What is checked is what the session's state is, not what was
-- typed: any line that makes a step's check true will do.
local chunk = require "suture.shell.chunk"
local core = require "suture.core"
local lines = require "suture.base.lines"
local page = require "suture.shell.lessons.page"
local progress = require "suture.shell.lessons.progress"
local shelf = require "suture.shell.lessons.shelf"
local shell = require "suture.shell"
local suture = require "suture"

local tutor = {}

-- The lesson that is on, or nil: {lesson =, key =, at = step, done = its check held and that was said, holds = it does,
-- held = it did when the step began, tries =, hinted =, typed = {of the step's own lines}, reached = steps whose lines
-- this session has run, running = lines of the tutor's run}
local course

-- ---- checks ----

local function near(a, b, tolerance)
  if core.tensor.is(a) then a = a:item() end
  if core.tensor.is(b) then b = b:item() end
  if type(a) ~= "number" or type(b) ~= "number" then return false end
  return math.abs(a - b) <= (tolerance or 1e-3) * math.max(1, math.abs(b))
end

-- What a check sees: the session's globals, nil for a name that nobody set; what it sets itself is its own.
local function view()
  return setmetatable({near = near}, {__index = function(_, name)
    local value = rawget(_G, name)
    if value == nil and suture._names[name] then value = suture[name] end
    return value
  end})
end

-- Does the step's check hold? → true | false, why in words or nil. The session's random numbers stay what they are.
local function holds(step)
  local check = step.check
  if not check then return true end
  local code = check.expression and "return " .. check.text or check.text
  local state = core.engine.seed()
  local ok, result, why = pcall(assert(load(code, check.name, "t", view())))
  core.engine.seed(state)
  if not ok then
    if tostring(result):find("interrupted!", 1, true) then error(result, 0) end
    return false, nil, tostring(result)
  end
  return result and true or false, type(why) == "string" and why or nil
end

-- ---- the steps ----

local function step_of(c) return c.lesson[c.at] end

local function same(text) return (text:gsub("%s+", ""):gsub(";$", "")) end

local function finish()
  progress.keep(course.key, nil)
  page.finished(course.lesson, shelf.names())
  course, shell.reader = nil, nil
end

local function begin(at)
  local c = course
  c.at, c.done, c.holds, c.tries, c.hinted, c.typed = at, false, false, 0, 0, {}
  local step = step_of(c)
  c.held = at <= c.reached and step.inputs and step.kind ~= "fails" and holds(step) -- it was done before
  progress.keep(c.key, step.title)
  page.step(c.lesson, at)
  if not step.inputs and not step.choices then -- there is only something to read
    c.done, c.reached = true, math.max(c.reached, at)
    if at < #c.lesson then page.go_on() else finish() end
  end
end

-- The step is done: what follows from it is told; behind the last one the lesson is. on: the next step follows at once.
local function passed(on)
  local c = course
  c.done, c.reached = true, math.max(c.reached, c.at)
  page.done(step_of(c))
  if c.at == #c.lesson then finish() elseif not on then page.go_on() end
end

local function go_on() if course and course.at < #course.lesson then begin(course.at + 1) end end

-- Runs inputs as if typed; muted: without their values. → whether all worked
local function run(inputs, muted)
  local ok = true
  course.running = true
  for _, input in ipairs(inputs) do
    if not muted then page.typed(input.text) end
    local worked
    if chunk.special(input.text) then
      shell.input(input.text)
      worked = true
    else worked = shell.eval(input.text, muted) end
    ok = ok and worked
    local last = shell.inputs[#shell.inputs]
    if not worked and (muted or last and last.interrupted) then break end
  end
  if course then course.running = false end
  return ok
end

-- Runs the lines of the steps before step `at` that this session has not seen. → whether all worked
local function catch_up(at, from)
  for i = from, at - 1 do
    local step = course.lesson[i]
    if step.inputs and not run(step.inputs, true) and step.kind ~= "fails" then return false, i end
    course.reached = i
  end
  return true
end

-- ---- what a line of the student's does ----

-- Is everything typed that the step shows?
local function all_typed(step, typed)
  for _, input in ipairs(step.inputs) do if not typed[same(input.text)] then return false end end
  return true
end

-- Does the line only walk through what was there already?
local function walks_back(text)
  local word = text:match "^%s*:?([%a_]+)"
  return word == "undo" or word == "redo" or word == "back_to"
end

local function hint(c)
  local step = step_of(c)
  local text = step.hints[math.min(c.hinted + 1, #step.hints)]
  c.hinted = math.min(c.hinted + 1, #step.hints)
  return text
end

-- Called after each line of Lua.
lines.after[#lines.after + 1] = function(text, ok)
  local c = course
  if not c or c.running or c.done then return end
  local step = step_of(c)
  if not step.inputs then return end
  local own = false
  for _, input in ipairs(step.inputs) do
    if same(input.text) == same(text) then own, c.typed[same(text)] = true, true end
  end
  local good, why
  if step.kind == "fails" then good = not ok else good, why = holds(step) end
  local on_the_way = own and ok and not all_typed(step, c.typed) -- the lines behind show what it has come to
  c.holds = good
  if on_the_way then return end
  if c.at <= c.reached and not own and walks_back(text) then return end -- what was done once is back, and not done now
  if c.held and good and not own then return end -- it held before the line, which has not done it
  c.held = c.held and good
  if good then return passed() end
  c.tries = c.tries + 1
  page.not_yet(why, c.tries <= #step.hints and hint(c) or nil)
end

local function answer(c, letter)
  local step = step_of(c)
  local choice = step.choices[letter:byte() - 96]
  if not choice then
    return shell.say(("Answer with a letter from a to %s."):format(string.char(96 + #step.choices)))
  end
  if choice.right then return passed() end
  c.tries = c.tries + 1
  page.not_yet("that is not it", hint(c))
end

-- Called with each line before it is Lua: an empty one goes on, a letter answers. → whether it was for the tutor
local function reader(line)
  local c = course
  if not c then return false end
  if line:find "^%s*$" then
    if not c.done and c.holds then passed(true) end
    if course and c.done then go_on() end
    return true
  end
  local letter = line:match "^%s*(%a)%s*[).]?%s*$"
  if not letter or c.done or not step_of(c).choices then return false end
  answer(c, letter:lower())
  return true
end

-- ---- what users call ----

local function current()
  if not course then shell.fail "no lesson is on (:lesson lists them, :lesson NAME takes one)" end
  if course.running then shell.fail "the lesson runs its own lines" end
  return course
end

local function place_of(lesson, title)
  for i, step in ipairs(lesson) do if step.title == title then return i end end
  return 1
end

--- tutor.take(name, at): begins a lesson, or goes on where one left off; at: the step to begin with.
function tutor.take(name, at)
  if course and course.running then shell.fail "the lesson runs its own lines" end
  local lesson, key = shelf.find(name), shelf.key(name)
  if key == name then key = lesson.name end
  local left = progress.of(key)
  if at and at > #lesson then shell.fail("lesson %s has %d steps, so none is number %d", name, #lesson, at) end
  at = at or left and place_of(lesson, left) or 1
  local reached = course and course.key == key and course.reached or 0
  if at == 1 then reached = 0 end
  course = {lesson = lesson, key = key, at = at, reached = reached, done = false, tries = 0, hinted = 0, typed = {}}
  shell.reader = reader
  if at > reached + 1 then
    page.resumed(at)
    local ok, where = catch_up(at, reached + 1)
    if not ok then
      course, shell.reader = nil, nil
      shell.fail("the lines of step %d did not run to their end: :lesson %s 1 begins anew", where, name)
    end
  end
  page.begin(lesson, at)
  begin(at)
end

--- tutor.stop(): leaves the lesson; it is gone on with later.
function tutor.stop()
  local c = current()
  course, shell.reader = nil, nil
  shell.say(("Left at step %d of %d; :lesson %s goes on there."):format(c.at, #c.lesson, c.lesson.name))
end

--- tutor.next(force): the next step. Where this one is not done its own lines are run first; force: whatever comes of
-- them.
function tutor.next(force)
  local c = current()
  local step = step_of(c)
  if not c.done and step.choices then
    page.answered(step)
    passed(true)
  elseif not c.done then
    local ok = run(step.inputs)
    local good, why, trouble
    if step.kind == "fails" then good = not ok else good, why, trouble = holds(step) end
    if good then passed(true)
    elseif not force then
      page.not_yet(why or trouble, nil)
      return shell.say(":again! makes anew what the steps before made; :next! goes on as it is", "dim")
    elseif c.at == #c.lesson then finish()
    else c.reached = math.max(c.reached, c.at) end
  end
  go_on()
end

--- tutor.back(): tells the step before this one; what there is stays.
function tutor.back()
  local c = current()
  if c.at == 1 then shell.fail "this is the first step" end
  begin(c.at - 1)
end

--- tutor.again(anew): tells this step again; anew: after the lines of all steps before it are run again.
function tutor.again(anew)
  local c = current()
  if anew then
    page.resumed(c.at)
    local ok, where = catch_up(c.at, 1)
    if not ok then shell.fail("the lines of step %d did not run to their end", where) end
  end
  begin(c.at)
end

--- tutor.hint(): the step's next hint.
function tutor.hint()
  local c = current()
  if c.done then return shell.say "This step is done: Enter goes on." end
  shell.say(hint(c) or step_of(c).inputs and "There is no hint here; :next does the step for you."
    or "There is no hint here; :next tells the answer.")
end

--- tutor.run(name): the whole lesson, unattended, each step by its own lines. → true, how many steps | false, the step,
-- why in words. A check that holds before the step's lines have run checks nothing: that is a fault of the lesson.
function tutor.run(name)
  local lesson = shelf.find(name)
  course = {lesson = lesson, key = shelf.key(name), reached = 0}
  page.begin(lesson, 1)
  begin(1)
  for i, step in ipairs(lesson) do
    local function bad(text)
      course = nil
      return false, step, text
    end
    if step.check and holds(step) then return bad "its check holds before its lines have run" end
    if step.inputs then
      local before = #shell.inputs
      local ok = run(step.inputs)
      if shell.inputs[#shell.inputs].interrupted then return bad "interrupted" end
      if step.kind == "fails" then
        if ok or #shell.inputs == before then return bad "none of its lines fails" end
      else
        if not ok then return bad "a line of it fails" end
        local good, why, trouble = holds(step)
        if not good then return bad("its check does not hold: " .. (why or trouble or "it says no")) end
      end
    elseif step.choices then page.answered(step) end
    if course and not course.done then passed(true) end
    go_on()
  end
  return true, #lesson
end

return tutor
