--- The texts of chunks, for messages about the lines in them.
local embedded = require "suture.embedded"

local chunks = {}

-- The text of line n, or nil.
local function nth(text, n)
  local at = 1
  for _ = 2, n do
    at = text:find("\n", at, true)
    if not at then return nil end
    at = at + 1
  end
  return text:sub(at, (text:find("\n", at, true) or #text + 1) - 1)
end

local function read(path)
  local f = io.open(path)
  local text = f and f:read "a"
  if f then f:close() end
  return text
end

-- What is not a file, by its chunk's name: -e's, or a line of the prompt.
local function typed(name)
  local face, shell = package.loaded["suture.face"], package.loaded["suture.shell"]
  if name == "(-e)" then return face and face.chunk end
  return shell and shell.source("=" .. name)
end

--- The text of the line that runs, by what debug.getinfo(level, "Sl") says; nil where it is not known.
function chunks.running(info)
  local own = embedded.path(info.source)
  local text
  if own then text = embedded.source(own)
  elseif info.source:sub(1, 1) == "@" then text = read(info.source:sub(2))
  elseif info.source:sub(1, 1) == "=" then text = typed(info.source:sub(2))
  else text = info.source end
  return text and nth(text, info.currentline)
end

--- The text of line n of the chunk that messages call so: a path, "(-e)", "[7]"; nil where it is not known. Long paths
-- are cut there ("...lib/x.lua"): then it is the script's, if that ends so.
function chunks.line(name, n)
  local text = typed(name)
  local script = type(arg) == "table" and arg[0]
  if not text and name:sub(1, 3) == "..." and type(script) == "string" and script:sub(-#name + 3) == name:sub(4) then
    name = script
  end
  text = text or read(name)
  return text and nth(text, n)
end

return chunks
