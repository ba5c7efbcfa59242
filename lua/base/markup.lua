--- Pages that stand alone: text of users' in them, pictures in them, templates that are filled.
local cells = require("suture.core").cells
local base64 = require("suture.core").base64
local embedded = require "suture.embedded"
local markup = {}

local entities = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;"}

--- markup.escape(s[, lines]): s as text of HTML and XML, also between quotes; what no page may hold is written out.
-- lines: ends of lines and tabs stay.
function markup.escape(s, lines) return (cells.safe(s, not lines):gsub("[&<>\"']", entities)) end

--- markup.picture(kind, bytes): a picture's file ("png", "svg+xml") as an address that has it all.
function markup.picture(kind, bytes) return ("data:image/%s;base64,%s"):format(kind, base64.encode(bytes)) end

--- markup.frame(page): a page within another, as a notebook is; its scripts reach nothing of that.
function markup.frame(page)
  local style = "box-sizing:border-box;width:100%;height:600px;border:1px solid #8884"
  return ('<iframe sandbox="allow-scripts" style="%s" srcdoc="%s"></iframe>'):format(style, markup.escape(page, true))
end

--- markup.filled(path, parts): the embedded file at path with each {{name}} replaced by parts[name].
function markup.filled(path, parts) return (embedded.source(path):gsub("{{(%w+)}}", parts)) end

return markup
