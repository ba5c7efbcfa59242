--- Modules in words: "Conv2d(3, 64, 7×7, s2, p3)" where space is short, "Linear(512 → 1000)" where a change is told.
local text = require "suture.base.text"
local words = {}

local function pair(p)
  if type(p) ~= "table" then return tostring(p), p end
  if #p == 1 or p[1] == p[2] then return tostring(p[1]), p[1] end
  return ("%s%s%s"):format(p[1], text.sign "times", p[2])
end

local function size(p)
  if type(p) == "table" then return ("%s%s%s"):format(p[1], text.sign "times", p[2] or p[1]) end
  return ("%s%s%s"):format(p, text.sign "times", p)
end

local function window(m, parts)
  parts[#parts + 1] = size(m.kernel_size)
  local s, sv = pair(m.stride)
  if sv ~= 1 then parts[#parts + 1] = "s" .. s end
  local p, pv = pair(m.padding)
  if pv ~= 0 then parts[#parts + 1] = m.padding == "same" and "same" or "p" .. p end
  local d, dv = pair(m.dilation or 1)
  if dv ~= 1 then parts[#parts + 1] = "d" .. d end
  return parts
end

local short = {
  Conv2d = function(m)
    local parts = window(m, {tostring(m.in_channels), tostring(m.out_channels)})
    if m.groups ~= 1 then parts[#parts + 1] = m.groups == m.in_channels and "depthwise" or "g" .. m.groups end
    return parts
  end,
  Linear = function(m) return {tostring(m.in_features), tostring(m.out_features)} end,
  BatchNorm1d = function(m) return {tostring(m.num_features)} end,
  BatchNorm2d = function(m) return {tostring(m.num_features)} end,
  MaxPool2d = function(m) return window(m, {}) end,
  AvgPool2d = function(m) return window(m, {}) end,
  AdaptiveAvgPool2d = function(m)
    local s = m.output_size
    if type(s) == "table" then return {("%s%s%s"):format(s[1] or "*", text.sign "times", s[2] or "*")} end
    return {size(s)}
  end,
}

-- "3 BasicBlock" where all children are of one class, else how many there are.
local function contents(m)
  local names = rawget(m, "_names")
  if #names == 0 then return "" end
  local class = getmetatable(m._children[names[1]]).__name
  for _, n in ipairs(names) do
    if getmetatable(m._children[n]).__name ~= class then return ("%d modules"):format(#names) end
  end
  return ("%d %s"):format(#names, class)
end

local function ascii(s) return text.unicode() and s or (s:gsub("→", "->"):gsub("×", "x"):gsub("…", "...")) end

--- words.extra(m): the constructor's values as the class shows them (`extra`), "" when it has none.
function words.extra(m)
  local class = getmetatable(m)
  local extra = class.extra or class.extra_repr
  if not extra then return "" end
  local ok, s = pcall(extra, m)
  return ok and type(s) == "string" and ascii(s) or ""
end

local function tuple(p)
  if type(p) ~= "table" then return type(p) == "string" and ("'%s'"):format(p) or ("(%s, %s)"):format(p, p) end
  return ("(%s, %s)"):format(p[1] or "None", p[2] or p[1] or "None")
end
local function one(p) -- a number where both are the same, as PyTorch keeps what a pool was given
  if type(p) == "table" and p[1] == p[2] then return tostring(p[1]) end
  return type(p) == "table" and tuple(p) or tostring(p)
end
local function number(x)
  local s = ("%g"):format(x)
  return s
end
local function truth(b) return b and "True" or "False" end

local torch = {
  Conv2d = function(m)
    local s = ("%d, %d, kernel_size=%s, stride=%s"):format(m.in_channels, m.out_channels, tuple(m.kernel_size), tuple(m.stride))
    local _, p = pair(m.padding)
    if m.padding == "same" or p ~= 0 then s = s .. ", padding=" .. (m.padding == "same" and "same" or tuple(m.padding)) end
    local _, d = pair(m.dilation)
    if d ~= 1 then s = s .. ", dilation=" .. tuple(m.dilation) end
    if m.groups ~= 1 then s = s .. ", groups=" .. m.groups end
    return s .. (m.bias == nil and ", bias=False" or "")
  end,
  Linear = function(m) return ("in_features=%d, out_features=%d, bias=%s"):format(m.in_features, m.out_features, truth(m.bias ~= nil)) end,
  MaxPool2d = function(m)
    return ("kernel_size=%s, stride=%s, padding=%s, dilation=%s, ceil_mode=%s"):format(one(m.kernel_size), one(m.stride), one(m.padding), one(m.dilation), truth(m.ceil_mode))
  end,
  AvgPool2d = function(m) return ("kernel_size=%s, stride=%s, padding=%s"):format(one(m.kernel_size), one(m.stride), one(m.padding)) end,
  AdaptiveAvgPool2d = function(m)
    local s = m.output_size
    return "output_size=" .. (type(s) == "table" and tuple {s[1] or "None", s[2] or "None"} or tuple(s))
  end,
  Dropout = function(m) return ("p=%s, inplace=False"):format(number(m.p)) end,
  Flatten = function(m) return ("start_dim=%d, end_dim=%d"):format(m.start_dim, m.end_dim) end,
}
torch.Dropout2d = torch.Dropout
function torch.BatchNorm2d(m)
  return ("%d, eps=%s, momentum=%s, affine=%s, track_running_stats=%s"):format(m.num_features, number(m.eps), m.momentum and number(m.momentum) or "None",
    truth(m.affine), truth(m.track_running_stats))
end
torch.BatchNorm1d = torch.BatchNorm2d

--- words.torch(m): the constructor's values as PyTorch prints them; those of other classes as words.extra.
function words.torch(m)
  local class = getmetatable(m)
  if class._builtin and torch[class.__name] then
    local ok, s = pcall(torch[class.__name], m)
    if ok then return s end
  end
  return words.extra(m)
end

--- words.brief(m): class and the constructor's values, as short as they can be read.
function words.brief(m)
  local class = getmetatable(m)
  local name = class.__name
  if class._builtin and short[name] then
    local ok, parts = pcall(short[name], m)
    if ok then return ("%s(%s)"):format(name, table.concat(parts, ", ")) end
  end
  if name == "Sequential" or name == "ModuleList" then
    local inside = contents(m)
    return inside ~= "" and ("%s(%s)"):format(name, inside) or name
  end
  local extra = words.extra(m)
  return extra ~= "" and ("%s(%s)"):format(name, extra) or name
end

--- words.module(m): class and values in full: "Linear(512 → 1000)".
function words.module(m)
  local name = getmetatable(m).__name
  local extra = words.extra(m)
  if extra ~= "" then return ("%s(%s)"):format(name, extra) end
  if #rawget(m, "_names") > 0 and (name == "Sequential" or name == "ModuleList") then return words.brief(m) end
  return name .. "()"
end

return words
