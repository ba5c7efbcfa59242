local ascent = require "suture.vis.common.ascent"
local fault = require "suture.base.fault"
local grid = require "suture.vis.common.grid"
local interrupt = require "suture.base.interrupt"
local looked = require "suture.vis.common.looked"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local painted = require "suture.vis.common.painted"
local picture = require "suture.vis.common.picture"
local synthesis = require "suture.vis.common.synthesis"
local tensor = require "suture.tensor"
local trace = require("suture.model.trace").trace
local wanted = require "suture.vis.common.wanted"

local read = options.named("dream", "layer:any=nil unit:natural=nil direction:any=nil octaves:count=nil "
  .. "octave_scale:positive=1.4 " .. ascent.options)

-- The layer that is dreamt of where none is named: parts of things, not yet whole ones. Of the maps with at least a
-- sixteenth of the picture's rows the coarsest, of the outermost modules that give one of that size the last.
local function default_layer(m, x)
  local t = looked.still(trace, m, x)
  local best
  for _, c in ipairs(t.calls) do
    local g = c.path ~= "" and #c.outputs == 1 and grid.of(t, c.outputs[1])
    if g and (not best or g.h * 16 >= x.shape[3]) then
      if not best or g.h < best.h or best.h * 16 < x.shape[3] or g.h == best.h and c.depth <= best.depth then
        best = {path = c.path, h = g.h, depth = c.depth}
      end
    end
  end
  if not best then fault "dream: no layer of this model gives a map of the picture" end
  return best.path
end

-- The sizes of the octaves, the smallest first; the last is the picture's. At most three where none are asked for.
local function sizes_of(h, w, o)
  local list = {}
  if not o.octaves then
    o.octaves = 1
    while o.octaves < 3 and math.min(h, w) / o.octave_scale ^ o.octaves >= 8 do o.octaves = o.octaves + 1 end
  end
  for k = o.octaves - 1, 0, -1 do
    local by = o.octave_scale ^ k
    local size = {math.floor(h / by + 0.5), math.floor(w / by + 0.5)}
    if math.min(size[1], size[2]) < 8 then
      fault("dream: %d octaves of a picture of %d × %d begin at %d × %d: fewer octaves, or an octave_scale below %g",
        o.octaves, h, w, size[1], size[2], o.octave_scale)
    end
    list[#list + 1] = size
  end
  return list
end

--- vis.dream(m, picture[, {layer =, octaves = 3, steps = 20, …}]): the picture changed so that a layer answers more to
-- what it already sees in it: Deep Dream. Mordvintsev, Olah & Tyka 2015, "Inceptionism". picture: one (?vis.gradcam).
-- layer: a path or a module (default: the last of those whose map has about a sixteenth of the picture's rows); what
-- grows is the mean square of all it gives, or with unit = a channel, with direction = a mixture of them. octaves: so
-- many sizes (3, fewer of a small picture) are dreamt one after another, each octave_scale (1.4) times the one before,
-- the last the picture's own; steps: of each. What was dreamt at one size is laid over the picture at the next. Options
-- as vis.maximize's: rate (0.02), jitter, rotate and scale (0), tv, space, seed, quiet, live. Ctrl-C gives the picture
-- so far. Returns a picture: :tensor() (3, H, W) of 0 to 1, .map as m takes it, .layer, .value and .start (what grows,
-- at the end and before), .steps, .seed, .interrupted.
local function dream(m, x, opts, ...)
  if select("#", ...) > 0 then fault "dream: expects a model, a picture and options, got more" end
  local o = read(opts)
  if not Module.is_module(m) then fault("dream: expects a model first, got %s", options.show(m)) end
  x = looked.input("dream", m, x)
  if x.shape[1] ~= 1 then fault("dream: expects one picture, got %d", x.shape[1]) end
  local c, h, w = x.shape[2], x.shape[3], x.shape[4]
  if c ~= 1 and c ~= 3 then fault("dream: a picture has 1 or 3 channels, got %d", c) end
  local sizes = sizes_of(h, w, o)
  synthesis.settle(o, math.min(h, w), 20, 0.02)
  o.rotate, o.scale = o.rotate or 0, o.scale or 0
  local soft <close> = interrupt.soft()
  local path = o.layer == nil and default_layer(m, x) or looked.path("dream", m, o.layer)
  local goal = wanted.of("dream", m, x, path, o)
  local look = ascent.colours(m, x)
  local seen = painted.logit(look.out(x)):detach()
  local function value(logits)
    return tensor.no_grad(function() return goal.value(look.into(painted.sigmoid(logits)):detach()):item() end)
  end
  local start = value(seen)
  local climb = ascent.begin("dream", m, o, #sizes * o.steps)
  local dreamt -- what was added to the picture, at the size of the octave before
  for i, size in ipairs(sizes) do
    local base = looked.resize(seen, size[1], size[2])
    if dreamt then base = base + looked.resize(dreamt, size[1], size[2]) end
    base = base:detach()
    local at = {n = 1, c = c, h = size[1], w = size[2], base = base, into = look.into, value = goal.value,
      steps = o.steps}
    local ok, logits = pcall(climb.climb, climb, at)
    if not ok then
      climb:finish()
      if interrupt.is(logits) or i == #sizes or climb.lost then error(logits, 0) end
      fault("%s · dream: does the model take pictures of %d × %d? octaves = 1 keeps the size",
        (tostring(logits):gsub("^%S-:%d+: ", "")), size[1], size[2])
    end
    dreamt = (logits - looked.resize(seen, size[1], size[2])):detach()
    if climb.interrupted then break end
  end
  climb:finish()
  local uncut <close> = interrupt.defer()
  local logits = (seen + looked.resize(dreamt, h, w)):detach()
  local shown = painted.sigmoid(logits):detach()
  local now = value(logits)
  return picture {
    panels = {{image = shown[0]:expand(3, -1, -1):detach()}}, shown = shown[0]:detach(),
    map = look.into(shown)[0]:detach(),
    caption = ("dream of %s%s: %.4g, before %.4g, %d step%s at %d size%s%s"):format(path,
      o.unit and (", unit %d"):format(o.unit) or o.direction ~= nil and ", a direction" or "", now, start, climb.done,
      climb.done == 1 and "" or "s", #sizes, #sizes == 1 and "" or "s", climb.interrupted and ", interrupted" or ""),
    value = now, start = start, layer = path, steps = climb.done, seed = climb.seed, interrupted = climb.interrupted,
  }
end

return dream
