--- What the planner makes of a graph: its steps, and in which of them each part of the graph runs.
local core = require "suture.core"
local text = require "suture.base.text"

local Kernels = {__name = "kernels"}
Kernels.__index = Kernels

--- What a step computes, in words: "conv2d + bn + relu".
local function words(step)
  local parts = {step.op}
  for _, op in ipairs(step.fused) do parts[#parts + 1] = op == "bn_eval" and "bn" or op end
  return table.concat(parts, " + ")
end

--- Several steps in a few words: how many, and how many of each algorithm.
local function count(steps)
  local number, names = {}, {}
  for _, s in ipairs(steps) do
    local name = s.algorithm
    if name and not number[name] then names[#names + 1] = name end
    if name then number[name] = (number[name] or 0) + 1 end
  end
  for i, name in ipairs(names) do names[i] = ("%d %s"):format(number[name], name) end
  return text.plural(#steps, "step"), table.concat(names, ", ")
end

-- What of the value is computed where that is not all: " · only 1×1×768".
local function only(k, step)
  local node = k.nodes[step.orders[#step.orders]]
  if not node or #node.shape ~= #step.shape or step.op == "layout" then return "" end -- "layout" copies what goes in
  for d, size in ipairs(step.shape) do
    if size < node.shape[d] then return text.sign "sep" .. "only " .. text.shape(step.shape) end
  end
  return ""
end

--- k:of(row): how a row of the graph (view/rows.lua) runs, in words: the step it begins, that step's algorithm and
-- what it computes where nobody reads the rest, how many steps, or the module whose step computes it; "": it takes no
-- step.
function Kernels.of(k, row)
  local own, inside = {}, nil
  for _, n in ipairs(row.nodes) do
    for _, step in ipairs(k.by[n.order] or {}) do
      if step.orders[1] ~= n.order then inside = step
      elseif step.op ~= "slice" or n.op == "slice" then own[#own + 1] = step end -- else a part is cut out on its way in
    end
  end
  local sep = text.sign "sep"
  if #own > 2 then
    local steps, algorithms = count(own)
    return steps .. (algorithms ~= "" and sep .. algorithms or "")
  end
  for i, s in ipairs(own) do own[i] = words(s) .. (s.algorithm and sep .. s.algorithm or "") .. only(k, s) end
  if #own > 0 then return table.concat(own, ", ") end
  return inside and "in " .. (inside.path ~= "" and inside.path or inside.op) or ""
end

function Kernels.totals(k)
  return ("%s%s, memory %s"):format(#k < k.all and #k .. " of " or "", text.plural(k.all, "step"), text.bytes(k.memory))
end

-- t: what view.trace gave; within: the call that is drawn, nil: all. The steps that begin in it, in order, as
-- core.trace.steps lists them; nodes and by: the node of an order, and the steps it takes part in; all: how many
-- steps and memory the whole run has.
local function of(t, within)
  local steps, memory = core.trace.steps(t.result)
  local k = setmetatable({memory = memory, nodes = t.by, by = {}, all = #steps}, Kernels)
  for _, s in ipairs(steps) do
    if not within or s.orders[1] >= within.first and s.orders[1] <= within.last then k[#k + 1] = s end
    for _, order in ipairs(s.orders) do
      k.by[order] = k.by[order] or {}
      table.insert(k.by[order], s)
    end
  end
  return k
end

return setmetatable({words = words, count = count}, {__call = function(_, ...) return of(...) end})
