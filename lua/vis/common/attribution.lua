--- Attribution: how much each number of a picture has to do with a class. What the methods share: arguments, one class
-- a picture, the map that is shown.
local colours = require "suture.vis.common.colours"
local docs = require "suture.base.docs"
local fault = require "suture.base.fault"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local tensor = require "suture.tensor"

local attribution = {}

--- attribution.gradient(at, x): the gradient of the class scores with respect to pictures x (N, C, H, W) of at's
-- classes, (N, C, H, W).
function attribution.gradient(at, x)
  local t = looked.run(at.what, at.m, x)
  local g = t:grad(looked.score(t.output, at.classes), t.inputs[1])
  if not g then fault("%s: the class does not depend on the picture", at.what) end
  return g:detach()
end

-- Maps (N, H, W) as a picture: magma over the pictures, absolute values, the greatest of each made 1.
local function shown(at, title, map, values, more)
  local images, classes = looked.pictures(at.m, at.x), at.classes:tolist()
  local size = map:abs()
  local scaled = (size / size:amax({1, 2}, true):clamp(1e-30)):detach()
  local panels, label = {}, nil
  for i, image in ipairs(images) do
    label = looked.class_name(at.m, classes[i])
    panels[#panels + 1] = {image = image, caption = #images > 1 and label or "picture"}
    panels[#panels + 1] = {image = colours.map(scaled[i - 1], "magma"), caption = title}
  end
  local one = #images == 1
  local p = picture {
    panels = panels, columns = one and 2 or 4, legend = {low = 0, high = 1, colours = "magma"},
    caption = ("%s of %s%s"):format(title, one and label or ("%d pictures"):format(#images),
      more.told and ", " .. more.told or ""),
    shown = one and scaled[0] or scaled, map = one and map[0]:detach() or map:detach(),
    values = values and (one and values[0] or values), class = classes[1],
  }
  for k, v in pairs(more) do if k ~= "told" then p[k] = v end end
  return p
end

--- attribution.method(name, title, signature, rule): the function vis.<name>, whose help is the comment above `rule`.
-- signature: of its own options (base/options). rule(at, o) gives the map (N, H, W), the values (N, C, H, W) or nil,
-- and fields of the picture (told: words of its caption); at: {m, x (N, C, H, W), classes (N), what}.
function attribution.method(name, title, signature, rule)
  local read = options.named(name, "class:any=nil " .. signature)
  local function call(m, x, opts, ...)
    if select("#", ...) > 0 then fault("%s: expects a model, a picture and options, got more", name) end
    local o = read(opts)
    if type(o.class) == "table" then fault("%s: class expects one number or name", name) end
    x = looked.input(name, m, x)
    local output = looked.run(name, m, x).output
    local at = {what = name, m = m, x = x, classes = looked.classes(name, m, output, o.class)[1], output = output}
    local map, values, more = rule(at, o)
    return shown(at, title, map, values, more or {})
  end
  docs[call] = rule
  return call
end

--- attribution.scores(m, x, class): the scores (N) of one class number for pictures x, computed now, without gradients.
function attribution.scores(m, x, class)
  local s = looked.output(m, x):select(1, class)
  s:sum():item()
  return s
end

--- attribution.rows(x, i, n): picture i of x, n times.
function attribution.rows(x, i, n) return x:narrow(0, i, 1):expand(n, -1, -1, -1) end

--- attribution.each(at, f): f(picture (1, C, H, W), its class number, its class (1), i) for each picture; the results
-- stacked.
function attribution.each(at, f)
  local out, classes = {}, at.classes:tolist()
  for i = 0, at.x.shape[1] - 1 do
    out[i + 1] = f(at.x:narrow(0, i, 1), classes[i + 1], tensor.tensor {classes[i + 1]}, i)
  end
  return tensor.stack(out, 0)
end

return attribution
