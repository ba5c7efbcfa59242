--- Matrices of numbers side by side, with signs between them: as coloured lines for a terminal, and on a page.
local canvas = require "suture.base.canvas"
local colours = require "suture.vis.common.colours"
local core = require "suture.core"
local term = require "suture.base.term"
local text = require "suture.base.text"

local matrices = {}

local SHADES = " .:-=+*#%@"
local TALL = 28 -- rows of a matrix at most; a larger one is shown by means

--- matrices.number(v, width): a number in so many columns at most, if it can be; "·" for false.
function matrices.number(v, width)
  if not v then return text.plain "·" end
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  if v == math.floor(v) and math.abs(v) < 1000 then
    local s = ("%d"):format(v)
    if #s <= width then return s end
  end
  for d = 4, 0, -1 do
    local s = ("%." .. d .. "f"):format(v)
    if #s <= width and (v == 0 or s:find "[1-9]") then return s end
  end
  local s = ("%.0e"):format(v):gsub("e([+-])0", "e%1"):gsub("e%+", "e")
  if #s > width and math.abs(v) < 1 then s = ("%.2f"):format(v):gsub("0%.", ".") end -- as much as there is room for
  return s
end

local function most_of(rows)
  local most = 0
  for _, row in ipairs(rows) do
    for _, v in ipairs(row) do
      if v and v == v and math.abs(v) < math.huge then most = math.max(most, math.abs(v)) end
    end
  end
  return most
end

-- The greatest number of each of a band list's matrices, by where they stand, so that one colour means one number.
local function scales(bands)
  local out = {}
  for _, band in ipairs(bands) do
    for i, cell in ipairs(band.cells) do
      if type(cell) == "table" then out[cell.title] = math.max(out[cell.title] or 0, most_of(cell.rows)) end
    end
  end
  return out
end
matrices.scales = scales

local function colour_of(v, scale)
  if not v or v ~= v then return nil end
  return colours.at("signed", scale > 0 and 0.5 + 0.5 * math.max(-1, math.min(1, v / scale)) or 0.5)
end
matrices.colour_of = colour_of

-- Means of k × k numbers.
local function coarser(rows, k)
  local out = {}
  for r = 1, #rows, k do
    out[#out + 1] = {}
    for c = 1, #rows[r], k do
      local s, n = 0.0, 0
      for y = r, math.min(#rows, r + k - 1) do
        for x = c, math.min(#rows[y], c + k - 1) do
          if rows[y][x] then s, n = s + rows[y][x], n + 1 end
        end
      end
      out[#out][#out[#out] + 1] = n > 0 and s / n
    end
  end
  return out
end

-- ---- the terminal ----

-- How colours are written here: f(text, colour, bold), by what the terminal can; nil: not at all.
local function painter()
  if not term.colour() then return nil end
  local many, true_colour = core.term.colours() or 0, os.getenv "COLORTERM"
  if true_colour == "truecolor" or true_colour == "24bit" then
    return function(s, c)
      local back = ("48;2;%d;%d;%d"):format(c >> 16 & 255, c >> 8 & 255, c & 255)
      return ("\27[%s;%sm%s\27[0m"):format(back, colours.dark(c) and "97" or "30", s)
    end
  end
  if many >= 256 then
    return function(s, c)
      local function level(v) return math.floor((v & 255) / 255 * 5 + 0.5) end
      local n = 16 + 36 * level(c >> 16) + 6 * level(c >> 8) + level(c)
      return ("\27[48;5;%d;%sm%s\27[0m"):format(n, colours.dark(c) and "97" or "30", s)
    end
  end
  return function(s, c)
    local red, blue = c >> 16 & 255, c & 255
    return ("\27[%dm%s\27[0m"):format(red > blue and 31 or blue > red and 34 or 39, s)
  end
end

-- A matrix as a block: lines of `width` columns. each: columns of a number; 2 or 1: no numbers, but shades.
local function block_of(cell, each, scale, paint)
  local rows, title, k = cell.rows, text.plain(cell.title), 1
  while #rows / k > TALL or each * (#rows[#rows] / k) > 100 and each <= 2 do k = k + 1 end
  if k > 1 then
    rows, title = coarser(rows, k), ("%s (means of %d by %d)"):format(title, k, k)
  end
  local wide = 0
  for _, row in ipairs(rows) do wide = math.max(wide, #row) end
  local lines, width = {}, wide * each
  for r, row in ipairs(rows) do
    local parts = {}
    for c, v in ipairs(row) do
      local s
      local marked = cell.mark and cell.mark[1] == r and cell.mark[2] == c
      if each > 2 then
        s = (marked and ">" or "") .. matrices.number(v, each - 1)
        s = (" "):rep(each - term.columns(s)) .. s
      elseif paint then s = (" "):rep(each)
      else
        local share = v and scale > 0 and v == v and math.min(1, math.abs(v) / scale) or 0
        local i = math.floor(share * (#SHADES - 1) + 0.5)
        s = SHADES:sub(i + 1, i + 1):rep(each)
      end
      local colour = paint and colour_of(v, scale)
      parts[c] = colour and paint(s, colour) or s
    end
    lines[r] = table.concat(parts) .. (" "):rep(width - #row * each)
  end
  local room = math.max(width, term.columns(title))
  for r, line in ipairs(lines) do lines[r] = (" "):rep(room - width) .. line end
  table.insert(lines, 1, text.pad(title, room, "right"))
  return {lines = lines, width = room}
end

-- Columns that a matrix wants with `each` for a number.
local function wants(cell, each)
  local wide = 0
  for _, row in ipairs(cell.rows) do wide = math.max(wide, #row) end
  return math.max(wide * each, term.columns(text.plain(cell.title)))
end

-- How many columns each number of a band gets: what lets all stand in a row, else what lets each stand alone.
local function each_of(band, room)
  for _, each in ipairs {8, 7, 6, 5} do
    local sum = 0
    for _, cell in ipairs(band.cells) do
      sum = sum + (type(cell) == "string" and term.columns(text.plain(cell)) + 2 or wants(cell, each))
    end
    if sum <= room then return each end
  end
  for _, each in ipairs {6, 5, 2} do
    local fits = true
    for _, cell in ipairs(band.cells) do
      if type(cell) == "table" then
        fits = fits and wants(cell, each) <= room and (each == 2 or #cell.rows[#cell.rows] <= 9)
      end
    end
    if fits then return each end
  end
  return 1
end

-- Blocks side by side as lines, a new band of lines where the room is used up; signs in the middle.
local function flow(blocks, room, indent, out)
  local at = 1
  while at <= #blocks do
    local last, width, height = at, 0, 0
    while last <= #blocks do
      local b = blocks[last]
      local w = b.sign and term.columns(b.sign) + 2 or b.width
      if last > at and width + w > room then break end
      width, height, last = width + w, math.max(height, b.lines and #b.lines or 1), last + 1
    end
    for l = 1, height do
      local parts = {}
      for i = at, last - 1 do
        local b = blocks[i]
        if b.sign then
          local here = l == (height + 2) // 2
          parts[#parts + 1] = here and " " .. b.sign .. " " or (" "):rep(term.columns(b.sign) + 2)
        else parts[#parts + 1] = b.lines[l] or (" "):rep(b.width) end
      end
      out[#out + 1] = ((" "):rep(indent) .. table.concat(parts)):gsub("%s+$", "")
    end
    at = last
  end
end

-- The names of a band's rows as a block.
local function names_block(names)
  local lines, width = {""}, 0
  for i, name in ipairs(names) do
    lines[i + 1] = text.plain(term.safe(name, true))
    width = math.max(width, term.columns(lines[i + 1]))
  end
  for i, line in ipairs(lines) do lines[i] = text.pad(line, width) end
  return {lines = lines, width = width}
end

--- matrices.lines(bands, width): bands ({label, cells, names}; see common/anatomy) as lines for a terminal.
function matrices.lines(bands, width)
  local out, paint, scale = {}, painter(), scales(bands)
  local room = math.max(16, width - 2)
  for _, band in ipairs(bands) do
    local blocks, here = {}, room
    if band.names then
      blocks[1] = names_block(band.names)
      here = here - blocks[1].width
    end
    local each = each_of(band, here)
    for _, cell in ipairs(band.cells) do
      blocks[#blocks + 1] = type(cell) == "string" and {sign = text.plain(cell)}
        or block_of(cell, each, scale[cell.title], paint)
    end
    out[#out + 1] = text.cut(text.plain(term.safe(band.label, true)), width)
    flow(blocks, room, 2, out)
  end
  return out
end

-- ---- the page ----

local CELL, HIGH, SMALL = 46, 20, 8

-- Draws a matrix with its corner at (x, y); its width and height.
local function draw_matrix(page, cell, x, y, scale)
  local wide = 0
  for _, row in ipairs(cell.rows) do wide = math.max(wide, #row) end
  local named = wide <= 9
  local w, h = named and CELL or SMALL, named and HIGH or SMALL
  local width = math.max(wide * w, (utf8.len(cell.title) or #cell.title) * 6)
  if page then
    page:text(cell.title, x + width / 2, y + 10, {at = 0.5, size = 10, colour = 0xff606060})
    for r, row in ipairs(cell.rows) do
      for c, v in ipairs(row) do
        local colour = colour_of(v, scale)
        local left, top = x + (width - wide * w) / 2 + (c - 1) * w, y + 14 + (r - 1) * h
        page:rect(left, top, w - (named and 1 or 0.2), h - (named and 1 or 0.2), colour or 0xffe8e8e8)
        if cell.mark and cell.mark[1] == r and cell.mark[2] == c then
          page:line({left, top, left + w - 1, top, left + w - 1, top + h - 1, left, top + h - 1, left, top}, 1.5)
        end
        if named then
          page:text(matrices.number(v, 7), left + w / 2, top + h / 2 + 4,
            {at = 0.5, size = 10, colour = colour and colours.dark(colour) and 0xffffffff or 0xff202020})
        end
      end
    end
  end
  return width, 14 + #cell.rows * h
end

--- matrices.page(head, bands, rows, own): the same on a canvas. head: lines of text; rows: {sign, label, number} of
-- what is added up, own: the model's own number.
function matrices.page(head, bands, rows, own)
  local scale, height, width = scales(bands), 12, 200
  local places = {} -- of what is drawn: where, then drawn once the size is known
  local function put_lines(lines, bold)
    for i, line in ipairs(lines) do
      height = height + 17
      local y = height
      width = math.max(width, (utf8.len(line) or #line) * 6.6 + 24)
      places[#places + 1] = function(page) page:text(line, 12, y, {size = bold and i == 1 and 13 or 11}) end
    end
  end
  put_lines(head, true)
  for _, band in ipairs(bands) do
    put_lines {band.label}
    local x, y, high = 24, height + 4, 0
    if band.names then
      local most = 0
      for i, name in ipairs(band.names) do
        most = math.max(most, (utf8.len(name) or #name) * 6.2)
        places[#places + 1] = function(page) page:text(name, 24, y + 14 + i * HIGH - 6, {size = 10}) end
      end
      x = x + most + 8
    end
    for _, cell in ipairs(band.cells) do
      local wide = type(cell) == "string" and (utf8.len(cell) or #cell) * 8 + 12 or draw_matrix(nil, cell, 0, 0, 1)
      if x > 30 and x + wide > 980 then x, y, high = 24, y + high + 8, 0 end
      local left, top = x, y
      if type(cell) == "string" then
        places[#places + 1] = function(page)
          page:text(cell, left + wide / 2, top + 14 + math.max(HIGH, high - 14) / 2 + 4, {at = 0.5, size = 13})
        end
      else
        local _, tall = draw_matrix(nil, cell, 0, 0, 1)
        high = math.max(high, tall)
        places[#places + 1] = function(page) draw_matrix(page, cell, left, top, scale[cell.title]) end
      end
      x = x + wide
      width = math.max(width, x + 12)
    end
    height = y + high + 4
  end
  local names, wide = 0, 0
  for _, row in ipairs(rows) do
    names = math.max(names, (utf8.len(row[2]) or #row[2]) * 6.4)
    wide = math.max(wide, #row[3] * 7)
  end
  height = height + 6
  for i, row in ipairs(rows) do
    height = height + 17
    local y, right = height, 30 + names + 24 + wide
    places[#places + 1] = function(page)
      page:text(row[1], 12, y)
      page:text(row[2], 30, y)
      page:text(row[3], right, y, {at = 1})
      if i == #rows then
        if i > 1 then page:line({12, y - 13, right, y - 13}, 1) end
        page:text("the model's own: " .. own, right + 18, y)
      end
    end
    width = math.max(width, right + 18 + (17 + #own) * 6.8)
  end
  local page = canvas(math.ceil(width), math.ceil(height + 14))
  for _, draw in ipairs(places) do draw(page) end
  return page
end

return matrices
