--- vis: seeing. What a network looks at, as pictures: vis.gradcam(m, "bee.jpg"), vis.saliency, show(x),
-- plot(y), hist(t).
-- Each returns a picture, which the prompt shows: p:save("x.png"), p:tensor(), p.map.

-- One method per file, lua/vis/<name>.lua, and nothing of it elsewhere. It returns the function vis.<name>,
-- with its `---` comment above it. What several share is in lua/vis/common: picture (the object), chart (axes and what
-- is drawn in them), colours, looked (pictures as a network takes them), cam.
local embedded = require "suture.embedded"
local fault = require "suture.base.fault"
local suggest = require "suture.base.suggest"

local vis = {_names = {}}

for _, path in ipairs(embedded.list()) do
  local name = path:match "^lua/vis/([%w_]+)%.lua$"
  if name and name ~= "init" then vis._names[#vis._names + 1] = name end
end
table.sort(vis._names)

local known = {}
for _, name in ipairs(vis._names) do known[name] = true end

return setmetatable(vis, {__index = function(_, name)
  if type(name) ~= "string" or name:sub(1, 1) == "_" then return nil end
  if not known[name] then
    fault("vis: no '%s'%s · there are: %s", name, suggest.hint(name, vis._names), table.concat(vis._names, ", "))
  end
  local f = require("suture.vis." .. name)
  rawset(vis, name, f)
  return f
end})
