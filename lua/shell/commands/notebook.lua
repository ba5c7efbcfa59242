-- :notebook
local markup = require "suture.base.markup"
local shell = require "suture.shell"
local suture = require "suture"
local transcript = require "suture.shell.transcript"
local whole = require "suture.base.whole"
local words = require "suture.base.text"

local mark = "Session of Suture"

local STYLE = [[
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
pre{font:13px/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}
.in{background:#8881;border-left:3px solid #48c;padding:.4rem .8rem;margin-top:1.2rem}.failed{border-color:#c33}
.out{padding:.1rem .9rem}.note{margin-top:1.2rem}
img{display:block;max-width:100%;margin:.4rem .9rem}
time{color:#777}]]

-- The file of a picture, as bytes; nil where it cannot be had.
local function png(picture)
  local path = os.tmpname()
  local ok = pcall(picture.save, picture, path .. ".png")
  local f = ok and io.open(path .. ".png", "rb")
  local bytes = f and f:read "a"
  if f then f:close() end
  os.remove(path .. ".png")
  os.remove(path)
  return bytes
end

local function precious(path)
  local old = io.open(path)
  local head = old and old:read(400) or ""
  if old then old:close() end
  return head ~= "" and not head:find(mark, 1, true)
end

return {
  args = "FILE", takes = "files",
  text = "write the session as one page: what was typed, what it showed, and its pictures (:notebook! overwrites)",
  run = function(rest, force)
    if rest == "" then shell.fail ":notebook takes a file name, as in  :notebook session.html" end
    local path = shell.path(rest)
    if not force and precious(path) then
      shell.fail("%s exists and is no page of a session; :notebook! %s overwrites it", path, rest)
    end
    local page, inputs, pictures, secret = {}, 0, 0, 0
    local function put(text, ...) page[#page + 1] = text:format(...) end
    put("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
      .. "<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title><style>%s</style>", mark,
      (STYLE:gsub("%%", "%%%%")))
    put("<h1>%s</h1><time>Suture %s, %s</time>", mark, suture.version, os.date "%Y-%m-%d %H:%M")
    for _, input in ipairs(shell.inputs) do
      if input.secret then secret = secret + 1
      elseif input.kind == "comment" then
        put("<p class=\"note\">%s</p>", markup.escape(input.text:gsub("%f[^\n%z]%s*%-%-+%s?", ""), true))
      else
        inputs = inputs + 1
        put("<pre class=\"in%s\">%s</pre>", input.ok and "" or " failed", markup.escape(input.text, true))
        local shown = input.out and transcript.settled(table.concat(input.out)):gsub("%s+$", "") or ""
        if shown ~= "" then put("<pre class=\"out\">%s</pre>", markup.escape(shown, true)) end
        local bytes = input.picture and png(input.picture)
        if bytes then
          pictures = pictures + 1
          put("<img alt=\"what input %d shows\" src=\"%s\">", inputs, markup.picture("png", bytes))
        end
      end
    end
    put "</html>\n"
    local ok, why = whole(path, table.concat(page, "\n"))
    if not ok then shell.fail("%s", why) end
    shell.say(("%s and %s in %s"):format(words.plural(inputs, "input"), words.plural(pictures, "picture"), rest))
    if secret > 0 then shell.say(("%s, begun with a space, left out"):format(words.plural(secret, "input"))) end
  end,
}
