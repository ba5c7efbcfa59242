--- The page that shows one graph or two: what is in lua/view/page/ with data put in.
local embedded = require "suture.embedded"
local json = require("suture.core").json
local markup = require "suture.base.markup"

local folder, scripts = "lua/view/page/", {"layout", "model", "view", "app"}

--- page(title, data): a page of HTML: data = {models = {of view/facts.lua, …}, diff = {…} or nil}. It asks nothing of a
-- network: style, script and data are in it, and it forbids itself the rest.
return function(title, data)
  local script = {}
  for i, name in ipairs(scripts) do script[i] = embedded.source(folder .. name .. ".js") end
  return markup.filled(folder .. "page.html", {
    title = markup.escape(title), css = embedded.source(folder .. "page.css"), script = table.concat(script, "\n"),
    data = json.encode(data):gsub("<", "\\u003c"), -- no end of a script in a string
  })
end
