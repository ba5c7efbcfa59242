--- Repeated blocks as one row: "EncoderBlock × 11" below the first of twelve, which is drawn whole.
-- Blocks are module calls of one parent, one after another. They are alike when their rows are: the same classes and
-- values at the same places, with the same shapes, numbers of parameters, and ways of use between them. Blocks may
-- repeat in turns (Swin's plain and shifted windows). Three times or more is folded.
local text = require "suture.base.text"

local LEAST, LONGEST = 3, 3 -- repeats that are folded; blocks that take turns

-- Module calls around a row, the outermost first.
local function chain_of(row)
  local chain, call = {}, row.call
  while call do
    table.insert(chain, 1, call)
    call = call.parent
  end
  return chain
end

-- Of these the rate differs from block to block by design.
local any_rate = {StochasticDepth = true, Dropout = true, Dropout2d = true}

local function row_signature(row, above)
  local class = row.module and getmetatable(row.module).__name
  local uses = {}
  for i, id in ipairs(row.inputs) do uses[i] = row.id - id end
  return table.concat({
    row.path:sub(#above + 1), any_rate[class] and class or row.label,
    row.shape and table.concat(row.shape, "x") or "", row.params, row.frozen_params,
    tostring(row.frozen), tostring(row.bn_eval), table.concat(uses, ","),
  }, "|")
end

-- Rows [lo, hi], cut where the module call at this level changes: {lo, hi, call (nil: a row of the parent's own)}.
local function units_of(list, chains, lo, hi, level)
  local units = {}
  for i = lo, hi do
    local call, last = chains[i][level], units[#units]
    if call and last and last.call == call then last.hi = i
    else units[#units + 1] = {lo = i, hi = i, call = call} end
  end
  for _, u in ipairs(units) do
    u.block = u.call and (u.hi > u.lo or not list[u.lo].leaf)
    if u.block then
      local parts = {getmetatable(u.call.module).__name}
      for i = u.lo, u.hi do parts[#parts + 1] = row_signature(list[i], u.call.path) end
      u.signature = table.concat(parts, "\n")
    end
  end
  return units
end

-- How often the n units from `at` stand there in a row.
local function repeats(units, at, n)
  local i = at
  while units[i] and units[i].block and units[i].signature == units[at + (i - at) % n].signature do i = i + 1 end
  return (i - at) // n
end

-- "layer3.2…5", "encoder.layers.encoder_layer_1…11"
local function path_of(first, last)
  if first == last then return first end
  local parent = first:match "^.*%." or ""
  local a, b = first:sub(#parent + 1), last:match "[^.]*$"
  local stem = a:match "^(.-)%d+$"
  if stem and b:match "^(.-)%d+$" == stem then b = b:sub(#stem + 1) end
  return parent .. a .. (text.unicode() and "…" or "..") .. b
end

-- "Bottleneck × 4", "(Block, ShiftedBlock) × 2"
local function label_of(units, at, n, times)
  local classes, one = {}, true
  for i = 1, n do
    classes[i] = getmetatable(units[at + i - 1].call.module).__name
    one = one and classes[i] == classes[1]
  end
  local what = one and classes[1] or "(" .. table.concat(classes, ", ") .. ")"
  return ("%s %s %d"):format(what, text.sign "times", one and n * times or times)
end

-- One row for rows [lo, hi].
local function folded(list, lo, hi, path, label)
  local last = list[hi]
  local node = {
    id = last.id, inputs = {}, path = path, label = label, shape = last.shape, params = 0, frozen_params = 0,
    macs = 0, frozen = true, run = 1, folds = hi - lo + 1,
  }
  local seen = {}
  for i = lo, hi do
    local row = list[i]
    node.params, node.frozen_params = node.params + row.params, node.frozen_params + row.frozen_params
    node.macs = node.macs + row.macs
    node.frozen = node.frozen and (row.frozen or false)
    for _, id in ipairs(row.inputs) do
      if id < list[lo].id and not seen[id] then
        seen[id] = true
        node.inputs[#node.inputs + 1] = id
      end
    end
  end
  return node
end

--- fold(list, outputs): list and outputs as rows.of gives them. Returns what is drawn, in order: ids of rows that
-- stand as they are, and {id (of the last row), inputs, path, label, shape, params, frozen_params, macs, frozen,
-- folds (rows)} for those that are folded; nil where nothing repeats.
return function(list, outputs)
  local chains, last_use = {}, {}
  for i, row in ipairs(list) do
    chains[i] = chain_of(row)
    for _, id in ipairs(row.inputs) do last_use[id] = row.id end
    if outputs[row.id] then last_use[row.id] = math.huge end
  end
  -- Nothing inside is used from outside.
  local function closed(lo, hi)
    for i = lo, hi - 1 do
      if (last_use[list[i].id] or 0) > list[hi].id then return false end
    end
    return true
  end

  local drawn, any = {}, false
  local function add(lo, hi, level)
    local units = units_of(list, chains, lo, hi, level)
    local at = 1
    while at <= #units do
      local u, n, times = units[at], 1, 0
      if u.block then
        repeat
          times = repeats(units, at, n)
          n = n + 1
        until times >= LEAST or n > LONGEST
        n = n - 1
      end
      local stop = at + n * times - 1 -- the last that repeats
      local whole = u.hi > u.lo and n or 0 -- of these the first are drawn whole
      if times >= LEAST and closed(units[at + whole].lo, units[stop].hi) then
        for i = at, at + whole - 1 do add(units[i].lo, units[i].hi, level + 1) end
        local first = units[at + whole]
        drawn[#drawn + 1] = folded(list, first.lo, units[stop].hi, path_of(first.call.path, units[stop].call.path),
          label_of(units, at, n, times - (whole > 0 and 1 or 0)))
        any, at = true, stop + 1
      else
        if u.call and u.hi > u.lo then add(u.lo, u.hi, level + 1)
        else drawn[#drawn + 1] = list[u.lo].id end
        at = at + 1
      end
    end
  end
  add(1, #list, 1)
  return any and drawn or nil
end
