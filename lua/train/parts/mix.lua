--- mixup and cutmix: each picture of a batch with the one before it, and their targets in the same shares; the formulas
-- of torchvision's references (RandomMixup and RandomCutmix with p = 1). Zhang et al. 2018, arXiv:1710.09412; Yun et
-- al. 2019, arXiv:1905.04899.
local beforehand = require "suture.train.beforehand"
local core = require "suture.core"
local draws = require "suture.train.draws"
local F = require "suture.nn.functional"
local fault = require "suture.base.fault"
local losses = require "suture.train.loss"
local raw = core.tensor

local mix = {}

--- mix.mixup(x, y, part): part of each sample and 1 - part of the one before it (of the first: the last), and of y too.
function mix.mixup(x, y, part) return x * part + x:roll(1, 0) * (1 - part), y * part + y:roll(1, 0) * (1 - part) end

--- mix.box(part, w, h, cx, cy): the box that cutmix takes from another picture: around (cx, cy), 1 - part of the area
-- where the edge cuts nothing off → x1, y1, x2, y2 (without the last two).
function mix.box(part, w, h, cx, cy)
  local r = 0.5 * math.sqrt(1 - part)
  local rw, rh = math.floor(r * w), math.floor(r * h)
  return math.max(cx - rw, 0), math.max(cy - rh, 0), math.min(cx + rw, w), math.min(cy + rh, h)
end

--- mix.cutmix(x, y, part, cx, cy): a box of each picture is that of the one before it; y by the area.
function mix.cutmix(x, y, part, cx, cy)
  local h, w = raw.size(x, 2), raw.size(x, 3)
  local x1, y1, x2, y2 = mix.box(part, w, h, cx, cy)
  part = 1 - (x2 - x1) * (y2 - y1) / (w * h)
  if x2 > x1 and y2 > y1 then
    local inside = require("suture.tensor").zeros(1, 1, h, w)
    inside[{0, 0, ("%d:%d"):format(y1, y2), ("%d:%d"):format(x1, x2)}] = 1
    x = x * (1 - inside) + x:roll(1, 0) * inside
  end
  return x, y * part + y:roll(1, 0) * (1 - part)
end

-- Targets as shares: classes by what the model's outputs are.
local function shares(t, self, y)
  if y.dtype ~= "int64" then return y end
  if #y.shape ~= 1 then
    fault("%s: %s: the targets are %s, classes or numbers are expected", t.what, self.called, losses.targets_text(y))
  end
  self.classes = self.classes or beforehand.outputs(t.model, t.data) or
    fault("%s: %s: the model's output is not of shape (N, classes)", t.what, self.called)
  return F.one_hot(y, self.classes):float()
end

local function alpha(t, name)
  local v = t.options[name]
  if v == true then v = 1 end
  if v == nil or v == false then return nil end
  if type(v) ~= "number" or not (v > 0 and v < math.huge) then
    fault("%s: %s is the alpha of its Beta distribution, a number above 0 (true: 1), got %s", t.what, name,
      require("suture.base.options").show(v))
  end
  return v
end

return {
  options = "mixup:any=nil cutmix:any=nil",
  mix = mix,
  new = function(t)
    local up, cut = alpha(t, "mixup"), alpha(t, "cutmix")
    if not up and not cut then return nil end
    local called = up and cut and "mixup and cutmix" or up and "mixup" or "cutmix"
    if math.type(t.options.cache) == "integer" then
      fault("%s: cache = %d keeps views of single pictures, but with %s each batch has new ones · cache = false, or " ..
        "without %s", t.what, t.options.cache, called, called)
    end
    local self = {called = called,
      mixes = called .. (up and cut and " make" or " makes") .. " other pictures of each batch"}
    function self.batch(_, _, x, y, at)
      y = shares(t, self, y)
      local draw = draws(t.seed, at and at.epoch or 0, at and at.k or t.steps + 1)
      local cutting = not up or cut and draw() < 0.5
      local part = draw.beta(cutting and cut or up)
      if cutting and #x.shape ~= 4 then
        fault("%s: cutmix needs pictures (N, C, H, W), got %s · mixup takes any shape", t.what, tostring(x.shape))
      end
      local mixed, soft
      if cutting then
        mixed, soft = mix.cutmix(x, y, part, math.floor(draw() * x.shape[4]), math.floor(draw() * x.shape[3]))
      else mixed, soft = mix.mixup(x, y, part) end
      mixed, soft = mixed:detach(), soft:detach()
      core.graph.eval {mixed, soft}
      return mixed, soft
    end
    return self
  end,
}
