--- Every public name of the library with its value: for :apropos, the reference (make docs) and the tests.
local journal = require "suture.base.journal"
local fields = require "suture.base.fields"
local suture = require "suture"

-- Calls f(name, value) for the public functions and classes of a table, class or object.
local function each(owner, v, f)
  local names = {}
  for name, value in next, fields.of(v) do
    if value == false then value = fields.step(v, name) end
    local class = type(value) == "table" and (rawget(value, "init") or rawget(value, "_super"))
    if name:find "^%a" and name ~= "init" and (type(value) == "function" or class) then names[name] = value end
  end
  local list = {}
  for name in next, names do list[#list + 1] = name end
  table.sort(list)
  for _, name in ipairs(list) do f(owner .. name, names[name]) end
end

local tables = {"nn", "F", "tensor", "optim", "data", "image", "zoo", "vis", "command"}

-- Things whose methods are listed, by the name that examples have for them; none of them draws a number.
local function objects()
  local nn, leaf = suture.nn, suture.zeros(1, {requires_grad = true})
  local opt = suture.optim.SGD({leaf}, {lr = 1})
  return {
    {"m:", nn.MaxPool2d(2)}, {"sequential:", nn.Sequential()}, {"list:", nn.ModuleList {}},
    {"x:", leaf}, {"opt:", opt}, {"schedule:", suture.optim.lr_scheduler.StepLR(opt, 1)},
    {"ds:", suture.data.tensors(suture.zeros(2, 2), suture.tensor {0, 1})},
    {"graph:", nn.Identity():graph {input = {1, 2}}},
  }
end

--- index(f): calls f(name, value, room) for each: names as users write them ("fit", "nn.Conv2d", "m:freeze"), each
-- thing once; room: the table or the kind of object it is of, "" for globals.
return function(f)
  local seen = {}
  local function once(room)
    return function(name, value)
      if seen[value] then return end
      seen[value] = true
      f(name, value, room)
    end
  end
  local globals = {}
  for name in next, suture._names do globals[#globals + 1] = name end
  table.sort(globals)
  for _, name in ipairs(globals) do
    if type(suture[name]) == "function" then once ""(name, suture[name]) end
  end
  for name in next, suture._more do
    if type(suture[name]) == "function" then once ""("suture." .. name, suture[name]) end
  end
  for _, name in ipairs(tables) do each(name .. ".", suture[name], once(name)) end
  each("nn.init.", suture.nn.init, once "nn.init")
  each("nn.utils.", suture.nn.utils, once "nn.utils")
  each("image.batch.", suture.image.batch, once "image.batch")
  each("optim.lr_scheduler.", suture.optim.lr_scheduler, once "optim.lr_scheduler")
  journal.aside(function()
    for _, o in ipairs(objects()) do
      each(o[1], o[2], function(name, value)
        if type(value) ~= "function" or name:find ":forward$" or name:find ":is_module$" then return end
        once(o[1])(name, value)
      end)
    end
  end)
end
