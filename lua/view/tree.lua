--- The tree of a module: constructor values, parameter counts, frozen and eval marks.
local raw = require("suture.core").tensor
local text = require "suture.base.text"
local words = require "suture.model.words"
local counts = require("suture.view.counts").all

local function marks_of(m, parent, total, still)
  local marks = {}
  if rawget(m, "_frozen") then
    if not (parent and rawget(parent, "_frozen")) then
      marks[#marks + 1] = text.sign "frozen" .. (text.unicode() and " frozen" or "")
    end
  elseif total > 0 and still == total then
    if not (parent and parent._still) then marks[#marks + 1] = "no grad" end
  elseif still > 0 then marks[#marks + 1] = ("%s no grad"):format(text.count(still)) end
  if not m.training and (parent == nil or parent.training) then marks[#marks + 1] = "eval" end
  if m._is_batchnorm and rawget(m, "_bn_eval") and m.training then marks[#marks + 1] = "BN eval" end
  if rawget(m, "_cut") then marks[#marks + 1] = "cut at " .. m._cut end
  marks[#marks + 1] = words.hooks(m)
  return table.concat(marks, text.sign "sep")
end

-- Lines as PyTorch prints them, with counts and marks in columns of their own.
local function tree_lines(m, words_of)
  local rows, seen = {}, {}
  local inserted = {}
  for sub in m:modules() do
    for where, said in pairs {_before = "before", _after = "after"} do
      for _, part in ipairs(rawget(sub, where) or {}) do
        local path = require("suture.nn.trace").paths(m)[sub]
        inserted[part.module] = ("runs %s %s"):format(said, path)
      end
    end
  end
  local function visit(sub, name, depth, parent, parent_still)
    local indent = ("  "):rep(depth)
    local head = indent .. (name and "(" .. name .. "): " or "")
    local class = getmetatable(sub).__name
    local total, still = counts(sub)
    local above = parent and {_frozen = parent._frozen, training = parent.training, _still = parent_still}
    local marks = marks_of(sub, above, total, still)
    if inserted[sub] then marks = marks .. (marks ~= "" and text.sign "sep" or "") .. inserted[sub] end
    local n = total > 0 and text.count(total) or ""
    local extra = words_of(sub)
    if seen[sub] then
      rows[#rows + 1] = {head .. class .. "(" .. extra .. ")", "", "the same module as " .. seen[sub]}
      return
    end
    seen[sub] = name or class
    local own = {}
    for _, p in ipairs(sub._pnames) do own[#own + 1] = p end
    if #sub._names == 0 then
      if #own > 0 and not sub._builtin then
        extra = extra ~= "" and extra or table.concat(own, ", ")
      end
      rows[#rows + 1] = {("%s%s(%s)"):format(head, class, extra), n, marks}
      return
    end
    rows[#rows + 1] = {("%s%s(%s"):format(head, class, extra), n, marks}
    for _, p in ipairs(own) do
      local t = sub._params[p]
      local shown = ("%s  (%s): Parameter%s"):format(indent, p, text.tuple(raw.shape(t)))
      rows[#rows + 1] = {shown, text.count(raw.numel(t)), ""}
    end
    for _, child in ipairs(sub._names) do
      visit(sub._children[child], child, depth + 1, sub, total > 0 and still == total)
    end
    rows[#rows + 1] = {indent .. ")", "", ""}
  end
  visit(m, nil, 0, nil, false)
  return rows
end

-- PyTorch's notation where it fits the terminal, the short one where not.
local function tree(m)
  local most = text.width()
  local columns = {{}, {align = "right"}, {}}
  local lines, w = text.table(tree_lines(m, words.torch), columns)
  if w[1] + w[2] + w[3] + 4 > most then
    local rows = tree_lines(m, words.extra)
    lines, w = text.table(rows, columns)
    if w[1] + w[2] + w[3] + 4 > most then
      columns[1].max = math.max(14, most - w[2] - w[3] - 4)
      lines, w = text.table(rows, columns)
      if w[1] + w[2] + w[3] + 4 > most then for i, line in ipairs(lines) do lines[i] = text.cut(line, most) end end
    end
  end
  local n, still = counts(m)
  if #m._names > 0 then
    local frozen = still > 0 and (", %s of them do not train"):format(text.count(still)) or ""
    lines[#lines + 1] = ("%s%s"):format(text.plural(n, "parameter"), frozen)
  end
  return text.safe(table.concat(lines, "\n"))
end

return tree
