--- Two values, number by number: a residual sum, a gate's product and the like.
local found = require "suture.vis.common.found"
local place = require "suture.vis.common.place"

-- What a node is called from inside the module of another: without what both paths begin with.
local function called(node, from)
  local name, path = found.label(node), from.path
  if not node.op then return name end
  while path ~= "" do
    if #name > #path and name:sub(1, #path + 1) == path .. "." then return name:sub(#path + 2) end
    path = path:match "^(.*)%.[^.]*$" or ""
  end
  return name
end

local function step(at, i, sign)
  local node = at.node.inputs[i]
  return {sign = sign, title = called(node, at.node), v = at:input(i), node = node}
end

-- The way to a gate, one number for each channel: from the pool that squeezed the picture on; nil where it is no gate.
local function gate_way(node, x)
  local s = node.shape
  if #s ~= 4 or s[3] ~= 1 or s[4] ~= 1 or #x.shape ~= 4 or x.shape[3] * x.shape[4] == 1 then return nil end
  local way = {node}
  while way[1].inputs[1] and way[1].op ~= "adaptive_avg_pool2d" and way[1].op ~= "mean" and #way < 24 do
    table.insert(way, 1, way[1].inputs[1])
  end
  if way[1].op ~= "adaptive_avg_pool2d" and way[1].op ~= "mean" then return nil end
  return way
end

-- What the squeezed map became on its way to the gate of one channel, as rows of a table.
local function around_gate(way, from, index)
  local names, numbers = {}, {}
  local channels = way[#way].shape[2]
  for _, node in ipairs(way) do
    local same = node.shape[2] == channels
    if same and node.op ~= "reshape" then
      names[#names + 1] = node == way[1] and "mean of the channel" or called(node, from)
      numbers[#numbers + 1] = place.read(node.value, {index[1], index[2], 0, 0})
    end
  end
  local squeezed
  for _, node in ipairs(way) do squeezed = math.min(squeezed or channels, node.shape[2]) end
  return {title = ("how the gate came about, through %d numbers"):format(squeezed), names = names, column = numbers,
    heading = ("channel %d"):format(index[2])}
end

local take = {}

function take.add(at)
  return {family = "chain", said = "a sum", summands = {
    {label = called(at.node.inputs[1], at.node), steps = {step(at, 1)}},
    {label = called(at.node.inputs[2], at.node), steps = {step(at, 2)}},
  }}
end

function take.sub(at)
  local second = step(at, 2, "−")
  return {family = "chain", said = "a difference", summands = {
    {label = called(at.node.inputs[1], at.node), steps = {step(at, 1)}},
    {label = "− " .. second.title, steps = {second}, minus = true},
  }}
end

local function product(at, sign, said)
  return {family = "chain", said = said,
    summands = {{label = said, steps = {step(at, 1), step(at, 2, sign)}}}}
end

function take.mul(at)
  local nodes = at.node.inputs
  for i = 1, 2 do
    local way = gate_way(nodes[i], nodes[3 - i])
    if way then
      local f = {family = "chain", said = "squeeze and excitation: the channel times its gate", summands = {
        {label = "gated", steps = {step(at, 3 - i), step(at, i, "×")}},
      }}
      f.around = function(index) return around_gate(way, at.node, index) end
      return f
    end
  end
  return product(at, "×", "a product")
end

function take.div(at) return product(at, "÷", "a quotient") end
function take.pow(at) return product(at, "^", "a power") end
function take.maximum(at) return product(at, "max", "the greater of two") end
function take.minimum(at) return product(at, "min", "the less of two") end

-- Comparisons give 1 or 0.
local compared = {eq = "=", ne = "≠", lt = "<", le = "≤", gt = ">", ge = "≥"}
for op, sign in pairs(compared) do take[op] = function(at) return product(at, sign, "a comparison") end end

-- Of two values the one that a condition chooses.
function take.where(at)
  local condition = at:input(1)
  local function chosen(index) return place.read(condition, index) ~= 0 and 2 or 3 end
  local node = at.node.inputs[chosen(at.index)]
  return {family = "chain", said = ("one of two values, chosen by %s"):format(called(at.node.inputs[1], at.node)),
    summands = {{label = called(node, at.node), steps = {{title = called(node, at.node), v = function(index)
      return place.read(at.node.inputs[chosen(index)].value, index)
    end}}}}}
end

return {
  ops = "add sub mul div pow maximum minimum where eq ne lt le gt ge",
  take = function(at) return take[at.node.op](at) end,
}
