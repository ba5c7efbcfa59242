--- Two models side by side, as a page: what diff(a, b):save "x.html" writes.
local facts = require "suture.view.facts"
local fault = require "suture.base.fault"
local options = require "suture.base.options"
local page = require "suture.view.page"
local pcall = require("suture.base.interrupt").pcall
local text = require "suture.base.text"
local whole = require "suture.base.whole"

-- What one of the two runs, as the page has it; which: "first" or "second", for errors.
local function drawn(m, which, input)
  local ok, g = pcall(m.graph, m, {input = input, fold = false})
  if ok then return g:_facts() end
  local why = tostring(g):gsub("^%S-:%d+: ", "")
  if why:find("what goes in?", 1, true) then
    fault("diff: save: what goes into the %s model? Give a shape: d:save(PATH, {input = {1, 3, 224, 224}})", which)
  end
  fault("diff: save: the %s model: %s", which, why)
end

-- d:save(path, opts): see view/init.lua.
return function(d, path, opts)
  opts = options.check("diff: save", opts == nil and {} or opts, {input = true})
  if type(path) ~= "string" then
    fault('diff: save: expects a path, as d:save "both.html", got %s', options.show(path))
  end
  if not path:lower():find "%.html$" then
    fault("diff: save: %s: two models side by side are a page: the name ends in .html", path)
  end
  if not d._models then fault "diff: save: state dicts have no graph to draw: give diff two models" end
  local values, shapes = {}, {}
  for i, x in ipairs(d.values) do values[i] = {name = text.safe(x.name, true), max = facts.figure(x.max)} end
  for i, x in ipairs(d.shapes) do shapes[i] = {name = text.safe(x.name, true)} end
  local a, b = drawn(d._models[1], "first", opts.input), drawn(d._models[2], "second", opts.input)
  local ok, why = whole(path, page(("%s and %s"):format(a.model, b.model),
    {models = {a, b}, diff = {values = values, shapes = shapes, same = d.same}}))
  if not ok then fault("diff: save: %s", why) end
  return path
end
