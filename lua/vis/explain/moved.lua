--- What only moves numbers: where this one was before.
local found = require "suture.vis.common.found"
local moves = require "suture.vis.common.moves"

local names = {}
for name in pairs(moves) do names[#names + 1] = name end
table.sort(names)

return {ops = table.concat(names, " "), take = function(at)
  local node = at.node
  local which, from = moves[node.op](node, at.index)
  if from == nil then
    if node.op == "cast" then return nil end
    return {family = "chain", said = "padding: a number from outside", summands = {
      {label = "padding", steps = {{title = "padding", v = which + 0.0}}},
    }}
  end
  local input = node.inputs[which]
  return {
    family = "chain", said = ("%s moves numbers: this one is %s%s"):format(found.name(node), found.label(input),
      #from > 0 and ("[%s]"):format(table.concat(from, ", ")) or ""),
    summands = {{label = found.label(input), steps = {{title = found.label(input), v = function(index)
      local i, there = moves[node.op](node, index)
      if there == nil then return i + 0.0 end
      return require("suture.vis.common.place").read(node.inputs[i].value, there)
    end}}}},
  }
end}
