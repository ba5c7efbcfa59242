--- What the planner makes of a graph: one row per step, with what was fused into it and where its result lies.
local core = require "suture.core"
local text = require "suture.view.text"

local Kernels = {__name = "kernels"}
Kernels.__index = Kernels

function Kernels.__tostring(k)
  local rows = {}
  for i, s in ipairs(k) do
    local parts = {s.op}
    for _, what in ipairs {"bn", "add"} do if s[what] then parts[#parts + 1] = what end end
    parts[#parts + 1] = s.activation
    rows[i] = {tostring(i), s.path, table.concat(parts, " + "), text.shape(s.shape), s.place .. (s.place == "arena" and " " .. text.bytes(s.bytes) or "")}
  end
  local lines = text.table(rows, {
    {align = "right"}, {title = "", cut = "left", max = 32}, {title = "kernel"}, {title = "output"}, {title = "lies in"}})
  lines[#lines + 1] = ("%s, arena %s: what they share by lifetime"):format(text.plural(#k, "step"), text.bytes(k.arena))
  return table.concat(lines, "\n")
end

-- t: what view.trace gave.
return function(t)
  if t.error or not t.result[1] then return nil end
  local steps, arena = core.trace.steps(t.result[1])
  steps.arena = arena
  return setmetatable(steps, Kernels)
end
