--- The samples that a model does worst on, with what it looked at: for report().
local canvas = require "suture.base.canvas"
local cam = require "suture.vis.gradcam"
local looked = require "suture.vis.common.looked"
local markup = require "suture.base.markup"
local pcall = require("suture.base.interrupt").pcall
local mistakes = {}

local SIDE = 168 -- pixels of a picture's longer side

-- A picture (3, H, W) as an address, no larger than SIDE.
local function thumbnail(image)
  local h, w = image.shape[2], image.shape[3]
  local scale = math.min(SIDE / math.max(h, w), math.max(1, SIDE // math.max(h, w)))
  local width, height = math.max(1, math.floor(w * scale + 0.5)), math.max(1, math.floor(h * scale + 0.5))
  local page = canvas(width, height)
  page:pixels(image, 0, 0, width, height, scale < 1)
  return markup.picture("png", page:render "png")
end

local function is_pictures(x) return #x.shape == 4 and (x.shape[2] == 3 or x.shape[2] == 1) and x.shape[3] > 1 end

-- f(…), or nil and why where it cannot be done.
local function tried(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  return nil, (tostring(result):gsub("^%S-:%d+: ", ""))
end

--- mistakes.of(m, ds, samples, o): samples (a list of {place, guess, truth}) with `picture`, `cam` (addresses: for what
-- it was taken for) and `cam_truth` (for what it is), where ds has pictures and m maps. o: layer. Second result: why
-- there are no maps, or nil.
function mistakes.of(m, ds, samples, o)
  local why
  for _, s in ipairs(samples) do
    local x = ds:batch {s.place}
    if not is_pictures(x) then return samples, "these samples are no pictures" end
    s.picture = thumbnail(looked.pictures(m, x)[1])
    if not why then
      local classes = s.guess == s.truth and {s.guess} or {s.guess, s.truth}
      local p
      p, why = tried(cam, m, x, {class = classes, layer = o.layer})
      if p then
        s.cam, s.layer = thumbnail(p.panels[1].image), p.layer
        s.cam_truth = p.panels[2] and thumbnail(p.panels[2].image)
      elseif o.layer then error(why, 0) end
    end
  end
  return samples, why
end

return mistakes
