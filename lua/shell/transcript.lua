--- What a session showed: kept with each input for :notebook, and written down while :log has a file.
local face = package.loaded["suture.face"]
local shell = require "suture.shell"

local transcript = {}

local MOST = 200000 -- bytes that are kept of what one input showed

local log -- {file =, path =, line = what was shown of a line that has not ended}

-- Text as it stood on the screen at last: without colours, each line as it was drawn last.
local function settled(text)
  text = text:gsub("\27%[[%d;?]*[%a]", ""):gsub("\27%][^\a\27]*\27?[\a\\]?", ""):gsub("\7", "")
  return (text:gsub("[^\n]*\r([^\r\n]+)", "%1"):gsub("\r", ""))
end
transcript.settled = settled

local function down(text)
  local ok, why = log.file:write(text)
  ok, why = ok and log.file:flush(), why
  if ok then return end
  local path = log.path
  log.file:close()
  log = nil
  shell.complain(("the log ends: %s: %s"):format(path, tostring(why)))
end

local function heard(text)
  if shell.state.drawing then return end
  local input = shell.state.running
  if input then
    local out = input.out or {size = 0}
    input.out = out
    if out.size < MOST then
      out[#out + 1], out.size = text, out.size + #text
      if out.size >= MOST then out[#out + 1] = "\n…\n" end
    end
  end
  if not log then return end
  log.line = log.line .. text
  local whole, rest = log.line:match "^(.*\n)([^\n]*)$"
  if whole then
    log.line = rest
    down(settled(whole))
  end
end

--- transcript.heard(text): what was shown otherwise than by writing it.
transcript.heard = heard

-- What was typed, as it stands behind the prompt.
local function typed(text) if log then down("> " .. text:gsub("\n", "\n>> ") .. "\n") end end

--- transcript.begin(): from now on what is shown is kept.
function transcript.begin()
  face.tap(heard)
  shell.typed = typed
end

--- transcript.log(path[, over]): what is typed and shown is written to the file as well, behind what it has (over:
-- instead of that). nil: no more. → the path that was written to until now, or nil
function transcript.log(path, over)
  local before = log and log.path
  if log then
    if log.line ~= "" then down(settled(log.line) .. "\n") end
    if log then log.file:close() end
    log = nil
  end
  if path then
    local file, why = io.open(path, over and "w" or "a")
    if not file then shell.fail("%s", why) end
    log = {file = file, path = path, line = ""}
    down(("-- %s\n"):format(os.date "%Y-%m-%d %H:%M"))
  end
  return before
end

--- transcript.logging(): the path of the log, or nil.
function transcript.logging() return log and log.path end

return transcript
