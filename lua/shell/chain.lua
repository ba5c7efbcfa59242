-- Calls that return the module they were made on, as m:freeze() and m:train() do: the prompt says in one line how the
-- module stands now, where its name alone would print the whole tree.
local fields = require "suture.base.fields"
local text = require "suture.base.text"

local function is_module(v) return type(v) == "table" and type(rawget(v, "_children")) == "table" end

-- The code in front of the last method call of an expression, and the method; nil when it does not end in one.
local function receiver(code)
  code = code:gsub("%-%-[^\n\"']*$", ""):gsub("[%s;]+$", "")
  for _, argument in ipairs {"%b()", "%b{}", '%b""', "%b''"} do
    local before, method = code:match("^(.*):%s*([%a_][%w_]*)%s*" .. argument .. "$")
    if before then return before, method end
  end
end

-- The module that a name, a path or :at "path" behind one stands for, found without running anything.
local function module_of(code)
  local owner, path = code:match "^(.*):%s*at%s*%(?%s*[\"']([^\"']*)[\"']%s*%)?%s*$"
  local m = fields.resolve((owner or code):gsub("%s+$", ""), fields.global)
  for part in (path or ""):gmatch "[^.]+" do
    local children = is_module(m) and rawget(m, "_children")
    m = children and rawget(children, part)
  end
  return is_module(m) and m or nil
end

-- Methods that are about how the model stands; of others (insert_after, append …) the lines behind tell what they did.
local marks = {freeze = true, unfreeze = true, freeze_to = true, train = true, eval = true, requires_grad_ = true,
  bn_eval = true,
  cut = true, apply = true}

-- "resnet18: 11,689,512 of 11,689,512 parameters frozen, eval mode"; a model of the zoo has a name of its own.
local function state_of(m, name)
  local zoo = rawget(m, "_zoo")
  local total, still = require("suture.view.counts").all(m)
  local parts = {}
  if total > 0 then parts[1] = ("%s of %s parameters frozen"):format(text.count(still), text.count(total)) end
  parts[#parts + 1] = m.training and "train mode" or "eval mode"
  local norms, held = 0, 0
  for sub in m:modules() do
    if sub._is_batchnorm then
      norms = norms + 1
      if rawget(sub, "_bn_eval") and sub.training then held = held + 1 end
    end
  end
  if held == norms and norms > 0 then parts[#parts + 1] = "BatchNorm in eval"
  elseif held > 0 then parts[#parts + 1] = ("%d of %d BatchNorm in eval"):format(held, norms) end
  if rawget(m, "_cut") then parts[#parts + 1] = "cut at " .. m._cut end
  return (zoo and zoo.name or name:match "^%s*(.-)%s*$") .. ": " .. table.concat(parts, ", ")
end

--- chain(code, value, shown): the line to show instead of `shown` (value as text), when code is a method call on the
-- module that came back as its value and the text has many lines; nil otherwise.
return function(code, value, shown)
  if not is_module(value) or not shown:find "\n" then return nil end
  local before, method = receiver(code)
  local marked = false
  while before do
    marked = marked or marks[method]
    if module_of(before) == value then
      if marked then return state_of(value, before) end
      return before:match "^%s*(.-)%s*$" .. ": " .. require("suture.model.words").brief(value)
    end
    before, method = receiver(before)
  end
end
