--- A picture made from noise for a unit of a model: what vis.maximize and vis.class_image share.
local ascent = require "suture.vis.common.ascent"
local fault = require "suture.base.fault"
local interrupt = require "suture.base.interrupt"
local looked = require "suture.vis.common.looked"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local painted = require "suture.vis.common.painted"
local picture = require "suture.vis.common.picture"
local tensor = require "suture.tensor"
local wanted = require "suture.vis.common.wanted"

local synthesis = {}

-- Channels, height and width of the picture that is to be made.
local function size_of(what, m, size)
  local known = m.input_shape or rawget(m, "_last_input")
  if not known and not size then
    fault("%s: how large is a picture for this model? size = {h, w}, or set m.input_shape", what)
  end
  local c = known and #known == 4 and known[2] or 3
  local h, w = known and known[3], known and known[4]
  if size then h, w = size[1] or h, size[2] or w end
  if not h or not w then fault("%s: size expects {h, w}", what) end
  if c ~= 1 and c ~= 3 then fault("%s: pictures of 1 or 3 channels can be made, this model takes %d", what, c) end
  if h < 2 or w < 2 or h > 4096 or w > 4096 then
    fault("%s: size expects from 2 × 2 to 4096 × 4096, got %d × %d", what, h, w)
  end
  return c, h, w
end

--- synthesis.settle(o, side, steps, rate): fills in what was not said.
function synthesis.settle(o, side, steps, rate)
  o.steps, o.rate = o.steps or steps, o.rate or rate
  o.jitter = math.min(o.jitter or math.max(1, side // 32), side - 1)
end

--- synthesis.made(what, m, path, o, name): o: the options of vis.maximize as they were read; name(unit): in words.
function synthesis.made(what, m, path, o, name)
  if not Module.is_module(m) then fault("%s: expects a model first, got %s", what, options.show(m)) end
  if path ~= "" then path = looked.path(what, m, path) end
  local c, h, w = size_of(what, m, o.size)
  synthesis.settle(o, math.min(h, w), 256, 0.05)
  o.rotate, o.scale = o.rotate or 10, o.scale or 0.1
  local soft <close> = interrupt.soft()
  local look = ascent.colours(m)
  local goal = wanted.of(what, m, look.into(tensor.full({1, c, h, w}, 0.5)), path, o)
  if name and goal.form.kind ~= "units" then
    fault("%s: expects a model that gives classes, (N, K) · vis.maximize takes others", what)
  end
  local function values(logits)
    return tensor.no_grad(function() return goal.value(look.into(painted.sigmoid(logits)):detach()):tolist() end)
  end
  local start = values(tensor.zeros(goal.n, c, h, w))
  local climb = ascent.begin(what, m, o, o.steps)
  local logits = climb:climb {n = goal.n, c = c, h = h, w = w, into = look.into, value = goal.value, steps = o.steps}
  climb:finish()
  local uncut <close> = interrupt.defer()
  local shown = painted.sigmoid(logits):detach()
  local value, panels = values(logits), {}
  local units = goal.units
  local words = name or function(unit) return ("unit %d"):format(unit) end
  for i, image in ipairs(shown:unbind(0)) do
    panels[i] = {image = image:expand(3, -1, -1):detach(),
      caption = goal.n > 1 and ("%s: %.3g"):format(words(units[i]), value[i]) or nil}
  end
  local one = goal.n == 1
  local of = one and (o.unit == nil and "a direction" or words(units[1])) or ("%d units"):format(goal.n)
  return picture {
    panels = panels, shown = one and shown[0]:detach() or shown,
    map = one and look.into(shown)[0]:detach() or look.into(shown):detach(),
    caption = ("%s%s%s%s, %d step%s%s"):format(of, path ~= "" and name == nil and " of " .. path or "",
      o.position and (" at %d, %d"):format(o.position[1], o.position[2]) or "",
      one and (": %.4g, grey %.4g"):format(value[1], start[1]) or "", climb.done, climb.done == 1 and "" or "s",
      climb.interrupted and ", interrupted" or ""),
    value = one and value[1] or value, start = one and start[1] or start, steps = climb.done, seed = climb.seed,
    layer = path, interrupted = climb.interrupted,
  }
end

return synthesis
