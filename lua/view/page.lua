--- Pages that stand alone: what is in lua/view/page/ with data put in.
local drawing = require "suture.view.drawing"
local embedded = require "suture.embedded"
local json = require("suture.core").json

local scripts = {"layout", "model", "view", "app"}

local function part(name) return (embedded.source("lua/view/page/" .. name)) end

--- page(title, data): a page of HTML that shows one graph or two: data = {models = {of view/facts.lua, …}, diff = {…}
-- or nil}. It asks nothing of a network: style, script and data are in it, and it forbids itself the rest.
return function(title, data)
  local script = {}
  for i, name in ipairs(scripts) do script[i] = part(name .. ".js") end
  local parts = {
    title = drawing.escape(title), css = part "page.css", script = table.concat(script, "\n"),
    data = json.encode(data):gsub("<", "\\u003c"), -- no end of a script in a string
  }
  return (part("page.html"):gsub("{{(%w+)}}", parts))
end
