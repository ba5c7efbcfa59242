local colours = require "suture.vis.common.colours"
local fault = require "suture.base.fault"
local heads = require "suture.vis.common.heads"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local suggest = require "suture.base.suggest"

local read = options.named("attention", "layer:str=nil head:natural=nil")

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

--- vis.attention(m, picture[, {layer =, head =}]): how much each token of a transformer looks at each other: a panel
-- for each head (head: a number from 0: that one alone). layer: the path of a block or its attention (default: the
-- last). Where the tokens are those of the whole picture, what is shown is the row of the class token, or without one
-- the mean of all rows, as a map of the picture; in windows (Swin, MaxViT) the matrix of the first window. picture:
-- one. Vaswani et al. 2017, arXiv:1706.03762. .map: the probabilities (heads, L, L) or (windows, heads, L, L), each
-- row adds up to 1.
local function attention(m, x, opts)
  local o = read(opts)
  x = looked.input("attention", m, x)
  if x.shape[1] ~= 1 then fault("attention: expects one picture, got %d", x.shape[1]) end
  local a = chosen(heads.of("attention", looked.run("attention", m, x)), o.layer)
  local w = a.weights
  local s = w.shape
  w = w:reshape(-1, s[#s - 2], s[#s - 1], s[#s])
  local count, panels = s[#s - 2], {}
  if o.head and o.head >= count then fault("attention: head expects 0 to %d, got %d", count - 1, o.head) end
  for head = o.head or 0, o.head or count - 1 do
    local part = w[0][head]
    if a.h then
      local row = a.extra > 0 and part[0]:narrow(0, a.extra, a.h * a.w) or part:mean(0)
      part = row:reshape(a.h, a.w)
    end
    panels[#panels + 1] = {image = colours.map(part / part:max():clamp(1e-30), "viridis"), caption = "head " .. head}
  end
  local map = w.shape[1] == 1 and w[0] or w
  return picture {
    panels = panels, legend = {low = 0, high = "most", colours = "viridis"}, map = map, shown = map, layer = a.path,
    caption = ("attention of %s, %s"):format(a.path, a.h and
      (a.extra > 0 and "the class token's, %d × %d" or "mean of all tokens, %d × %d"):format(a.h, a.w)
      or ("within a window of %d tokens"):format(s[#s])),
  }
end

return attention
