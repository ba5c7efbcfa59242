-- A lesson as a notebook (nbformat.readthedocs.io): its text, and its lines as cells. What the tutor would check is the
-- reader's to see.
local json = require("suture.core").json
local shelf = require "suture.shell.lessons.shelf"

-- Pieces of a lesson as the Markdown they were.
local function markdown(pieces)
  local out = {}
  for i, piece in ipairs(pieces) do
    local text = piece.kind == "code" and "```\n" .. table.concat(piece.lines, "\n") .. "\n```" or piece.text
    local close = i > 1 and piece.kind == "list" and pieces[i - 1].kind == "list"
    out[#out + 1] = (i == 1 and "" or close and "\n" or "\n\n") .. text
  end
  return table.concat(out)
end

local function folded(title, text)
  return ("<details><summary>%s</summary>\n\n%s\n\n</details>"):format(title, text)
end

local function step_text(step)
  local parts = {"## " .. step.title, markdown(step.text)}
  local right
  for i, choice in ipairs(step.choices or {}) do
    parts[#parts + 1] = ("- **%s)** %s"):format(string.char(96 + i), choice.text)
    if choice.right then right = string.char(96 + i) end
  end
  for _, hint in ipairs(step.hints) do parts[#parts + 1] = folded("Hint", hint) end
  if right then parts[#parts + 1] = folded("Answer", ("**%s)** %s"):format(right, markdown(step.after))) end
  return table.concat(parts, "\n\n")
end

--- notebook(name): the lesson of this name or file, as the text of a notebook.
return function(name)
  local lesson, cells = shelf.find(name), {}
  local function add(kind, source, fields)
    local cell = {cell_type = kind, id = ("cell-%d"):format(#cells + 1), metadata = {}, source = source}
    for k, v in pairs(fields or {}) do cell[k] = v end
    cells[#cells + 1] = cell
  end
  add("markdown", ("# %s\n\n%s"):format(lesson.title, markdown(lesson.intro)))
  for _, step in ipairs(lesson) do
    add("markdown", step_text(step))
    if step.inputs then
      local lines = {}
      for i, input in ipairs(step.inputs) do lines[i] = input.text end
      add("code", table.concat(lines, "\n"), {execution_count = json.null, outputs = json.none,
        metadata = step.kind == "fails" and {tags = {"raises-exception"}} or {}})
      if #step.after > 0 then add("markdown", markdown(step.after)) end
    end
  end
  return json.encode {nbformat = 4, nbformat_minor = 5, cells = cells, metadata = {
    kernelspec = {name = "suture", display_name = "Suture", language = "lua"},
    language_info = {name = "lua", file_extension = ".lua", mimetype = "text/x-lua"},
  }}
end
