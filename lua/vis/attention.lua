local colours = require "suture.vis.common.colours"
local fault = require "suture.base.fault"
local heads = require "suture.vis.common.heads"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local places_of = require "suture.vis.common.places"
local suggest = require "suture.base.suggest"
local tensor = require "suture.tensor"

local read = options.named("attention", "layer:str=nil head:natural=nil at:table=nil")

local function chosen(list, layer)
  if layer == nil then return list[#list] end
  local names = {}
  for i, a in ipairs(list) do
    if a.path == layer or a.path:sub(1, #layer + 1) == layer .. "." then return a end
    names[i] = a.path
  end
  fault("attention: no attention at '%s'%s · there are: %s", layer, suggest.hint(layer, names),
    table.concat(names, ", "))
end

-- The place {y, x} that was asked for, as its number on a map of h × w.
local function place_of(at, h, w)
  local y, x = math.tointeger(at[1]), math.tointeger(at[2])
  if not y or not x or #at ~= 2 or y < 0 or x < 0 or y >= h or x >= w then
    fault("attention: at expects {y, x} on a map of %d × %d, from 0, got %s", h, w, options.show(at))
  end
  return y * w + x
end

-- What each head's map is: of tokens of the whole picture the row of one place, of the class token, or the mean of all.
local function of_tokens(a, w, o)
  local at = o.at and a.extra + place_of(o.at, a.h, a.w)
  return a.h, a.w, function(head)
    local part = w[0][head]:narrow(1, a.extra, a.h * a.w)
    return (at and part[at] or a.extra > 0 and part[0] or part:mean(0)):reshape(a.h, a.w)
  end, at and ("at %d, %d"):format(o.at[1], o.at[2]) or a.extra > 0 and "the class token's" or "mean of all tokens"
end

-- Of windows: each place where it stands in the picture, what the others of its window give it, their mean, or what
-- one place gives to those of its own.
local function of_windows(t, a, w, o)
  local places = places_of("attention", t, a)
  local one = o.at and places.place[place_of(o.at, places.h, places.w) + 1]
  local rows, flat = w.shape[#w.shape], {}
  for i, p in ipairs(places.place) do flat[i] = p[1] * rows + p[2] end
  flat = tensor.tensor(flat)
  return places.h, places.w, function(head)
    local part = w:select(1, head) -- (windows, L, L)
    if one then
      local row = tensor.zeros(part.shape[1], rows)
      row[one[1]] = part[one[1]][one[2]]
      part = row
    else part = part:mean(1) end
    return part:reshape(-1):index_select(0, flat):reshape(places.h, places.w)
  end, one and ("at %d, %d, in its window"):format(o.at[1], o.at[2])
    or ("mean within windows of %d"):format(rows)
end

--- vis.attention(m, picture[, {layer =, head =, at =}]): how much a transformer's tokens look at each place: a panel
-- for each head (head: a number from 0: that one alone), as a map of the picture. layer: the path of a block or its
-- attention (default: the last). What is shown is the row of the class token, or without one the mean of all rows; at
-- = {y, x}: the row of that place of the map. In windows (Swin, MaxViT) each place has the mean over those of its own
-- window, where it stands in the picture, known from the graph; at: what that place sees in its window. picture: one.
-- Vaswani et al. 2017, arXiv:1706.03762. .map: the probabilities (heads, L, L) or (windows, heads, L, L), each row adds
-- up to 1; .tensor() (heads, h, w): what is shown, 1 at its greatest.
local function attention(m, x, opts)
  local o = read(opts)
  x = looked.input("attention", m, x)
  if x.shape[1] ~= 1 then fault("attention: expects one picture, got %d", x.shape[1]) end
  local t = looked.run("attention", m, x)
  local a = chosen(heads.of("attention", t), o.layer)
  local w = a.weights
  local s = w.shape
  w = w:reshape(-1, s[#s - 2], s[#s - 1], s[#s])
  local count, panels, shown = s[#s - 2], {}, {}
  if o.head and o.head >= count then fault("attention: head expects 0 to %d, got %d", count - 1, o.head) end
  local height, width, of, told
  if a.h then height, width, of, told = of_tokens(a, w, o) else height, width, of, told = of_windows(t, a, w, o) end
  for head = o.head or 0, o.head or count - 1 do
    local part = of(head)
    shown[#shown + 1] = (part / part:max():clamp(1e-30)):detach()
    panels[#panels + 1] = {image = colours.map(shown[#shown], "viridis"), caption = "head " .. head}
  end
  return picture {
    panels = panels, legend = {low = 0, high = "most", colours = "viridis"}, layer = a.path,
    map = w.shape[1] == 1 and w[0] or w, shown = tensor.stack(shown, 0),
    caption = ("attention of %s, %s, %d × %d"):format(a.path, told, height, width),
  }
end

return attention
