-- A lesson's file, read: see lessons/init.lua for what stands in one.
local chunk = require "suture.shell.chunk"
local shell = require "suture.shell"

local blocks = {lua = "lines", ["lua solution"] = "solution", ["lua fails"] = "fails", ["lua check"] = "check"}

-- Raises an error that names the place.
local function wrong(lesson, line, text, ...)
  shell.fail("%s:%d: %s", lesson.path, line, select("#", ...) > 0 and text:format(...) or text)
end

-- The file as pieces in order: {kind = "title" | "step" | "text" | "quote" | "list" | "code" | "choice", line =, …}.
-- A text's lines are joined: it is told as wide as the terminal is.
local function pieces_of(lesson, text)
  local list, number, open, fence = {}, 0, nil, nil
  local function add(kind, fields)
    fields.kind, fields.line = kind, fields.line or number
    list[#list + 1] = fields
    return fields
  end
  for line in (text:gsub("\r\n", "\n") .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local info = line:match "^```%s*(.-)%s*$"
    local choice, words = line:match "^%- %[([ xX])%] (.*)$"
    if fence then
      if info == "" then fence = nil
      else fence.lines[#fence.lines + 1] = line end
    elseif info then
      if info ~= "" and info ~= "text" and not blocks[info] then
        wrong(lesson, number, "a block is `lua`, `lua solution`, `lua fails`, `lua check`, `text` or has no name; "
          .. "this is `%s`", info)
      end
      fence, open = add("code", {info = info, lines = {}}), nil
    elseif line:find "^# " then open = add("title", {text = line:match "^#%s+(.-)%s*$"}) and nil
    elseif line:find "^## " then open = add("step", {text = line:match "^##%s+(.-)%s*$"}) and nil
    elseif line:find "^%s*$" then open = nil
    elseif choice then open = add("choice", {text = words, right = choice ~= " "})
    elseif line:find "^>" then
      local more = line:match "^>%s?(.*)$"
      if open and open.kind == "quote" then open.text = open.text .. " " .. more
      else open = add("quote", {text = more}) end
    elseif line:find "^[%-*] " or line:find "^%d+%. " then open = add("list", {text = line})
    elseif open then open.text = open.text .. " " .. line:match "^%s*(.-)%s*$"
    else open = add("text", {text = line}) end
  end
  if fence then wrong(lesson, fence.line, "this block has no end: ``` on a line of its own") end
  return list
end

-- A block's lines as one text that compiles, or as inputs.
local function code_of(lesson, piece)
  local text = table.concat(piece.lines, "\n")
  if not text:find "%S" then wrong(lesson, piece.line, "this block is empty") end
  return text
end

local function check_of(lesson, piece)
  local text = code_of(lesson, piece)
  local name = ("=%s:%d"):format(lesson.path:match "[^/]*$", piece.line + 1)
  local ok, why = load("return " .. text, name, "t", {})
  if not ok then ok, why = load(text, name, "t", {}) end
  if not ok then wrong(lesson, piece.line, "this check is no Lua: %s", why) end
  return {text = text, name = name, line = piece.line, expression = load("return " .. text, name, "t", {}) ~= nil}
end

-- The inputs that a block's lines are, each as it would be typed.
local function inputs_of(lesson, piece)
  local list, at, why = chunk.pieces(code_of(lesson, piece))
  if not list then wrong(lesson, piece.line + at, "%s", why) end
  if at then wrong(lesson, piece.line, "the lines of this block are not complete") end
  return list
end

local readers = {}

function readers.text(_, step, piece) step.told[#step.told + 1] = piece end
readers.list = readers.text

function readers.quote(lesson, step, piece)
  local hint = piece.text:match "^[Hh]int: *(.*)$"
  if not hint then wrong(lesson, piece.line, "a quote (>) is a hint, and begins with “Hint:”") end
  step.hints[#step.hints + 1] = hint
end

function readers.choice(lesson, step, piece)
  if step.inputs then wrong(lesson, piece.line, "a step has lines to type or a question, not both") end
  step.choices = step.choices or {}
  step.choices[#step.choices + 1] = piece
  step.told = step.after
end

function readers.code(lesson, step, piece)
  local kind = blocks[piece.info]
  if not kind then return readers.text(lesson, step, piece) end
  if kind == "check" then
    if step.check then wrong(lesson, piece.line, "a step has one check; this is its second") end
    step.check = check_of(lesson, piece)
    return
  end
  if step.choices then wrong(lesson, piece.line, "a step has lines to type or a question, not both") end
  if step.inputs then wrong(lesson, piece.line, "a step has one block of lines to type; this is its second") end
  step.inputs, step.kind, step.told = inputs_of(lesson, piece), kind, step.after
end

-- What only the whole step tells.
local function finish(lesson, step)
  if step.check and not step.inputs then
    wrong(lesson, step.check.line, "a check needs lines that make it true: a block `lua`, or `lua solution`")
  end
  if step.inputs and not step.check and step.kind ~= "fails" then
    wrong(lesson, step.line, "step “%s” has lines to type, but no block `lua check`", step.title)
  end
  local right = 0
  for _, choice in ipairs(step.choices or {}) do if choice.right then right = right + 1 end end
  if step.choices and (right ~= 1 or #step.choices < 2 or #step.choices > 9) then
    wrong(lesson, step.choices[1].line, "a question has 2 to 9 answers, one of them right: - [x]")
  end
end

--- parse(name, path, text) → {name =, path =, title =, intro = pieces, [i] = {title =, line =, text = pieces told
-- before, inputs = of the lines to type, kind = "lines" | "solution" | "fails", check =, hints =, choices =, after =
-- pieces told when it is done}}. Errors name the file and the line.
return function(name, path, text)
  local lesson = {name = name, path = path, intro = {}}
  local step, titles
  titles = {}
  for _, piece in ipairs(pieces_of(lesson, text)) do
    if piece.kind == "title" then
      if lesson.title then wrong(lesson, piece.line, "a lesson has one title (#); a step begins with ##") end
      lesson.title = piece.text
    elseif piece.kind == "step" then
      if titles[piece.text] then wrong(lesson, piece.line, "two steps are called “%s”", piece.text) end
      titles[piece.text] = true
      step = {title = piece.text, line = piece.line, text = {}, after = {}, hints = {}}
      step.told = step.text
      lesson[#lesson + 1] = step
    elseif step then readers[piece.kind](lesson, step, piece)
    elseif piece.kind == "code" and blocks[piece.info] or piece.kind == "choice" or piece.kind == "quote" then
      wrong(lesson, piece.line, "this stands before the first step (##)")
    else lesson.intro[#lesson.intro + 1] = piece end
  end
  if not lesson.title then wrong(lesson, 1, "a lesson begins with its title: # …") end
  if #lesson == 0 then wrong(lesson, 1, "a lesson has steps, each begins with its title: ## …") end
  for _, each in ipairs(lesson) do finish(lesson, each) end
  return lesson
end
