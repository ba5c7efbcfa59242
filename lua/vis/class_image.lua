local ascent = require "suture.vis.common.ascent"
local fault = require "suture.base.fault"
local looked = require "suture.vis.common.looked"
local Module = require "suture.nn.module"
local options = require "suture.base.options"
local synthesis = require "suture.vis.common.synthesis"

local read = options.named("class_image", "size:size=nil " .. ascent.options)

--- vis.class_image(m, class[, options]): the picture whose score (logit) of a class is highest, made from noise: what m
-- thinks a class looks like. class: a number from 0, a name of m.classes, or a list of them: a picture each. Options
-- and what it returns: ?vis.maximize. Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 2.
local function class_image(m, class, opts, ...)
  if select("#", ...) > 0 then fault "class_image: expects a model, a class and options, got more" end
  local o = read(opts)
  if not Module.is_module(m) then fault("class_image: expects a model first, got %s", options.show(m)) end
  if class == nil or opts == nil and options.is_options(class) and #class == 0 then
    fault "class_image: of which class? a number from 0, a name of m.classes, or a list"
  end
  o.unit, o.number = class, function(one, count) return looked.class_number("class_image", m, one, count) end
  return synthesis.made("class_image", m, "", o, function(unit) return looked.class_name(m, unit) end)
end

return class_image
