--- data.leaks: samples that two data sets have in common, by content.
local core = require "suture.core"
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local text = require "suture.base.text"
local Dataset = require "suture.data.dataset"
local digest, image = core.digest, core.image

local WIDE, HIGH = 9, 8 -- of the picture whose neighbours in a row are compared

local Leaks = {__name = "leaks", __tostring = function(list)
  if #list == 0 then return ("no sample of the %d is among the %d"):format(list.counts[1], list.counts[2]) end
  local lines = {("%d of %d samples are also among the other %d:"):format(list.samples, list.counts[1], list.counts[2])}
  for i, one in ipairs(list) do
    if i > 10 then
      lines[#lines + 1] = ("… and %d more"):format(#list - 10)
      break
    end
    lines[#lines + 1] = ("%s = %s%s"):format(one.name_a, one.name_b,
      one.bits > 0 and (" (%d of 64 bits differ)"):format(one.bits) or "")
  end
  return text.safe(table.concat(lines, "\n"))
end}

-- x of every sample of ds, as it is stored: f(x, place).
local function each(ds, f)
  local plain = setmetatable({view = ds.view and {core = {channels = 3}} or nil}, {__index = ds})
  local set = {batch = 1, drop_last = false, augment = false, seed = 0, epoch = 0,
    threads = math.min(8, options.cores())}
  local next_batch, closing <close> = ds.source.loader(plain, ds.index, set)
  for place = 0, #ds - 1 do
    local x = next_batch()
    f(x[0], place)
  end
end

-- A picture as 64 bits: whether it gets brighter from place to place of a small copy (Krawetz 2013, dHash).
local function bits_of(x)
  if #x.shape ~= 3 or x.shape[1] ~= 1 and x.shape[1] ~= 3 then return nil end
  local small = image.preprocess(x, {resize_h = HIGH, resize_w = WIDE, filter = "bilinear", channels = 1}, 3)
  local out = 0
  for _, row in ipairs(small[0]:tolist()) do
    for k = 1, WIDE - 1 do out = out << 1 | (row[k] < row[k + 1] and 1 or 0) end
  end
  return out
end

local function differing(a, b)
  local x, n = a ~ b, 0
  while x ~= 0 do
    x = x & x - 1
    n = n + 1
  end
  return n
end

-- What is told of each sample: its content's digest and, where near ones are asked for, its bits.
local function signs(ds, near)
  local sums, bits = {}, {}
  each(ds, function(x, place)
    sums[place] = digest.tensor(x)
    bits[place] = near > 0 and (bits_of(x) or fault("data.leaks: near goes with pictures, got samples of shape %s",
      tostring(x.shape))) or nil
  end)
  return sums, bits
end

-- Of numbers that differ in at most `near` bits one of near + 1 parts is the same: places by part and what it is.
local function parted(value, near)
  local out, wide = {}, 64 // (near + 1)
  for k = 0, near do
    local mask = k == near and -1 or (1 << wide) - 1
    out[k + 1] = ("%d:%x"):format(k, value >> k * wide & mask)
  end
  return out
end

--- data.leaks(a, b[, {near = 0}]): the samples of a that b has too, by content: the same pixels (or numbers), whatever
-- the file is called, and whatever is done to them on the way. A picture that is in train and in val makes val look
-- better than it is. near = n (to 16): pictures too that differ in at most n of the 64 bits of a small grey copy, as
-- one that was saved again with another quality or size does (a mirrored or cropped one does not). Returns a list of {a
-- = place in a, b = place in b, name_a, name_b, bits}, which prints itself; #list is 0 where there are none.
return function(a, b, opts)
  for i = 1, 2 do
    local ds = i == 1 and a or i == 2 and b
    if not Dataset.is(ds) then
      fault("data.leaks: expects two data sets, got %s at place %d", options.shown(ds or nil), i)
    end
  end
  opts = options.check("data.leaks", opts or {}, {near = true})
  local near = opts.near == nil and 0 or options.whole("data.leaks", "near", opts.near, 0)
  if near > 16 then fault("data.leaks: near is a number of bits, at most 16, got %d", near) end
  local sums_a, bits_a = signs(a, near)
  local sums_b, bits_b = signs(b, near)
  local list, hit = setmetatable({counts = {#a, #b}, samples = 0}, Leaks), {}
  local function add(i, j, bits)
    if not hit[i] then list.samples, hit[i] = list.samples + 1, {} end
    if hit[i][j] then return end
    hit[i][j] = true
    list[#list + 1] = {a = i, b = j, name_a = a:name(i), name_b = b:name(j), bits = bits}
  end
  local by_sum, by_part = {}, {}
  for j = 0, #b - 1 do
    by_sum[sums_b[j]] = by_sum[sums_b[j]] or {}
    table.insert(by_sum[sums_b[j]], j)
    for _, part in ipairs(near > 0 and parted(bits_b[j], near) or {}) do
      by_part[part] = by_part[part] or {}
      table.insert(by_part[part], j)
    end
  end
  for i = 0, #a - 1 do
    for _, j in ipairs(by_sum[sums_a[i]] or {}) do add(i, j, 0) end
    for _, part in ipairs(near > 0 and parted(bits_a[i], near) or {}) do
      for _, j in ipairs(by_part[part] or {}) do
        local bits = differing(bits_a[i], bits_b[j])
        if bits <= near then add(i, j, bits) end
      end
    end
  end
  return list
end
