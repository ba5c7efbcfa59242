--- What vis.explain found, as a page on which a window slides: every number of a map taken apart, not one alone.
local anatomy = require "suture.vis.common.anatomy"
local frame = require "suture.vis.page.frame"
local matrices = require "suture.vis.common.matrices"
local place = require "suture.vis.common.place"
local text = require "suture.base.text"

local CHANNELS = 12 -- with their maps, at most
local MAPS = 400000 -- numbers of maps, at most
local ROWS = 300000 -- numbers of rows that are multiplied, at most

-- ---- JSON ----

local function quoted(s)
  s = text.safe(s, true):gsub('[%c"\\<&]', function(c) return ("\\u%04x"):format(c:byte()) end)
  return '"' .. s .. '"'
end

local json
local function number(v)
  if v ~= v or v == math.huge or v == -math.huge then return "null" end
  return ("%.7g"):format(v)
end

function json(v)
  if type(v) == "number" then return number(v) end
  if type(v) == "string" then return quoted(v) end
  if type(v) ~= "table" then return v and "true" or v == false and "false" or "null" end
  local out = {}
  if #v > 0 or next(v) == nil then
    for i = 1, #v do out[i] = json(v[i]) end
    return "[" .. table.concat(out, ",") .. "]"
  end
  local keys = {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys)
  for i, k in ipairs(keys) do out[i] = quoted(k) .. ":" .. json(v[k]) end
  return "{" .. table.concat(out, ",") .. "}"
end

-- ---- families ----

local pages = {}

-- A map (H, W) with its channels' windows.
local function map_of(x, name)
  return {name = name, h = x.shape[1], w = x.shape[2], v = x:reshape(-1):tolist()}
end

-- Lists of places, -1 for padding.
local function axis(list)
  local out = {}
  for i, at in ipairs(list) do
    out[i] = {}
    for k, v in ipairs(at) do out[i][k] = v or -1 end
  end
  return out
end

function pages.window(e)
  local f, index = e.field, e.own_index
  local h, w = f.out.shape[1], f.out.shape[2]
  local page = {
    family = "window", how = f.how, rows = axis(f.rows), cols = axis(f.cols), maps = {},
    sheet = {w = w, h = h, extra = 0, v = f.out:reshape(-1):tolist(),
      chosen = index[f.places[1]] * w + index[f.places[2]]},
  }
  local count, size = f.x.shape[1], f.x.shape[2] * f.x.shape[3]
  local most = f.how == "conv" and math.max(1, math.min(count, CHANNELS, MAPS // size)) or 1
  local kept = {}
  for i, band in ipairs(anatomy.of(f, index, most).bands) do
    local c = band.channel or 0
    kept[c] = true
    page.maps[i] = map_of(f.x[c], f.name(c))
    page.maps[i].kernel = f.kernel and f.kernel[c]:reshape(-1):tolist()
  end
  if f.how == "mean" then
    page.divisor = {}
    for i, row in ipairs(f.rows) do
      for j, col in ipairs(f.cols) do page.divisor[(i - 1) * w + j] = f.divisor(row, col) end
    end
  end
  if most < count then
    page.rest = f.rest(kept):reshape(-1):tolist()
    page.others = ("%d other channel%s"):format(count - most, count - most == 1 and "" or "s")
  end
  page.bias = f.bias
  return page
end

-- The sheet of the numbers beside the one that was asked for, and where each was computed.
local function sheet_of(e)
  local sheet = place.sheet(e.place, e.node, e.index)
  local v, own = {}, {}
  for i, index in ipairs(sheet.list) do
    v[i] = place.read(e.node.value, index)
    own[i] = e.back(index)
  end
  return {w = sheet.w, h = sheet.h, extra = sheet.extra, v = v, chosen = sheet.chosen - 1}, own
end

function pages.dot(e)
  local f = e.field
  local sheet, own = sheet_of(e)
  local layout = f.layout or {}
  local now = f.at(e.own_index)
  local n, count = #now.v, #own
  -- Rows too long are shown in part, the rest as a sum; of too many only those near are there.
  local kept = {}
  if not layout.blocks and not layout.grid and n > 64 then
    local order = {}
    for i = 1, n do order[i] = i end
    table.sort(order, function(a, b)
      local x, y = math.abs(now.v[a] * now.w[a]), math.abs(now.v[b] * now.w[b])
      return x > y or x == y and a < b
    end)
    for i = 1, 64 do kept[i] = order[i] end
    table.sort(kept)
  else
    for i = 1, n do kept[i] = i end
  end
  local near = math.max(1, math.min(count, ROWS // #kept))
  local from = math.max(0, math.min(count - near, sheet.chosen - near // 2))
  local page = {
    family = "dot", sheet = sheet, from = from, rows = {}, titles = f.titles, one = f.one,
    grid = layout.grid, blocks = layout.blocks, const = f.const,
    others = #kept < n and ("%d other %ss"):format(n - #kept, f.one) or nil,
  }
  local function part(list)
    if not list then return nil end
    if #kept == n then return list end
    local out = {}
    for i, k in ipairs(kept) do out[i] = list[k] end
    return out
  end
  if #kept < n then
    page.names = {}
    for i, k in ipairs(kept) do page.names[i] = k - 1 end
  end
  for p = from, from + near - 1 do
    local at = p == sheet.chosen and now or f.at(own[p + 1])
    local row = {bias = at.bias, before = part(at.before)}
    if f.const ~= "v" or p == from then row.v = part(at.v) end
    if f.const ~= "w" or p == from then row.w = part(at.w) end
    if #kept < n then
      local all, some = 0.0, 0.0
      for i = 1, n do all = all + at.v[i] * at.w[i] end
      for _, k in ipairs(kept) do some = some + at.v[k] * at.w[k] end
      row.rest = all - some
    end
    page.rows[#page.rows + 1] = row
    page.before_title = at.before_title
  end
  return page
end

-- The function of a step over the numbers that go in, as points {x, y}.
local function curve_of(step, list)
  local low, high = math.huge, -math.huge
  for _, v in ipairs(list) do
    if v == v and math.abs(v) < math.huge then low, high = math.min(low, v), math.max(high, v) end
  end
  if low > high then return nil end
  low, high = math.min(low, -1), math.max(high, 1)
  local out = {}
  for i = 0, 100 do
    local x = low + (high - low) * i / 100
    local y = step.f(x)
    if y == y and math.abs(y) < math.huge then out[#out + 1] = {x, y} end
  end
  return #out > 1 and out or nil
end

function pages.chain(e)
  local sheet, own = sheet_of(e)
  local page = {family = "chain", sheet = sheet, summands = {}}
  local around = e.field.around and e.field.around(e.own_index)
  if around and around.column then page.around = around end -- the same at every place
  for s, summand in ipairs(e.field.summands) do
    local steps, so_far = {}, {}
    for k, step in ipairs(summand.steps) do
      local one = {sign = step.sign, title = step.title}
      if type(step.v) == "number" then one.v = step.v
      elseif not step.f then
        one.v = {}
        local same = true
        for i, index in ipairs(own) do
          one.v[i] = anatomy.step(step, index)
          same = same and one.v[i] == one.v[1]
        end
        if same then one.v = one.v[1] end
      end
      if step.f then one.curve = curve_of(step, so_far) end
      local after = {}
      for i = 1, #own do
        local v = one.v
        if type(v) == "table" then v = v[i] end
        after[i] = anatomy.apply(step, so_far[i], v)
      end
      so_far = after
      if step.f then one.v = after end
      steps[k] = one
    end
    page.summands[s] = {label = summand.label, steps = steps, sum = so_far}
  end
  return page
end

--- sliding(e): the page's HTML. e: field, node, index, place (of the number that was asked for), own_index (of where it
-- was computed), back (f(index) → own index), head (lines of words), path, classes
-- (the units' names, or nil).
return function(e)
  local page = pages[e.field.family](e)
  page.title, page.said, page.unit = e.head[1], e.head[2], e.unit
  page.sheet.name = ("%s, %s"):format(e.path == "" and "output" or e.path,
    #e.place.dims > 0 and e.place.unit and ("unit %d"):format(e.index[e.place.unit + 1]) or "all units")
  page.sheet.names = #e.place.dims == 0 and e.classes or nil
  local colours = {}
  for i = 0, 16 do
    colours[i + 1] = ("#%06x"):format((matrices.colour_of(i / 8 - 1, 1) or 0) & 0xffffff)
  end
  page.colours = colours
  local title = text.safe(e.head[1], true):gsub("[<&]", {["<"] = "&lt;", ["&"] = "&amp;"})
  local script = {}
  for i, name in ipairs {"maps", "parts", "moving"} do script[i] = require("suture.vis.page." .. name) end
  return (frame:gsub("@(%u+)@", {
    TITLE = title, STYLE = require "suture.vis.page.style", DATA = json(page), SCRIPT = table.concat(script),
  }))
end
