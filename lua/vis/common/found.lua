--- Finding an operation of a trace: by the path of a module, or, of what is no module, by the path it runs in and its
-- name: "layer1.0.add".
local fault = require "suture.base.fault"
local grid = require "suture.vis.common.grid"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local suggest = require "suture.base.suggest"

local found = {}

local casts = {[0] = "detach", "long", "bool", "float", "clone"}
local also = {
  attention = {packed_attention = true, scaled_dot_product_attention = true},
  batch_norm = {bn_eval = true, bn_train = true}, amax = {max = true}, amin = {min = true},
}

--- found.name(node): what a node's operation is called, as m:graph() has it.
function found.name(node)
  if node.op == "cast" then return casts[node.attrs.to] or "cast" end
  local from = node.op == "reshape" and node.inputs[1]
  if from and #node.shape < #from.shape and #node.shape > 0 then
    local i = 1
    while i <= #node.shape and from.shape[i] == node.shape[i] do i = i + 1 end
    if i >= #node.shape then return "flatten" end
  end
  return node.op
end

local function joined(path, name) return path == "" and name or path .. "." .. name end

--- found.label(node): a node in words: "layer1.0.bn2", "layer1.0.add", a parameter's name, "the picture".
function found.label(node)
  if not node.op then
    if node.name then return node.name end
    return #node.shape == 4 and "the picture" or #node.shape == 0 and "constant" or "an input"
  end
  return joined(node.path, found.name(node))
end

--- found.calls(t): the calls of modules that have no modules in them, in order.
function found.leaves(t)
  local inner = {}
  for _, c in ipairs(t.calls) do if c.parent then inner[c.parent] = true end end
  local out = {}
  for _, c in ipairs(t.calls) do if not inner[c] then out[#out + 1] = c end end
  return out
end

-- What there is at and right under a path, in words; all paths for suggestions.
local function there_is(t, path)
  local under, all, seen = {}, {}, {}
  local function add(name)
    if seen[name] then return end
    seen[name], all[#all + 1] = true, name
    local rest = path == "" and name or name:sub(1, #path + 1) == path .. "." and name:sub(#path + 2)
    local head = rest and rest:match "^[^.]+"
    if head and not under[head] then under[head], under[#under + 1] = true, head end
  end
  for _, c in ipairs(t.calls) do if c.path ~= "" then add(c.path) end end
  for _, node in ipairs(t.nodes) do if node.op then add(found.label(node)) end end
  return under, all
end

-- The longest part of a path at which something is.
local function known_part(t, path)
  local part = path
  while part ~= "" do
    for _, c in ipairs(t.calls) do if c.path == part then return part end end
    part = part:match "^(.*)%.[^.]*$" or ""
  end
  return ""
end

local function nth(what, path, list, run)
  if run and run > #list then
    fault("%s: %s ran %d time%s, not %d", what, path, #list, #list == 1 and "" or "s", run)
  end
  return list[run or #list]
end

-- The node that made what the module at path gave.
local function of_module(what, t, path, calls, run)
  local call = nth(what, path, calls, run)
  local value = call.outputs[1]
  local node = value and grid.node(t, value)
  if not node then fault("%s: what %s gave is no part of the output", what, path) end
  if not node.op or not (path == "" or node.path == path or node.path:sub(1, #path + 1) == path .. ".") then
    fault("%s: %s (%s) gives what it was given, %s: there is nothing to take apart", what, path,
      getmetatable(call.module).__name, found.label(node))
  end
  return node, call
end

--- found.node(what, t, path, run): the node at a path (or of a module), and the call whose value it is (nil: it is
-- named by its operation). run: which of several, from 1 (nil: the last). An error of `what` that says what there is.
function found.node(what, t, path, run)
  if Module.is_module(path) then path = found.path(what, t.model, path) end
  if type(path) ~= "string" then
    fault('%s: expects the path of a module or an operation, as "layer1.0.conv1" or "layer1.0.add", got %s', what,
      options.show(path))
  end
  local calls = {}
  for _, c in ipairs(t.calls) do if c.path == path and not c.failed then calls[#calls + 1] = c end end
  if #calls > 0 then return of_module(what, t, path, calls, run) end
  local prefix, name = path:match "^(.*)%.([^.]+)$"
  if not prefix then prefix, name = "", path end
  local list, others = {}, {} -- by the name it is shown under, and by others
  for _, node in ipairs(t.nodes) do
    if node.op and node.path == prefix then
      if found.name(node) == name then list[#list + 1] = node
      elseif node.op == name or also[name] and also[name][node.op] then others[#others + 1] = node end
    end
  end
  if #list == 0 then list = others end
  if #list > 0 then return nth(what, path, list, run) end
  local part = known_part(t, path)
  local under, all = there_is(t, part)
  local other = t.model:_recorded_as(path)
  if other then
    fault("%s: '%s' is the same module as '%s': ask for that name, and run = 1, 2, …", what, path, other)
  end
  local ran = pcall(Module.at, t.model, path)
  local more = #under > 12 and (", … (%d)"):format(#under) or ""
  fault("%s: %s%s%s", what, ran and ("'%s' did not run"):format(path) or ("nothing is at '%s'"):format(path),
    suggest.hint(path, all), #under == 0 and "" or (" · %s has: %s%s"):format(
      part == "" and "the model" or part, table.concat(under, ", ", 1, math.min(12, #under)), more))
end

--- found.path(what, m, module): the path of a part of m.
function found.path(what, m, module)
  for path, part in m:named_modules() do if part == module then return path end end
  fault("%s: this %s is no part of the model", what, getmetatable(module).__name)
end

--- found.beside(t, path, but): names of the operations that run in the module at path and are no module, but one.
function found.beside(t, path, but)
  local out, seen = {}, {[found.label(but)] = true}
  for _, node in ipairs(t.nodes) do
    if node.op and node.path == path then
      local name = found.label(node)
      if not seen[name] then seen[name], out[#out + 1] = true, name end
    end
  end
  return out
end

return found
