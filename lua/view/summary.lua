--- The summary: torchinfo's columns and totals (torchinfo 1.7, col_names input_size, output_size, num_params,
-- mult_adds; row_settings depth, var_names).
local counts = require "suture.view.counts"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local text = require "suture.base.text"
local trace = require "suture.model.outline"

local Summary = {__name = "summary"}
Summary.__index = Summary

local function bracket(s) return s and "[" .. table.concat(s, ", ") .. "]" or "--" end

local known = options.known("summary", {depth = "3", input = "nil"})

-- torchinfo counts the memory of outputs for layers that have parameters and no children.
local function summary(m, ...)
  local opts = trace.arguments("summary", known, ...)
  local depth = opts.depth or tonumber(known.depth)
  local t = trace.run(m, opts.input, "summary")
  if t.error then fault("summary: %s", (t.error:gsub("^%S-:%d+: ", ""))) end
  local macs = {} -- per call, what runs inside it
  for _, n in ipairs(t.nodes) do
    local call = n.op and t.owner[n.order]
    while call do
      macs[call] = (macs[call] or 0) + n.macs
      call = call.parent
    end
  end
  local s = setmetatable({rows = {}, depth = depth, total_mult_adds = 0, total_output_bytes = 0}, Summary)
  local number = {}
  local run = {}
  for _, call in ipairs(t.calls) do
    local sub = call.module
    run[sub] = (run[sub] or 0) + 1
    number[call.depth] = (number[call.depth] or 0) + 1
    local total, still = counts.all(sub)
    local leaf = #rawget(sub, "_names") == 0
    s.rows[#s.rows + 1] = {
      class = getmetatable(sub).__name, name = call.path:match "[^.]*$", path = call.path, depth = call.depth,
      index = number[call.depth], input = call.input_shape, output = call.shape,
      params = total, still = still, own = (counts.own(sub)), leaf = leaf,
      macs = macs[call] or 0, recursive = run[sub] > 1, frozen = rawget(sub, "_frozen"),
    }
    if leaf and total > 0 and call.shape then
      local n = 1
      for _, d in ipairs(call.shape) do n = n * d end
      s.total_output_bytes = s.total_output_bytes + n * 4 * 2 -- once more for gradients
    end
  end
  s.total_mult_adds = macs[t.calls[1]] or 0
  s.total_params, s.non_trainable_params = counts.all(m)
  s.trainable_params = s.total_params - s.non_trainable_params
  s.total_input_bytes = 0
  for _, shape in ipairs(t.shapes) do
    local n = 1
    for _, d in ipairs(shape) do n = n * d end
    s.total_input_bytes = s.total_input_bytes + n * 4
  end
  s.total_param_bytes = s.total_params * 4
  return s
end

local function scaled(n)
  if n >= 1e12 then return "T", n / 1e12
  elseif n >= 1e9 then return "G", n / 1e9
  elseif n >= 1e6 then return "M", n / 1e6 end
  return "K", n / 1e3
end

function Summary.__tostring(s)
  local unicode = text.unicode()
  local rows = {}
  for _, r in ipairs(s.rows) do if r.depth <= s.depth then rows[#rows + 1] = r end end
  local function more_at(i, depth) -- does another row of this depth follow before one above it?
    for k = i + 1, #rows do
      if rows[k].depth == depth then return true elseif rows[k].depth < depth then return false end
    end
    return false
  end
  local cells = {}
  for i, r in ipairs(rows) do
    local lead = ""
    if r.depth > 0 then
      for d = 1, r.depth - 1 do lead = lead .. (more_at(i, d) and (unicode and "│    " or "|    ") or "     ") end
      lead = lead .. (r.depth == 1 and (unicode and "├─" or "|-") or (unicode and "└─" or "`-"))
    end
    local name = r.depth == 0 and r.class
      or ("%s (%s): %d-%d"):format(r.class, r.name ~= "" and r.name or "-", r.depth, r.index)
    local params = "--"
    local n = (r.leaf or r.depth == s.depth) and r.params or r.own
    if r.recursive and n > 0 then params = "(recursive)"
    elseif n > 0 then
      params = text.count(n)
      local still = r.still
      if still >= n and still > 0 then params = "(" .. params .. ")" end
    end
    local shows_macs = (r.leaf or r.depth == s.depth) and r.macs > 0
    cells[i] = {lead .. name, bracket(r.input), bracket(r.output), params, shows_macs and text.count(r.macs) or "--"}
  end
  local titles = {"Layer (type (var_name):depth-idx)", "Input Shape", "Output Shape", "Param #", "Mult-Adds"}
  local columns = {}
  for c, title in ipairs(titles) do columns[c] = {title = title} end
  local function layout()
    local lines, w = text.table(cells, columns)
    local width = 2 * (#w - 1)
    for _, x in ipairs(w) do width = width + x end
    return lines, w, width
  end
  local lines, w, width = layout()
  local most = text.width()
  if width > most then -- the input's shape goes first, then names are shortened
    for _, cell in ipairs(cells) do cell[2] = "" end
    lines, w, width = layout()
    if width > most then
      columns[1].max = math.max(14, w[1] - (width - most))
      lines, _, width = layout()
      if width > most then for i, line in ipairs(lines) do lines[i] = text.cut(line, most) end end
    end
  end
  local rule = ("="):rep(math.min(width, most == math.huge and width or most))
  local out = {rule, table.remove(lines, 1), rule}
  table.move(lines, 1, #lines, #out + 1, out)
  local unit, value = scaled(s.total_mult_adds)
  local function mb(n) return ("%.2f"):format(n / 1e6) end
  for _, l in ipairs {
    rule, "Total params: " .. text.count(s.total_params), "Trainable params: " .. text.count(s.trainable_params),
    "Non-trainable params: " .. text.count(s.non_trainable_params),
    ("Total mult-adds (%s): %.2f"):format(unit, value), rule,
    "Input size (MB): " .. mb(s.total_input_bytes), "Forward/backward pass size (MB): " .. mb(s.total_output_bytes),
    "Params size (MB): " .. mb(s.total_param_bytes),
    "Estimated Total Size (MB): " .. mb(s.total_input_bytes + s.total_output_bytes + s.total_param_bytes), rule,
  } do out[#out + 1] = l end
  return text.safe(table.concat(out, "\n"))
end

return summary
