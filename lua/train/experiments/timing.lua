--- Times, of what is computed.
local core = require "suture.core"
local Module = require "suture.nn.module"
local raw, graph = core.tensor, core.graph
local timing = {}

local DEEPEST = 4 -- tables within tables that are looked at

-- The tensors in a value whose numbers are not there yet.
local function pending(list, v, depth)
  if raw.is(v) then
    if not graph.known(v) then list[#list + 1] = v end
  elseif type(v) == "table" and depth < DEEPEST and not Module.is_module(v) then
    for _, x in next, v do pending(list, x, depth + 1) end
  end
  return list
end

--- Computes these values, and returns them.
function timing.computed(...)
  local list = pending({}, {...}, 0)
  if #list > 0 then graph.eval(list) end
  graph.settle()
  return ...
end

--- Computes what global names hold: what a line before has left to be computed is no part of the next one.
function timing.settle()
  local list = {}
  for _, v in next, _G do
    if raw.is(v) and not graph.known(v) then list[#list + 1] = v end
  end
  if #list > 0 then graph.eval(list) end
  graph.settle()
end

--- Whether f records operations on tensors, when it is called once more.
function timing.recorded(f)
  local before = graph.order(raw.full({1}, 0, "float32"))
  f()
  return graph.order(raw.full({1}, 0, "float32")) > before + 1
end

--- Seconds as text: "3.312 ms".
function timing.text(s)
  return s >= 1 and ("%.3f s"):format(s) or s >= 1e-3 and ("%.3f ms"):format(s * 1e3)
    or s >= 1e-6 and ("%.1f µs"):format(s * 1e6) or ("%.0f ns"):format(s * 1e9)
end

return timing
