--- Lanes beside rows, as `git log --graph` draws them: which value waits for whom.
-- A row makes one value and uses others. A value with one user goes straight down its lane. A value with more users
-- splits where it is made: its own lane goes to the first user, a lane to the right keeps it for the others.
local text = require "suture.base.text"

local left, right, up, down = 1, 2, 4, 8
local box = {
  [left | right] = "─", [up | down] = "│", [left | down] = "╮", [left | up] = "╯",
  [right | down] = "╭", [right | up] = "╰", [left | up | down] = "┤", [right | up | down] = "├",
  [left | right | down] = "┬", [left | right | up] = "┴", [left | right | up | down] = "┼",
  [up] = "│", [down] = "│", [left] = "─", [right] = "─",
}
local plain = {
  [left | right] = "-", [up | down] = "|", [left | down] = ".", [left | up] = "'",
  [right | down] = ".", [right | up] = "'", [up] = "|", [down] = "|", [left] = "-", [right] = "-",
}
local marks = {op = {"●", "*"}, functional = {"○", "o"}}

local function free_right_of(lanes, at)
  local i = at + 1
  while lanes[i] do i = i + 1 end
  return i
end

-- One line: `here` is the lane of the node (or nil), joins[lane] = up and/or down for lanes that meet it, lanes
-- before and after say what passes by.
local function draw(before, after, here, mark, joins, width)
  local lo, hi = here or 1, here or 0
  for lane in pairs(joins) do lo, hi = math.min(lo, lane), math.max(hi, lane) end
  local unicode = text.unicode()
  local signs = unicode and box or plain
  local out = {}
  for lane = 1, width do
    local sign, gap
    local inside = lane > lo and lane < hi
    if lane == here and mark then
      sign = marks[mark][unicode and 1 or 2]
    elseif joins[lane] or lane == here then
      local arms = joins[lane] or (up | down)
      if lane > lo then arms = arms | left end
      if lane < hi then arms = arms | right end
      sign = signs[arms] or "+"
    elseif before[lane] and after[lane] then
      sign = unicode and "│" or "|" -- passes by, crossing what runs across
    else
      sign = inside and (unicode and "─" or "-") or " "
    end
    gap = lane >= lo and lane < hi and (unicode and "─" or "-") or " "
    out[#out + 1] = sign
    if lane < width then out[#out + 1] = gap end
  end
  return table.concat(out)
end

local function copy(lanes) return table.move(lanes, 1, 64, 1, {}) end

--- Lines for rows, in order. Each row: {id=, inputs={ids of earlier rows}, mark="op"|"functional"}; `outputs`: set of
-- ids that leave at the bottom. Returns a list of {text=, here=lane, row=row or nil}: a line without a row only joins
-- lanes. The second result is the width in lanes. most: lanes drawn (default 12).
return function(rows, outputs, most)
  most = most or 12
  local users = {}
  for _, row in ipairs(rows) do
    local seen = {}
    for _, id in ipairs(row.inputs) do
      if not seen[id] then users[id] = (users[id] or 0) + 1 end
      seen[id] = true
    end
  end
  for id in pairs(outputs or {}) do users[id] = (users[id] or 0) + 1 end

  -- lanes[i]: the id that runs there; own[id], kept[id]: its lanes.
  local lanes, own, kept, steps, widest = {}, {}, {}, {}, 1
  local function step(before, here, mark, joins, row)
    for i = 1, 64 do if lanes[i] or before[i] then widest = math.max(widest, i) end end
    steps[#steps + 1] = {before = before, after = copy(lanes), here = here, mark = mark, joins = joins, row = row}
  end

  for _, row in ipairs(rows) do
    -- Where each input comes from, and whether its lane ends here.
    local sources, seen = {}, {}
    for _, id in ipairs(row.inputs) do
      if not seen[id] and users[id] and (own[id] or kept[id]) then
        users[id] = users[id] - 1
        local from = own[id] or kept[id]
        local ends = own[id] ~= nil or users[id] <= 0
        sources[#sources + 1] = {id = id, lane = from, ends = ends}
      end
      seen[id] = true
    end
    local here
    for _, s in ipairs(sources) do
      if s.ends and (not here or s.lane < here) then here = s.lane end
    end
    if not here and sources[1] then -- every input goes on below: the first one splits before the row
      local s = sources[1]
      local before = copy(lanes)
      local new = free_right_of(lanes, s.lane)
      lanes[new], kept[s.id], own[s.id] = s.id, new, s.lane
      step(before, s.lane, nil, {[s.lane] = up | down, [new] = down})
      s.ends, here = true, s.lane
    end
    if not here then
      here = 1
      for i = 1, 64 do if lanes[i] then here = i + 1 end end
    end
    local before = copy(lanes)
    local joins = {}
    for _, s in ipairs(sources) do
      if s.ends then
        lanes[s.lane] = nil
        if own[s.id] == s.lane then own[s.id] = nil else kept[s.id] = nil end
      end
      if s.lane ~= here then joins[s.lane] = s.ends and up or (up | down) end
    end
    local merged = next(joins) ~= nil
    local n = users[row.id] or 0
    if n > 0 then lanes[here], own[row.id] = row.id, here end
    if n > 1 and not merged then
      local new = free_right_of(lanes, here)
      lanes[new], kept[row.id] = row.id, new
      joins[new] = before[new] and (up | down) or down
    end
    step(before, here, row.mark or "op", joins, row)
    if n > 1 and merged then
      before = copy(lanes)
      local new = free_right_of(lanes, here)
      lanes[new], kept[row.id] = row.id, new
      step(before, here, nil, {[here] = up | down, [new] = down})
    end
  end

  local width = math.min(widest, most)
  local out = {}
  for i, s in ipairs(steps) do
    out[i] = {text = draw(s.before, s.after, s.here, s.mark, s.joins, width), row = s.row, here = s.here}
  end
  return out, width
end
