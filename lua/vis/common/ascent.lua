--- Pictures made by climbing: what vis.maximize, vis.class_image and vis.dream share. Coefficients of a picture (see
-- painted.lua) follow the gradient of what is wanted, by Adam (Kingma & Ba 2015, arXiv:1412.6980), the picture moved a
-- little otherwise at each step (moved.lua). One step is one graph, and its plan is made once.
local core = require "suture.core"
local fault = require "suture.base.fault"
local gradients = require "suture.tensor.gradients"
local interrupt = require "suture.base.interrupt"
local live = require "suture.vis.common.live"
local looked = require "suture.vis.common.looked"
local moved = require "suture.vis.common.moved"
local optim = require "suture.optim"
local painted = require "suture.vis.common.painted"
local picture = require "suture.vis.common.picture"
local relus = require "suture.vis.common.relus"
local status = require "suture.base.status"
local tensor = require "suture.tensor"
local unseen = require("suture.model.outline").unseen

local ascent = {}
ascent.__index = ascent

--- The options that all have, as a signature; steps, rate and jitter have defaults of their own.
ascent.options = "steps:count=nil rate:positive=nil jitter:natural=nil rotate:rate=nil scale:prob=nil tv:rate=0 "
  .. "space:fourier|pixels=fourier seed:natural=nil live:bool=true quiet:bool=false"

local TINY = 1e-12 -- beside the root in Adam; gradients of frequencies are far below 1

--- ascent.colours(m, x): what the model takes for colours from 0 to 1, and the way back: into(colours), out(numbers).
-- By m's normalisation where it is known; else from the least to the greatest number of x, or as they are.
function ascent.colours(m, x)
  local p = type(m.preprocess) == "table" and m.preprocess or {}
  local channels = x and x.shape[2] or nil
  local mean, std = p.mean, p.std
  if type(mean) == "table" and type(std) == "table" and (not channels or #mean == channels) then
    local a, b = tensor.tensor(std):reshape(1, -1, 1, 1), tensor.tensor(mean):reshape(1, -1, 1, 1)
    return {into = function(v) return (v - b) / a end, out = function(v) return v * a + b end}
  end
  local low, high = 0, 1
  if x then low, high = x:min():item(), x:max():item() end
  if low >= 0 and high <= 1 or high <= low then low, high = 0, 1 end
  return {into = function(v) return v * (high - low) + low end, out = function(v) return (v - low) / (high - low) end}
end

--- ascent.begin(what, m, o, steps): the climb of `steps` steps in all. o: the options that were read.
function ascent.begin(what, m, o, steps)
  local self = setmetatable({what = what, m = m, o = o, steps = steps, done = 0}, ascent)
  self.seed = o.seed or core.engine.draw() >> 1
  self.line = status.new(function(bar, note)
    local parts = {what .. " "}
    if bar then parts[#parts + 1] = status.part(self.done, steps) end
    parts[#parts + 1] = ("%d/%d"):format(self.done, steps)
    if self.score then parts[#parts + 1] = (" %.4g"):format(self.score) end
    parts[#parts + 1] = " " .. status.seconds_text(self.line:seconds())
    if note then parts[#parts + 1] = " " .. note end
    return table.concat(parts, " ")
  end, o.quiet)
  self.draw, self.undraw = live(o.live and not o.quiet)
  return self
end

-- What is drawn by chance, a list of n numbers: of this climb's seed, its k-th time.
local function drawn(self, k, f)
  return looked.seeded((self.seed * 1000003 + k) & 0x7fffffffffffffff, f)
end

local function caught(self, f)
  local ok, err = pcall(f)
  if ok then return true end
  if not interrupt.is(err) then error(err, 0) end
  self.interrupted = interrupt.take() or interrupt.last() or "SIGINT"
  collectgarbage()
end

--- ascent:climb(at): one picture, or a batch of them, for at.steps steps. at: n, c, h, w; base (n, c, h, w): colours
-- before the sigmoid that it begins with, else it begins with noise; into (see ascent.colours); value(pictures) → (n).
-- Returns the colours before the sigmoid (n, c, h, w). Ctrl-C ends it at the last whole step: self.interrupted.
function ascent:climb(at)
  local o, n, c, h, w = self.o, at.n, at.c, at.h, at.w
  local paint = painted[o.space](n, c, h, w)
  local move = moved(h, w, o)
  local whole = paint.numbers
  local p = at.base and tensor.zeros(whole) or drawn(self, 0, function()
    return (tensor.randn(whole) * 0.01):detach()
  end)
  p.requires_grad = true
  local adam = optim.Adam({p}, {lr = o.rate, eps = TINY, maximize = true})
  local function logits(x)
    local y = painted.coloured(paint.picture(x))
    return at.base and y + at.base or y
  end
  -- The gradient of what is wanted, what that is of all pictures, and the least over the pictures of what is greatest
  -- in a gradient; not computed yet. redirected: on ways out of a dead end too.
  local function slope(draw, redirected)
    local colours = painted.sigmoid(logits(p))
    local seen = at.into(move and move(colours, draw) or colours)
    local values
    if redirected then values = relus.through(relus.redirected, at.value, seen) else values = at.value(seen) end
    local gain = values:sum()
    local g = (redirected and gradients.watched or gradients.of)(gain, {p})[1]
    if not g then fault("%s: what is wanted does not depend on the picture", self.what) end
    local flows = g:reshape(n, -1):abs():amax(1):min()
    if o.tv > 0 then g = g - gradients.of(painted.variation(colours) * (o.tv * n), {p})[1] end
    return g, gain, flows
  end
  -- The same, computed. What lies in between is not kept.
  local function slope_now(draw, redirected)
    local g, gain, flows = unseen(slope, draw, redirected)
    core.graph.eval {g, gain, flows}
    return g, gain:item(), flows:item()
  end
  local function step(k)
    local draw = move and drawn(self, self.done + 1, function() return tensor.rand(4):tolist() end)
    for i, v in ipairs(draw or {}) do draw[i] = 2 * v - 1 end
    local g, score, flows = slope_now(draw, false)
    if flows == 0 then g, score = slope_now(draw, true) end
    if score ~= score then
      self.lost = true
      if self.done == 0 then
        fault("%s: what is wanted is nan before the first step: so are numbers of the model or of the picture",
          self.what)
      end
      fault("%s: what is wanted became nan in step %d: a smaller rate, below %g, may help", self.what, k, o.rate)
    end
    local uncut <close> = interrupt.defer()
    p.grad = g:detach()
    adam:step()
    self.score, self.done = score / n, self.done + 1
  end
  local function now() return tensor.no_grad(function() return logits(p):detach() end) end
  caught(self, function()
    for k = 1, at.steps do
      tensor.enable_grad(step, k)
      self.draw(function()
        return picture {panels = {{image = painted.sigmoid(now())[0]:expand(3, -1, -1):detach()}}}
      end)
      self.line:step()
      self.interrupted = interrupt.take()
      if self.interrupted then break end
    end
  end)
  local uncut <close> = interrupt.defer()
  local y = now()
  core.graph.eval {y}
  return y
end

--- ascent:finish(): the line's last words.
function ascent:finish()
  self.undraw()
  self.line:finish(self.interrupted and "interrupted" or nil)
end

return ascent
