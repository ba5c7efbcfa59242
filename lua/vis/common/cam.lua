--- Class activation maps: what they share. A method is a rule in a file of its own: terms(at) gives (N, C, h, w), whose
-- sum over the channels is the map.
local colours = require "suture.vis.common.colours"
local docs = require "suture.base.docs"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local grid = require "suture.vis.common.grid"
local looked = require "suture.vis.common.looked"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local pcall = require("suture.base.interrupt").pcall
local picture = require "suture.vis.common.picture"
local raw = require("suture.core").tensor
local suggest = require "suture.base.suggest"
local tensor = require "suture.tensor"

local cam = {methods = {}}

local known = {
  layer = "nil", class = "nil", method = "nil", aug_smooth = "false", eigen_smooth = "false", alpha = "nil"}

-- The last call of the module at path that has a map, as {path, nth, value, grid}.
local function named_layer(what, t, path)
  local ok, value = pcall(t.value, t, path)
  if not ok then fault("%s: layer: %s", what, (tostring(value):gsub("^.*value: ", ""))) end
  local g = not (type(value) == "table") and grid.of(t, value)
  if not g then
    local maps, seen = {}, {}
    for _, c in ipairs(t.calls) do
      if c.depth == 1 and not seen[c.path] and c.outputs[1] and grid.of(t, c.outputs[1]) then
        seen[c.path], maps[#maps + 1] = true, c.path
      end
    end
    fault("%s: %s gives no map of the picture: %s · layers that do: %s", what, path,
      type(value) == "table" and "several values" or tostring(value.shape), table.concat(maps, ", "))
  end
  return {path = path, value = value, grid = g}
end

-- Layers with a map from the last backwards, each value once, by its outermost module: at most n, and none in front of
-- the last whose map is no tokens.
local function last_layers(t, n)
  local by, order = {}, {}
  for i, c in ipairs(t.calls) do
    local v = c.outputs[1]
    if #c.outputs == 1 and c.path ~= "" and v and not by[v] then
      by[v] = {path = c.path, value = v, at = i}
      order[#order + 1] = by[v]
    end
  end
  local place = {}
  for _, node in ipairs(t.nodes) do place[node.value] = node.index end
  table.sort(order, function(a, b) return (place[a.value] or 0) > (place[b.value] or 0) end)
  local out = {}
  for _, layer in ipairs(order) do
    layer.grid = place[layer.value] and grid.of(t, layer.value)
    if layer.grid then
      raw.name(layer.value) -- kept when the rest is computed
      out[#out + 1] = layer
      if layer.grid.kind ~= "tokens" then break end
    end
    if #out == n then break end
  end
  return out
end

-- The last layer with a map through which the score's gradient flows: behind a class token's last look at the other
-- tokens nothing does.
local function default_layer(what, t, score, layers)
  if layers[1].grid.kind ~= "tokens" then return layers[1] end
  local values = {}
  for i, layer in ipairs(layers) do values[i] = layer.value end
  local gradients = {t:grad(score, values)}
  local still
  for i, layer in ipairs(layers) do
    local g = gradients[i]
    if g and grid.map(layer.grid, g):abs():max():item() > 0 then return layer end
    still = still or g
  end
  if still then
    fault("%s: the gradient of the class is 0 at every layer with a map: are the head's weights 0, as a new one's?",
      what)
  end
  fault('%s: no gradient of the class reaches a layer with a map · name one: layer = "…"', what)
end

--- cam.eigen(x): of maps (N, C, h, w), the projection on their first principal component, (N, h, w): X v, v the first
-- right singular vector of X (h·w, C), with the sign that makes its sum positive. v by squaring X Xᵀ until only its
-- greatest direction is left.
function cam.eigen(x)
  local n, c, h, w = table.unpack(x.shape)
  local out = {}
  for i = 0, n - 1 do
    local rows = x[i]:reshape(c, h * w):detach()
    local gram = rows:t():matmul(rows)
    local p = gram
    for _ = 1, 24 do
      p = p / p:abs():max():clamp(1e-30)
      p = p:matmul(p)
      p:max():item() -- computed now: the graph stays short
    end
    local diagonal = (p * tensor.eye(h * w)):sum(0)
    local u = p:select(1, diagonal:argmax():item())
    u = u / u:norm():clamp(1e-30)
    local size = (u * gram:matmul(u:unsqueeze(1)):squeeze(1)):sum():clamp(0):sqrt()
    local map = u * size
    if map:sum():item() < 0 then map = -map end
    out[i + 1] = map:reshape(h, w)
  end
  return tensor.stack(out, 0)
end

-- The maps (N, h, w) of one layer and one class.
local function maps_of(method, at, eigen)
  if method.map then return method.map(at) end
  local terms = method.terms(at)
  local map = (eigen or method.eigen) and cam.eigen(terms) or terms:sum(1)
  return method.signed and map or F.relu(map)
end

-- The layers of a run that may be looked at: the one named, or those with a map at the end.
local function layers_of(what, t, layer)
  if layer then return {named_layer(what, t, layer)} end
  local layers = last_layers(t, 12)
  if #layers == 0 then fault("%s: no layer of this model gives a map of the picture", what) end
  return layers
end

-- What a method's rule is given: the model, the pictures x (N, C, H, W), the trace t, the classes (N), the layer's a
-- and its gradient g, each (N, C, h, w).
local function look(what, m, x, method, layers, classes, t)
  local score = looked.score(t.output, classes)
  local named = default_layer(what, t, score, layers)
  local at = {what = what, m = m, x = x, t = t, classes = classes, score = score, layer = named}
  at.a = grid.map(named.grid, named.value):detach()
  if method.gradient ~= false then
    local g = t:grad(score, named.value)
    if not g then fault("%s: the class does not depend on %s", what, named.path) end
    at.g = grid.map(named.grid, g):detach()
  end
  return at
end

-- The same over six pictures: as it is and mirrored, times 0.9, 1 and 1.1.
local function smoothed(what, m, x, method, layer, classes, eigen)
  local sum, named
  for _, factor in ipairs {0.9, 1, 1.1} do
    for _, mirrored in ipairs {false, true} do
      local seen = (mirrored and x:flip(3) or x) * factor
      local t = looked.run(what, m, seen)
      local at = look(what, m, seen, method, layers_of(what, t, layer), classes, t)
      named = named or at.layer
      local map = maps_of(method, at, eigen)
      map = (mirrored and map:flip(2) or map):detach()
      sum = sum and (sum + map):detach() or map
    end
  end
  return sum / 6, named
end

-- How one picture's map is told.
local function panel_of(image, map, name, alpha, caption)
  return {image = colours.blend(image, map, name, alpha), caption = caption}
end

-- The map of each picture × layer × class, as a picture.
local function shown(what, m, x, found, method, alpha)
  local images = looked.pictures(m, x)
  local h, w = x.shape[3], x.shape[4]
  local panels, tensors, maps, names = {}, {}, {}, {}
  local many = #images * #found
  for _, f in ipairs(found) do
    local scaled = looked.scaled(f.map, h, w)
    local classes = f.classes:tolist()
    for i, image in ipairs(images) do
      local map = scaled[i - 1]:detach()
      local label = looked.class_name(m, classes[i])
      local caption = many > 1 and label .. (f.several and ", " .. f.layer or "") or nil
      panels[#panels + 1] = panel_of(image, map, "viridis", alpha, caption)
      tensors[#tensors + 1], maps[#maps + 1] = map, f.map[i - 1]:detach()
      names[#names + 1] = label
    end
  end
  local one = #tensors == 1
  local same = true
  for _, map in ipairs(maps) do same = same and tostring(map.shape) == tostring(maps[1].shape) end
  local h_map, w_map = maps[1].shape[1], maps[1].shape[2]
  return picture {
    panels = panels, legend = {low = 0, high = 1, colours = "viridis"},
    caption = ("%s of %s at %s, %d × %d"):format(method.title, one and names[1] or ("%d maps"):format(#tensors),
      found[1].layer .. (found[#found].layer ~= found[1].layer and " …" or ""), h_map, w_map),
    shown = one and tensors[1] or tensor.stack(tensors, 0),
    map = one and maps[1] or same and tensor.stack(maps, 0) or maps,
    layer = found[1].layer, method = method.name, class = found[1].classes:tolist()[1],
  }
end

local function method_named(what, name)
  if type(name) == "string" and cam.methods[name] then return cam.methods[name] end
  local names = {}
  for _, file in ipairs(require("suture.vis")._names) do
    local f = require("suture.vis")[file]
    for k, method in pairs(cam.methods) do if method.call == f then names[#names + 1] = k end end
  end
  if cam.methods[name] then return cam.methods[name] end
  table.sort(names)
  fault("%s: no method %s%s (there are: %s)", what, options.show(name), suggest.hint(tostring(name), names),
    table.concat(names, ", "))
end

local function run(method, m, x, opts)
  local what = method.name
  opts = options.check(what, opts == nil and {} or opts, known)
  if opts.method ~= nil then method = method_named(what, opts.method) end
  for _, name in ipairs {"aug_smooth", "eigen_smooth"} do
    if opts[name] ~= nil and type(opts[name]) ~= "boolean" then fault("%s: %s expects true or false", what, name) end
  end
  if opts.eigen_smooth and not method.terms then fault("%s: %s has no channels to smooth", what, method.name) end
  if opts.alpha ~= nil and not (type(opts.alpha) == "number" and opts.alpha >= 0 and opts.alpha <= 1) then
    fault("%s: alpha (how much of the colour is the map's) expects a number from 0 to 1", what)
  end
  x = looked.input(what, m, x)
  local layers = opts.layer
  if layers == nil then layers = {false}
  elseif type(layers) ~= "table" or Module.is_module(layers) then layers = {layers}
  else layers = {table.unpack(layers)} end
  if #layers == 0 then fault("%s: layer: an empty list", what) end
  if method.map and opts.layer ~= nil then fault("%s: adds up all layers: it takes no layer", method.name) end
  local t = looked.run(what, m, x)
  local there = {}
  for i, layer in ipairs(layers) do
    layers[i] = layer and looked.path(what, m, layer)
    there[i] = layers_of(what, t, layers[i])
  end
  local wanted = looked.classes(what, m, t.output, opts.class)
  local found = {}
  for i, layer in ipairs(layers) do
    for _, classes in ipairs(wanted) do
      local map, named
      if opts.aug_smooth then
        map, named = smoothed(what, m, x, method, layer, classes, opts.eigen_smooth)
      else
        local at = look(what, m, x, method, there[i], classes, t)
        map, named = maps_of(method, at, opts.eigen_smooth), at.layer
      end
      found[#found + 1] = {map = map:detach(), layer = named.path, classes = classes, several = #layers > 1}
    end
  end
  return shown(what, m, x, found, method, opts.alpha)
end

--- cam.method(name, title, rule, fields): the function vis.<name>, whose help is the comment above `rule`. rule(at)
-- gives the terms (N, C, h, w); at: see `look` above. fields: gradient = false (none is needed), eigen (the first
-- principal component in place of the sum), signed (what is below 0 stays in .map), map (the rule gives the map (N, h,
-- w)).
function cam.method(name, title, rule, fields)
  local method = fields or {}
  method.name, method.title = name, title
  if method.map then method.map = rule else method.terms = rule end
  local function call(m, x, opts, ...)
    if select("#", ...) > 0 then fault("%s: expects a model, a picture and options, got more", name) end
    return run(method, m, x, opts)
  end
  method.call, docs[call] = call, rule
  options.known(name, known)
  cam.methods[name] = method
  return call
end

return cam
