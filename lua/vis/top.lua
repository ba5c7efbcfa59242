local evaluate = require "suture.train.evaluate"
local fault = require "suture.base.fault"
local looked = require "suture.vis.common.looked"
local options = require "suture.base.options"
local picture = require "suture.vis.common.picture"
local receptive_field = require "suture.vis.common.receptive_field"
local sweep = require "suture.vis.common.sweep"
local tensor = require "suture.tensor"
local wanted = require "suture.vis.common.wanted"

local read = options.named("top", "unit:any count:count=9 batch:count=64 threads:natural=nil quiet:bool=false")

-- Puts a find in its place among the best, at most `count`; the one that came first stands first among equals.
local function put(best, found, count)
  local at = #best + 1
  while at > 1 and best[at - 1].value < found.value do at = at - 1 end
  table.insert(best, at, found)
  best[count + 1] = nil
  return at <= count
end

-- The rows (columns) that place i of an axis sees, of n; all of them where it does not say.
local function seen(axis, i, n)
  if not axis then return 0, n - 1 end
  local k = axis.dim and i + 1 or 1
  return axis.lo[k], axis.hi[k]
end

-- What a unit saw at a place of its map: {top, left, bottom, right}, the last ones inside.
local function box_of(field, form, place, h, w)
  local y, x = 0, 0
  if form.kind == "tokens" then y, x = form.extra + place, form.extra + place
  elseif form.h then y, x = place // form.w, place % form.w end
  local top, bottom = seen(field.y, y, h)
  local left, right = seen(field.x, x, w)
  return {top, left, bottom, right}
end

-- Patches in frames of one size, white where a patch ended at the picture's edge.
local function framed(list, images)
  local h, w = 0, 0
  for _, f in ipairs(list) do h, w = math.max(h, f.box[3] - f.box[1] + 1), math.max(w, f.box[4] - f.box[2] + 1) end
  local out = {}
  for i, f in ipairs(list) do
    local b, image = f.box, images[i]
    local bh, bw = b[3] - b[1] + 1, b[4] - b[2] + 1
    local frame = tensor.ones(3, h, w)
    local y, x = b[1] == 0 and h - bh or 0, b[2] == 0 and w - bw or 0
    frame[{":", ("%d:%d"):format(y, y + bh), ("%d:%d"):format(x, x + bw)}] =
      image:narrow(1, b[1], bh):narrow(2, b[2], bw)
    out[i] = frame:detach()
  end
  return out
end

--- vis.top(m, ds, path, {unit =, count = 9}): what of a data set excites a unit most: the pictures in which it is
-- greatest, each cut to what the unit saw there, its receptive field, which is computed from the graph along all ways
-- (of units behind a mean over the map, or attention: the whole picture). path: of a layer (its last call), or the
-- layer itself; "": what m gives. unit: a channel, or a number of a vector, from 0; a list of them: a row each.
-- Options: count (9; one patch a picture), batch (64), threads (of the loader), quiet. Zeiler & Fergus 2013,
-- arXiv:1311.2901, figure 2. Returns a picture: .map the values (count), .found a list of {index (in ds), value, y, x
-- (on the map), box = {top, left, bottom, right}, name, class}; of several units with the unit in front.
local function top(m, ds, path, opts, ...)
  if select("#", ...) > 0 then fault "top: expects a model, a dataset, a path and options, got more" end
  if opts == nil then opts = {} end
  if type(opts) == "table" and not getmetatable(opts) and opts.unit == nil then
    fault "top: which unit? unit = 0, or a list of units"
  end
  local o = read(opts)
  evaluate.check_model("top", m)
  ds = evaluate.check_dataset("top", ds)
  if path ~= "" then path = looked.path("top", m, path) end
  local units = type(o.unit) == "table" and o.unit or {o.unit}
  if #units == 0 then fault "top: unit: an empty list" end
  local form, best = nil, {}
  local fields = {} -- by the size of the picture
  for k in ipairs(units) do best[k] = {} end
  sweep("top", ds, o, function(x, _, places)
    local value, t = wanted.value("top", m, x, path)
    form = form or wanted.form("top", t, value, path)
    for _, unit in ipairs(units) do
      if math.type(unit) ~= "integer" or unit < 0 or unit >= form.count then
        fault("top: unit expects a whole number from 0 to %d, got %s", form.count - 1, options.show(unit))
      end
    end
    local size = x.shape[3] .. "x" .. x.shape[4]
    fields[size] = fields[size] or receptive_field(t, value)
    local chosen = wanted.places(value, form):index_select(1, tensor.tensor(units))
    local most, where = chosen:amax(2):detach(), chosen:argmax(2):detach()
    local values, at = most:tolist(), where:tolist()
    for i, row in ipairs(values) do
      for k, v in ipairs(row) do
        local list = best[k]
        if v == v and (#list < o.count or v > list[#list].value) then
          local place = math.tointeger(at[i][k])
          local y, px = form.h and place // form.w or 0, form.h and place % form.w or 0
          put(list, {value = v, index = places[i], y = y, x = px, picture = x[i - 1]:clone():detach(),
            box = box_of(fields[size], form, place, x.shape[3], x.shape[4])}, o.count)
        end
      end
    end
  end)
  local panels, rows, labels = {}, {}, ds:labels()
  for k, list in ipairs(best) do
    if #list == 0 then fault("top: unit %d gives no number that can be compared (nan)", units[k]) end
    local images = {}
    for i, f in ipairs(list) do
      images[i] = looked.pictures(m, f.picture:unsqueeze(0))[1]
      f.picture, f.name = nil, ds:name(f.index)
      f.class = labels and ds:class_name(labels[f.index + 1]) or nil
    end
    local patches, numbers = framed(list, images), {}
    for i, f in ipairs(list) do
      numbers[i] = f.value
      panels[#panels + 1] = {image = patches[i], caption = ("%s%.3g%s"):format(
        #units > 1 and i == 1 and ("unit %d: "):format(units[k]) or "", f.value, f.class and " " .. f.class or "")}
    end
    rows[k] = tensor.tensor(numbers, {dtype = "float32"})
  end
  local one = #units == 1
  local shown = {}
  for i, panel in ipairs(panels) do shown[i] = panel.image end
  local same = true
  for _, s in ipairs(shown) do same = same and tostring(s.shape) == tostring(shown[1].shape) end
  return picture {
    panels = panels, columns = not one and #best[1] or nil, map = one and rows[1] or tensor.stack(rows, 0),
    shown = same and tensor.stack(shown, 0) or nil, found = one and best[1] or best, layer = path,
    caption = ("%s%s: the strongest of %d pictures, cut to the %d × %d pixels that %s sees"):format(
      one and ("unit %d"):format(units[1]) or ("%d units"):format(#units), path ~= "" and " of " .. path or "", #ds,
      shown[1].shape[2], shown[1].shape[3], one and "it" or "each"),
  }
end

return top
