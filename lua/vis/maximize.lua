local ascent = require "suture.vis.common.ascent"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local synthesis = require "suture.vis.common.synthesis"

local read = options.named("maximize", "unit:any=nil direction:any=nil position:table=nil size:size=nil "
  .. ascent.options)

--- vis.maximize(m, path, {unit =, …}): the picture that excites a unit most, made from noise: what the unit looks for.
-- path: of a layer (its last call), or the layer itself; "": what m gives. unit: a channel of a map (its mean over the
-- map), a number of a vector (a class's logit at the end), from 0; a list of them: a picture each. position = {y, x}:
-- at that place of the map only. direction = {…}: in place of a unit a mixture of all, one number each.
-- The picture is a sum of frequencies in colours that are independent in photographs, moved by Adam: Olah, Mordvintsev
-- & Schubert 2017, doi:10.23915/distill.00007. Options: steps (256), rate (0.05), size ({h, w}; default: what m takes),
-- jitter (pixels that the picture moves by at most before each step; a 32nd of its side), rotate (degrees, 10), scale
-- (share by which it grows or shrinks, 0.1), tv (0; how much of the total variation, the mean difference of neighbours,
-- is taken off the value), space ("fourier", or "pixels": without frequencies), seed (the same seed, the same picture;
-- default: the next of the generator), quiet, live (true: the picture is shown while it is made, where the terminal
-- can). Ctrl-C gives the picture so far. Returns a picture: :tensor() (3, H, W) of 0 to 1, .map as m takes it, .value
-- (of several: lists), .start what it was before, .steps, .seed, .interrupted.
local function maximize(m, path, opts, ...)
  if select("#", ...) > 0 then fault "maximize: expects a model, a path and options, got more" end
  local o = read(opts)
  if o.unit == nil and o.direction == nil then
    fault "maximize: what of the layer? unit = 0, a list of units, or direction = {…}"
  end
  return synthesis.made("maximize", m, path, o)
end

return maximize
