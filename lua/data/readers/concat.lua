--- data.concat: several data sets as one.
local fault = require "suture.base.fault"
local options = require "suture.data.options"
local source = require "suture.data.source"
local Dataset = require "suture.data.dataset"
local wrapped = require "suture.data.wrapped"

-- The names of all classes: those of the first, then what the others have besides.
local function union(parts)
  local names, have = {}, {}
  for _, ds in ipairs(parts) do
    for _, name in ipairs(ds.classes) do
      if not have[name] then
        have[name] = true
        names[#names + 1] = name
      end
    end
  end
  return names
end

--- Several data sets as one, their samples one after another: `data.concat{a, b}`. Classes are matched by name: it has
-- those of the first, then what the others have besides. Each part keeps its own options and augmentation; samples of a
-- batch must have one shape.
local function concat(parts)
  local where = "data.concat"
  if type(parts) ~= "table" or #parts == 0 then
    fault("%s expects an array of data sets, as data.concat{a, b}, got %s", where, options.shown(parts))
  end
  local list, n, labelled = {}, 0, nil
  for i, ds in ipairs(parts) do
    if not Dataset.is(ds) then fault("%s: [%d] is no data set: %s", where, i, options.shown(ds)) end
    local has = ds:labels() ~= nil
    if labelled ~= nil and has ~= labelled then
      fault("%s: the targets of some are classes, those of others are not", where)
    end
    labelled, n, list[i] = has, n + #ds, ds
  end
  local classes = list[1].classes
  if labelled then
    classes = union(list)
    for i, ds in ipairs(list) do list[i] = ds:align(classes) end
  end
  return Dataset.new(where, wrapped.joined(where, list), source.all(n), classes)
end

return concat
